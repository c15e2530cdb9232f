"""Show one judgment of a run in words: the prompt, both responses, what the judge says of them.

    python scripts/show_judgment.py RUN [PAIR_ID]

The first of the run, unless PAIR_ID names another.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path

from judge.errors import UsageError
from judge.formats.pairs import read_pairs
from judge.formats.sources import open_source
from judge.idset import IdSet
from judge.judgment import Judgment
from judge.pair import Pair
from judge.runs.folder import CONFIG, JUDGMENTS
from judge.runs.jsonlines import read_rows

WIDTH, LINES = 96, 4
"""Columns of the whole, and the most lines of a text."""


def main(run: Path, pair_id: str | None) -> None:
    """Print one judgment of ``run``; say in one line why there is none."""
    judgments = read_rows(run / JUDGMENTS, Judgment.from_json)
    judgment = next((j for j in judgments if pair_id in (None, j.pair_id)), None)
    if judgment is None:
        raise SystemExit(f"{run}: no judgment{f' of {pair_id}' if pair_id else ''}")
    asked = json.loads((run / CONFIG).read_text(encoding="utf-8"))["config"]
    rows = read_pairs(open_source(asked["input"]).records(), IdSet())
    for _, row in rows:
        if isinstance(row, Pair) and row.pair_id == judgment.pair_id:
            print(shown(row, judgment))
            return
    raise SystemExit(f"{asked['input']}: no pair {judgment.pair_id}")


def shown(pair: Pair, judgment: Judgment) -> str:
    """Return a pair and its judgment as text, long ones cut."""
    said = [judgment.statement or "no preference", judgment.elaboration or ""]
    parts = {
        "prompt": pair.prompt[-1].content,
        "Response 1": pair.response_1,
        "Response 2": pair.response_2,
        "judge": " ".join(part for part in said if part),
    }
    blocks = [f"The judgment of {judgment.pair_id}:"]
    for name, text in parts.items():
        first, rest = f"  {name:<12}", " " * 14
        lines = textwrap.wrap(
            " ".join(text.split()),
            WIDTH,
            initial_indent=first,
            subsequent_indent=rest,
            max_lines=LINES,
            placeholder=" ...",
        )
        blocks += lines or [first]
    return "\n".join(blocks)


if __name__ == "__main__":
    words = argparse.ArgumentParser(description="Show one judgment of a run in words.")
    words.add_argument("run", type=Path)
    words.add_argument("pair_id", nargs="?")
    options = words.parse_args()
    try:
        main(options.run, options.pair_id)
    except UsageError as error:
        raise SystemExit(str(error)) from None
