"""Draw the pairs that the small models are trained on, so many of each source (HelpSteer2 layout).

    python scripts/small_pairs.py DATA work/answers --count e-CARE=6000 --count COPA-SSE=400

``DATA`` holds the folders ``human_pairs``, ``qa_feedback`` and ``assistant_pairs``. A training pair
whose prompt stands in ``human_pairs/test`` is left out (e-CARE asks for cause and effect of one
sentence more than once); nothing else of the test part is read. Of validation pairs at most
``--val`` a source are drawn.

With ``--explain`` every reason opens with what it is a reason for. People wrote "Wheels have solid
rubber tires."; the judge learns to write "@Response 2 names the likelier result: "He handed in all
the tires of his car." Wheels have solid rubber tires." The reason itself stays the person's.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

FOLDERS = ("human_pairs", "qa_feedback", "assistant_pairs")
FILE = Path("preference") / "preference.jsonl.gz"
WORDS = 16
"""The most words of a response that an explanation quotes."""
_ASKED = {"cause": re.compile(r"cause of this\?$"), "result": re.compile(r"as a result\?$")}


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a gzipped file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def decided(row: dict[str, Any]) -> bool:
    """Say whether people preferred one of the responses."""
    return sum(a["strength"] for a in row["all_preferences_unprocessed"]) != 0


def draw(data: Path, counts: dict[str, int], val: int, seed: int) -> list[dict[str, Any]]:
    """Return the drawn rows in random order, at most ``val`` of each source for validation."""
    tested = {row["prompt"] for row in read(data / "human_pairs" / "test" / "preference.jsonl.gz")}
    pools: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for folder in FOLDERS:
        for row in read(data / folder / FILE):
            if decided(row) and (row["split"] == "val" or row["prompt"] not in tested):
                pools.setdefault((row["source"], row["split"]), []).append(row)
    known = sorted({source for source, _ in pools})
    if unknown := sorted(set(counts) - set(known)):
        raise SystemExit(f"no source {unknown[0]}; there are {', '.join(known)}")
    rng = random.Random(seed)
    rows = []
    for source, count in counts.items():
        for split, wanted in (("train", count), ("val", val)):
            pool = pools.get((source, split), [])
            rows += rng.sample(pool, min(wanted, len(pool)))
    rng.shuffle(rows)
    return rows


def explained(row: dict[str, Any]) -> dict[str, Any]:
    """Return ``row`` with each reason opened by what it is a reason for."""
    annotations = [
        {**a, "justification": _justification(row, a["strength"], a["justification"])}
        for a in row["all_preferences_unprocessed"]
    ]
    return {**row, "all_preferences_unprocessed": annotations}


def _justification(row: dict[str, Any], strength: int, text: str) -> str:
    """Return an annotation's statement, and its reason opened; without a reason as it is."""
    statement, stop, reason = text.partition(". ")
    reason = " ".join(reason.split())
    if not stop or len(reason) < 12:
        return text
    better = 1 if strength < 0 else 2
    asked = next((what for what, ends in _ASKED.items() if ends.search(row["prompt"])), None)
    if asked:
        quoted = _quoted(row[f"response_{better}"])
        opened = f'@Response {better} names the likelier {asked}: "{quoted}" {reason}'
    else:
        reason = re.sub(rf"^@Response {better}\b,?(?! and)", "it", reason)
        opened = f"@Response {better} is the stronger answer: {reason}"
    return f"{statement}. {opened if opened[-1] in '.!?' else opened + '.'}"


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
    asked.add_argument("--explain", action="store_true")
    options = asked.parse_args()
    counts = {name: int(number) for name, _, number in (c.partition("=") for c in options.count)}
    rows = draw(options.data, counts, options.val, options.seed)
    out = options.target / FILE
    out.parent.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(out, "wb", mtime=0) as lines:
        for row in rows:
            line = json.dumps(explained(row) if options.explain else row)
            lines.write(line.encode() + b"\n")
    print(f"{len(rows):,} pairs in {out}")


if __name__ == "__main__":
    main()
