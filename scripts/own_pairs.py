"""Take some hundred pairs that people judged as if they were one's own annotations.

    python scripts/own_pairs.py DATA work/own --count 500 --longest 2600 --seed 29

``DATA`` holds ``assistant_pairs``: answers of chatbots, two of them to a question, and three
people's votes. Of its training part ``--count`` pairs are drawn, each with one of its votes, and
written as the review UI exports them: ``TARGET/preference/preference.jsonl.gz``. Pairs of the
questions of its validation part, with all votes, are what to test on: ``TARGET/held_out.jsonl``.
Prompt and responses of a pair have together at most ``--longest`` characters, those to test on
``--longest-held-out``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from pathlib import Path
from typing import Any

FILE = Path("preference") / "preference.jsonl.gz"


VOTES = "all_preferences_unprocessed"


def read(path: Path, split: str, longest: int) -> list[dict[str, Any]]:
    """Return the rows of a split that are short enough."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        row
        for row in rows
        if row["split"] == split
        and sum(len(row[name]) for name in ("prompt", "response_1", "response_2")) <= longest
    ]


def main() -> None:
    """Write both files."""
    asked = argparse.ArgumentParser(description="Annotations like one's own, and a test of them.")
    asked.add_argument("data", type=Path)
    asked.add_argument("target", type=Path)
    asked.add_argument("--count", type=int, default=500)
    asked.add_argument("--longest", type=int, default=2600)
    asked.add_argument("--longest-held-out", type=int, default=4000)
    asked.add_argument("--seed", type=int, default=29)
    options = asked.parse_args()
    path = options.data / "assistant_pairs" / FILE
    pool = read(path, "train", options.longest)
    rng = random.Random(options.seed)
    own = [
        {**row, VOTES: [rng.choice(row[VOTES])]}
        for row in rng.sample(pool, min(options.count, len(pool)))
    ]
    rest = read(path, "val", options.longest_held_out)
    out = options.target / FILE
    out.parent.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(out, "wb", mtime=0) as lines:
        lines.writelines(json.dumps(row).encode() + b"\n" for row in own)
    held_out = options.target / "held_out.jsonl"
    held_out.write_text("".join(f"{json.dumps(row)}\n" for row in rest), encoding="utf-8")
    print(f"{len(own)} pairs in {out}, {len(rest)} in {held_out}")


if __name__ == "__main__":
    main()
