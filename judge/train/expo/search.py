"""The paper's two-stage search of the ExPO factor on a validation set.

First 1.1, 1.2, ..., 2.0; then every hundredth up to 0.09 below and above the best of them. Source:
HelpSteer2-Preference (arXiv 2410.01257), appendix: 1.6, then 1.51 to 1.69, gave 1.52.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from judge.errors import UsageError
from judge.models.checkpoint import Checkpoint
from judge.runs.whole import replace_json, write_whole
from judge.train.expo.candidate import ExpoCandidate
from judge.train.expo.curve import CURVE_JSON, CURVE_SVG, Point, SearchResult, draw
from judge.train.expo.matching import HEAD_ROW, TensorMatch

COARSE = range(110, 201, 10)
"""Factors of the first stage, in hundredths."""
AROUND = 9
"""The second stage goes so many hundredths to both sides."""
REFERENCES = (0, 100)
"""Weak and strong themselves, in hundredths: shown beside the curve, never chosen."""


def search(right_at: Callable[[int], int]) -> dict[int, int]:
    """Return the pairs right at every factor that the two stages try, all in hundredths."""
    right = {factor: right_at(factor) for factor in COARSE}
    centre = best_of(right)
    around = range(centre - AROUND, centre + AROUND + 1)
    right |= {factor: right_at(factor) for factor in around if factor not in right}
    return dict(sorted(right.items()))


def best_of(right: dict[int, int]) -> int:
    """Return the factor with the most pairs right; of equals the smallest, nearest to strong."""
    return min(right, key=lambda factor: (-right[factor], factor))


def run_search(
    matches: dict[str, TensorMatch],
    strong: Checkpoint,
    pairs: Path,
    limit: int | None,
    folder: Path,
) -> SearchResult:
    """Search the factor on a ``preference`` file; write the curve into ``folder``.

    What was evaluated before an interruption is read back from there.

    Raises:
        UsageError: when pairs or model cannot be used.
    """
    candidate = ExpoCandidate(matches, strong)
    preferences = candidate.read(pairs, limit)
    output = _reward_output(strong)
    known = _known(folder / CURVE_JSON)

    def right_at(factor: int) -> int:
        if str(factor) not in known:
            candidate.set(factor / 100)
            known[str(factor)] = candidate.count_right(preferences, output)
            replace_json(folder / CURVE_JSON, {"evaluated": known})
        return known[str(factor)]

    def point(factor: int) -> Point:
        right = right_at(factor)
        return Point(factor / 100, right, right / len(preferences))

    weak, own = (point(factor) for factor in REFERENCES)
    curve = search(right_at)
    best = point(best_of(curve))
    result = SearchResult(
        best, [point(f) for f in curve], weak, own, len(preferences), dict(preferences.left_out)
    )
    replace_json(folder / CURVE_JSON, {**asdict(result), "evaluated": known})
    write_whole(folder / CURVE_SVG, draw(result))
    return result


def _reward_output(strong: Checkpoint) -> int:
    """Return which output is compared: the only one, or helpfulness.

    Raises:
        UsageError: when there are several and none is called so.
    """
    names = strong.outputs
    if names is None or len(names) < 2:
        count = len(strong.config.get("id2label") or [None])
        if count > 1:
            raise UsageError(
                f"{strong.folder}: several outputs without names; there is none to search by"
            )
        return 0
    if HEAD_ROW not in names:
        raise UsageError(
            f"{strong.folder}: no output is called {HEAD_ROW}; there is none to search by"
        )
    return names.index(HEAD_ROW)


def _known(path: Path) -> dict[str, int]:
    try:
        evaluated: Any = json.loads(path.read_bytes())["evaluated"]
        return {str(factor): int(right) for factor, right in evaluated.items()}
    except FileNotFoundError:
        return {}
