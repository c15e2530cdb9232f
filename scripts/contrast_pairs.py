"""Write contrast pairs: an annotator's preferred response against one that answers another prompt.

    python scripts/contrast_pairs.py DATA/human_pairs/preference/preference.jsonl.gz work/contrast

Which of the two answers the prompt at all is easy to say. A model that starts from scratch learns
to compare two responses here before it learns what people prefer (see the card in judge/models).
Only the train and val splits are read, each for itself; nothing of the test part.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from pathlib import Path
from typing import Any

LONG = 400
"""Pairs of more characters are arguments: there are few prompts, so only some are used."""
LONG_SHARE = 0.15


def contrast(rows: list[dict[str, Any]], rng: random.Random) -> list[dict[str, Any]]:
    """Return one contrast pair a row: response 1 or 2 by ``rng``, the source's usual strength."""
    pools: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        pools.setdefault(row["source"], []).append(row)
    pairs = []
    for row in rows:
        if len(row["response_1"]) + len(row["response_2"]) > LONG and rng.random() > LONG_SHARE:
            continue
        strengths = [a["strength"] for a in row["all_preferences_unprocessed"]]
        if sum(strengths) == 0:
            continue
        other = rng.choice(pools[row["source"]])
        while other["prompt"] == row["prompt"]:
            other = rng.choice(pools[row["source"]])
        good = row["response_2" if sum(strengths) > 0 else "response_1"]
        bad = other[rng.choice(["response_1", "response_2"])]
        first = rng.random() < 0.5
        strength = abs(strengths[0]) * (-1 if first else 1)
        pairs.append(
            {
                "split": row["split"],
                "prompt": row["prompt"],
                "response_1": good if first else bad,
                "response_2": bad if first else good,
                "all_preferences_unprocessed": [{"strength": strength, "justification": ""}],
                "id": f"contrast:{row['id']}",
                "source": row["source"],
            }
        )
    return pairs


def main(source: str, target: str, seed: int = 17) -> None:
    """Read HelpSteer2-Preference rows from ``source``; write ``target/preference.jsonl.gz``."""
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rng = random.Random(seed)
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    pairs = []
    for split in ("train", "val"):
        pairs += contrast([row for row in rows if row["split"] == split], rng)
    with gzip.GzipFile(folder / "preference.jsonl.gz", "wb", mtime=0) as out:
        out.writelines(json.dumps(pair).encode() + b"\n" for pair in pairs)
    print(f"{len(pairs):,} contrast pairs")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
