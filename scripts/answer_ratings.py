"""Write ratings for mini-regression: people's own, and right and wrong answers as 4 and 0.

    python scripts/answer_ratings.py DATA/human_pairs work/answers

People rated some 600 arguments only. What the cause or effect of something is was not rated but
answered: the right answer counts as 4 on HelpSteer2's scale of helpfulness, the wrong one as 0. The
people's ratings are written several times, so that they are not lost among the answers.
Of the preferences only the train and val splits are read, each for itself; none of the test part.
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
PAIRS = {"train": 4_000, "val": 200}
"""Answered pairs of each split that are taken."""
TIMES = {"train": 4, "val": 1}
"""How often each of the people's ratings is written."""
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


def main(source: Path, target: Path, seed: int = 17) -> None:
    """Write ``train.jsonl.gz`` and ``validation.jsonl.gz`` to the folder ``target``."""
    rng = random.Random(seed)
    preferences = read(source / "preference" / "preference.jsonl.gz")
    target.mkdir(parents=True, exist_ok=True)
    for split, name in FILES.items():
        answered = [r for r in preferences if r["split"] == split and r["source"] in SOURCES]
        rows = list(answers(rng.sample(answered, min(PAIRS[split], len(answered)))))
        for row in read(source / name):
            rows += [{**row, "id": f"{row['id']}-{time}"} for time in range(TIMES[split])]
        with gzip.GzipFile(target / name, "wb", mtime=0) as out:
            out.writelines(json.dumps(row).encode() + b"\n" for row in rows)
        print(f"{split}: {len(rows):,} ratings")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
