"""Draw the pairs that the small models are trained on, so many of each source (HelpSteer2 layout).

    python scripts/small_pairs.py DATA work/answers --count e-CARE=6000 --count COPA-SSE=400

``DATA`` holds the folders ``human_pairs``, ``qa_feedback`` and ``assistant_pairs``. A training pair
whose prompt stands in ``human_pairs/test`` is left out (e-CARE asks for cause and effect of one
sentence more than once); nothing else of the test part is read. Of validation pairs at most
``--val`` a source are drawn. ``--test`` draws from the test part instead: pairs to test on alone.

With ``--explain`` every reason opens with what it is a reason for. People wrote "Wheels have solid
rubber tires."; the judge learns to write "@Response 2 names the likelier result: "He handed in all
the tires of his car." Wheels have solid rubber tires." The reason itself stays the person's. Where
one annotator of a pair says something about these two responses ("does not mention India") and
another what could be said of any ("is more convincing"), only the first one's reason is kept.

``--contrast N`` adds pairs made by rule from questions and answers of the same files: the answer
against one to another question, one that repeats itself, one that breaks off. Their reasons say
just that. Nobody judged these; their ids begin with ``contrast:``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

from explanation_quality import words

FOLDERS = ("human_pairs", "qa_feedback", "assistant_pairs")
FILE = Path("preference") / "preference.jsonl.gz"
WORDS = 12
"""The most words of a response that an explanation quotes."""
CONTRASTED = ("Vicuna80", "FineGrainedRLHF")
"""The sources with questions that contrast pairs are made of."""
LONGEST = 60
"""The most words of an answer in a contrast pair."""
_ASKED = {"cause": re.compile(r"cause of this\?$"), "result": re.compile(r"as a result\?$")}


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a gzipped file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def decided(row: dict[str, Any]) -> bool:
    """Say whether people preferred one of the responses."""
    return bool(sum(a["strength"] for a in row["all_preferences_unprocessed"]))


def draw(
    data: Path, counts: dict[str, int], val: int, seed: int, most: int | None = None
) -> list[dict[str, Any]]:
    """Return the drawn rows in random order, at most ``val`` of each source for validation.

    With ``most``, none whose responses have more words together.
    """
    tested = {row["prompt"] for row in read(data / "human_pairs" / "test" / "preference.jsonl.gz")}
    pools: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for folder in FOLDERS:
        for row in read(data / folder / FILE):
            if most is not None and _words(row) > most:
                continue
            if decided(row) and (row["split"] == "val" or row["prompt"] not in tested):
                pools.setdefault((row["source"], row["split"]), []).append(row)
    wanted = [
        (name, split, n)
        for name, count in counts.items()
        for split, n in (("train", count), ("val", val))
    ]
    return _sample(pools, wanted, seed)


def draw_test(data: Path, counts: dict[str, int], seed: int) -> list[dict[str, Any]]:
    """Return the drawn rows of the test part in random order."""
    pools: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in filter(decided, read(data / "human_pairs" / "test" / "preference.jsonl.gz")):
        pools.setdefault((row["source"], "test"), []).append(row)
    return _sample(pools, [(name, "test", count) for name, count in counts.items()], seed)


def _sample(
    pools: dict[tuple[str, str], list[dict[str, Any]]],
    wanted: list[tuple[str, str, int]],
    seed: int,
) -> list[dict[str, Any]]:
    """Return so many rows of each source and split, or all there are, in random order.

    Raises:
        SystemExit: for a source that there is not.
    """
    known = sorted({source for source, _ in pools})
    if unknown := sorted({source for source, _, _ in wanted} - set(known)):
        raise SystemExit(f"no source {unknown[0]}; there are {', '.join(known)}")
    rng = random.Random(seed)
    rows = []
    for source, split, count in wanted:
        pool = pools.get((source, split), [])
        rows += rng.sample(pool, min(count, len(pool)))
    rng.shuffle(rows)
    return rows


def _words(row: dict[str, Any]) -> int:
    """Return how many words the responses have together."""
    return len(row["response_1"].split()) + len(row["response_2"].split())


def explained(row: dict[str, Any]) -> dict[str, Any]:
    """Return ``row`` with each reason opened by what it is a reason for."""
    annotations = row["all_preferences_unprocessed"]
    said = words(" ".join([row["prompt"], row["response_1"], row["response_2"]]))
    specific = [bool(words(a["justification"].partition(". ")[2]) & said) for a in annotations]
    return {
        **row,
        "all_preferences_unprocessed": [
            {
                **a,
                "justification": _justification(
                    row, a["strength"], a["justification"], own or not any(specific)
                ),
            }
            for a, own in zip(annotations, specific, strict=True)
        ],
    }


def _justification(row: dict[str, Any], strength: int, text: str, keep: bool) -> str:
    """Return an annotation's statement, and its reason opened if that is to be kept."""
    statement, _, reason = text.partition(". ")
    statement, reason = statement.rstrip("."), " ".join(reason.split())
    if not keep or strength == 0:
        return f"{statement}."
    better = 1 if strength < 0 else 2
    asked = next((what for what, ends in _ASKED.items() if ends.search(row["prompt"])), None)
    quoted = _quoted(row[f"response_{better}"])
    if asked:
        opened = f'names the likelier {asked}: "{quoted}"'
    elif row["prompt"].startswith("Debate: "):
        opened = f'makes the stronger argument: "{quoted}"'
    else:
        opened = f'gives the stronger answer: "{quoted}"'
    whole = f"{statement}. @Response {better} {opened}"
    if len(reason) >= 12:
        whole += f" {reason[0].upper()}{reason[1:]}"
        whole += "" if reason[-1] in ".!?" else "."
    return whole


def contrasts(rows: list[dict[str, Any]], count: int, rng: random.Random) -> list[dict[str, Any]]:
    """Return ``count`` pairs by rule: an answer against one that is plainly worse, and why."""
    known = [
        (row["prompt"].rpartition("Question: ")[2].strip(), _short(row[f"response_{better}"]), row)
        for row in rows
        if row["source"] in CONTRASTED and decided(row)
        for better in [
            1 if sum(a["strength"] for a in row["all_preferences_unprocessed"]) < 0 else 2
        ]
    ]
    known = [one for one in known if len(one[1].split()) >= 15]
    pairs = []
    for index, (question, good, row) in enumerate(rng.sample(known, count)):
        other = rng.choice([answer for asked, answer, _ in known if asked != question])
        bad, worse = _spoilt(good, other, rng)
        first = rng.random() < 0.5
        better, place = ("@Response 1", "@Response 2") if first else ("@Response 2", "@Response 1")
        said = f'{better} answers the question: "{_quoted(good)}" {place} {worse}'
        pairs.append(
            {
                "split": row["split"],
                "prompt": question,
                "response_1": good if first else bad,
                "response_2": bad if first else good,
                "all_preferences_unprocessed": [
                    {
                        "strength": -3 if first else 3,
                        "justification": f"{better} is much better than {place}. {said}",
                    }
                ],
                "id": f"contrast:{index}:{row['id']}",
                "source": "contrast",
            }
        )
    return pairs


def _spoilt(good: str, other: str, rng: random.Random) -> tuple[str, str]:
    """Return a worse answer than ``good``, and what is wrong with it."""
    kind = rng.choice(["other", "other", "repeats", "ends"])
    if kind == "other":
        return other, f'speaks of something else: "{_quoted(other)}"'
    parts = good.split()
    if kind == "repeats":
        piece = " ".join(parts[: rng.randint(5, 10)])
        return " ".join([piece] * rng.randint(3, 5)), f'only repeats "{piece}"'
    cut = rng.randint(4, 10)
    return " ".join(parts[:cut]), f'breaks off after "{" ".join(parts[max(0, cut - 4) : cut])}".'


def _short(response: str) -> str:
    """Return the first sentences of a response, ``LONGEST`` words at most."""
    taken: list[str] = []
    for sentence in re.split(r"(?<=[.!?])\s+", response.strip()):
        if len(taken) + len(sentence.split()) > LONGEST:
            break
        taken += sentence.split()
    return " ".join(taken)


def _quoted(response: str) -> str:
    """Return the beginning of a response on one line, without quotation marks."""
    words = response.replace('"', "").split()
    return " ".join(words[:WORDS]) + (" ..." if len(words) > WORDS else "")


def main() -> None:
    """Write ``TARGET/preference/preference.jsonl.gz``."""
    asked = argparse.ArgumentParser(description="Draw the pairs of the small models.")
    asked.add_argument("data", type=Path)
    asked.add_argument("target", type=Path)
    asked.add_argument("--count", action="append", required=True, metavar="SOURCE=N")
    asked.add_argument("--val", type=int, default=400)
    asked.add_argument("--seed", type=int, default=17)
    asked.add_argument("--words", type=int, metavar="N", help="pairs of at most N words")
    asked.add_argument("--explain", action="store_true")
    asked.add_argument("--contrast", type=int, default=0, metavar="N")
    asked.add_argument("--test", action="store_true")
    options = asked.parse_args()
    counts = {name: int(number) for name, _, number in (c.partition("=") for c in options.count)}
    if options.test:
        rows = draw_test(options.data, counts, options.seed)
    else:
        rows = draw(options.data, counts, options.val, options.seed, options.words)
    if options.explain:
        rows = [explained(row) for row in rows]
    if options.contrast:
        known = [row for folder in FOLDERS for row in read(options.data / folder / FILE)]
        rng = random.Random(options.seed)
        rows += contrasts(known, options.contrast, rng)
        rng.shuffle(rows)
    out = options.target / FILE
    out.parent.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(out, "wb", mtime=0) as lines:
        for row in rows:
            lines.write(json.dumps(row).encode() + b"\n")
    print(f"{len(rows):,} pairs in {out}")


if __name__ == "__main__":
    main()
