"""Evaluate a run over the human_pairs test pairs against people: the figures of the model card.

    judge batch PAIRS --out runs/test --mode verdict --model mini
    python scripts/evaluate_mini.py PAIRS runs/test

PAIRS are those of DATA/human_pairs/test/preference.jsonl.gz, or others with annotations.
A pair's label is the majority of its annotations; pairs without one are left out. "Agreed" are the
pairs of at least four annotations that all say the same. A failed pair counts as wrong.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from judge.metrics.intervals import wilson

Row = dict[str, Any]


def label(row: Row) -> str | None:
    """Return the response that most annotators preferred, or None on a tie."""
    signs = [a["strength"] > 0 for a in row["all_preferences_unprocessed"]]
    if 2 * sum(signs) == len(signs):
        return None
    return "response_2" if 2 * sum(signs) > len(signs) else "response_1"


def agreed(row: Row) -> bool:
    """Say whether at least four annotators compared the pair and none disagreed."""
    signs = [a["strength"] > 0 for a in row["all_preferences_unprocessed"]]
    return len(signs) >= 4 and len(set(signs)) == 1


def interval(successes: int, total: int) -> str:
    """Return a share with its 95 % Wilson interval."""
    low, high = wilson(successes, total)
    return f"{successes / total:.3f} [{low:.3f}, {high:.3f}]"


def main(pairs_file: str, run_dir: str) -> None:
    """Print the card's table for one run."""
    with gzip.open(pairs_file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    with (Path(run_dir) / "judgments.jsonl").open(encoding="utf-8") as lines:
        judged = {j["pair_id"]: j for j in map(json.loads, lines)}
    groups: dict[str, Callable[[Row], bool]] = {
        "UKPConvArg1, all": lambda r: r["source"] == "UKPConvArg1",
        "UKPConvArg1, agreed": lambda r: r["source"] == "UKPConvArg1" and agreed(r),
        "e-CARE": lambda r: r["source"] == "e-CARE",
    }
    print(
        "| test pairs | n | judge, both orders | longer response | given order only | consistent |"
    )
    print("|---|---|---|---|---|---|")
    for name, member in groups.items():
        chosen = [r for r in rows if member(r) and label(r)]
        verdicts = [judged.get(r["id"]) for r in chosen]
        right = sum(
            v is not None and v["preference"] == label(r)
            for r, v in zip(chosen, verdicts, strict=True)
        )
        longer = sum(
            label(r)
            == ("response_1" if len(r["response_1"]) > len(r["response_2"]) else "response_2")
            for r in chosen
        )
        first = sum(
            v is not None and (v["orders"]["given"]["strength"] > 0) == (label(r) == "response_2")
            for r, v in zip(chosen, verdicts, strict=True)
        )
        consistent = sum(v is not None and bool(v["consistent"]) for v in verdicts)
        n = len(chosen)
        figures = [interval(k, n) for k in (right, longer, first, consistent)]
        print(f"| {name} | {n} | {' | '.join(figures)} |")
    every = [judged[r["id"]] for r in rows if r["id"] in judged]
    print(
        f"\nAll {len(rows)} test pairs: {len(every)} judged, order-consistent "
        f"{interval(sum(bool(j['consistent']) for j in every), len(rows))}"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
