"""What the written reasons of a run are worth: the figures and the twenty reasons of a card.

    judge batch PAIRS --out runs/written --mode justify
    python scripts/explanation_quality.py PAIRS runs/written

Counted over all judgments that have an elaboration, each with a 95 % Wilson interval: a sentence
that stands twice in one elaboration; a content word of the prompt or of a response (four letters or
more, none of the commonest words); an elaboration that speaks for the other response than its
statement (the rule of `judge compare`). Then the first reasons of the run, unchosen.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from judge.compare.polarity import contrary
from judge.formats.pairs import read_pairs
from judge.formats.sources import open_source
from judge.idset import IdSet
from judge.metrics.intervals import wilson
from judge.pair import Pair
from judge.prompt import render_conversation
from judge.verdict import parse_statement

_WORD = re.compile(r"[^\W\d_]{4,}")
_COMMON_TEXT = """
about after also answer argument because been before being better both cause could does each even
from good have here into just less like likelier makes many more most much must names only other
over reason response result same should some stronger such than that their them then there these
they this those very want well were what when where which while will with would your
"""
_COMMON = frozenset(_COMMON_TEXT.split())


def words(text: str) -> set[str]:
    """Return the content words of a text, lower-cased."""
    return {word.casefold() for word in _WORD.findall(text)} - _COMMON


def repeats(text: str) -> bool:
    """Say whether a sentence stands twice in ``text``."""
    parts = [part.strip().casefold() for part in re.split(r"[.!?\n]+", text)]
    whole = [part for part in parts if part]
    return len(set(whole)) < len(whole)


def pair_words(pairs: str) -> dict[str, set[str]]:
    """Return the content words of each pair of a file, by its id."""
    found = (pair for _, pair in read_pairs(open_source(pairs).records(), IdSet()))
    return {
        pair.pair_id: words(
            " ".join([render_conversation(pair.prompt), pair.response_1, pair.response_2])
        )
        for pair in found
        if isinstance(pair, Pair)
    }


def interval(count: int, total: int) -> str:
    """Return a share with its 95 % Wilson interval, in per cent."""
    low, high = wilson(count, total)
    return f"{100 * count / total:.1f} % [{100 * low:.1f}, {100 * high:.1f}] ({count} of {total})"


def main() -> None:
    """Print the figures and the first reasons."""
    asked = argparse.ArgumentParser(description="What the written reasons of a run are worth.")
    asked.add_argument("pairs")
    asked.add_argument("run", type=Path)
    asked.add_argument("--show", type=int, default=20)
    options = asked.parse_args()
    texts = pair_words(options.pairs)
    lines = (options.run / "judgments.jsonl").read_text(encoding="utf-8").splitlines()
    judged = [row for row in map(json.loads, lines) if row["elaboration"]]
    named = {"repeats a sentence": 0, "has a content word of the pair": 0, "contradicts": 0}
    for row in judged:
        said = row["elaboration"]
        strength = parse_statement(row["statement"]) or 0
        named["repeats a sentence"] += repeats(said)
        named["has a content word of the pair"] += bool(words(said) & texts[row["pair_id"]])
        named["contradicts"] += strength != 0 and contrary(said, strength)
    for name, count in named.items():
        print(f"| {name} | {interval(count, len(judged))} |")
    for row in judged[: options.show]:
        print(f"\n{row['pair_id']}: {' '.join(row['elaboration'].split())} {row['statement']}")


if __name__ == "__main__":
    main()
