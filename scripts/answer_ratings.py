"""Write ratings for a regression model: people's own, and right and wrong answers as 4 and 0.

    python scripts/answer_ratings.py DATA/human_pairs work/answers [PAIRS TIMES]

People rated some 600 arguments only. What the cause or effect of something is was not rated but
answered: the right answer counts as 4 on HelpSteer2's scale of helpfulness, the wrong one as 0. The
people's ratings are written several times, so that they are not lost among the answers.
Only the train and val splits of the preferences are written, each for itself; a prompt that stands
in the test part is left out.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOURCES = ("e-CARE", "COPA-SSE")
VALIDATION_PAIRS = 200
"""Answered pairs that are taken for validation, where each rating is written once."""
FILES = {"train": "train.jsonl.gz", "val": "validation.jsonl.gz"}
OTHERS = ("correctness", "coherence", "complexity", "verbosity")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a gzipped file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def answers(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield two rated responses for each pair of ``rows`` that people decided."""
    for row in rows:
        strength = sum(a["strength"] for a in row["all_preferences_unprocessed"])
        if not strength:
            continue
        for side, right in (("response_1", strength < 0), ("response_2", strength > 0)):
            yield {
                "prompt": row["prompt"],
                "response": row[side],
                "helpfulness": 4 if right else 0,
                **dict.fromkeys(OTHERS),
                "id": f"{row['id']}-{side}",
                "source": row["source"],
            }


def main(source: Path, target: Path, pairs: int = 4_000, times: int = 4, seed: int = 17) -> None:
    """Write ``train.jsonl.gz`` and ``validation.jsonl.gz`` to the folder ``target``.

    Args:
        pairs: answered pairs that are taken for training.
        times: how often each of the people's ratings is written for training.
    """
    rng = random.Random(seed)
    taken = {"train": (pairs, times), "val": (VALIDATION_PAIRS, 1)}
    tested = {row["prompt"] for row in read(source / "test" / "preference.jsonl.gz")}
    preferences = read(source / "preference" / "preference.jsonl.gz")
    target.mkdir(parents=True, exist_ok=True)
    for split, name in FILES.items():
        wanted, repeats = taken[split]
        answered = [
            row
            for row in preferences
            if row["split"] == split and row["source"] in SOURCES and row["prompt"] not in tested
        ]
        rows = list(answers(rng.sample(answered, min(wanted, len(answered)))))
        for row in read(source / name):
            rows += [{**row, "id": f"{row['id']}-{time}"} for time in range(repeats)]
        with gzip.GzipFile(target / name, "wb", mtime=0) as out:
            out.writelines(json.dumps(row).encode() + b"\n" for row in rows)
        print(f"{split}: {len(rows):,} ratings")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]), *map(int, sys.argv[3:]))
