"""Rows for the tests of the checks, in files and in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from judge.annotated import AnnotatedPair, Split
from judge.data.checks.rows import CheckedRow, row_of
from judge.pair import Annotation, Pair, parse_prompt

PROMPT = "Name one reason why the harbour of Bergen stays free of ice in every winter."
FIRST = "A warm current from the Atlantic reaches the coast and keeps the water above freezing."
SECOND = "The city is in the north, so that the sun heats the harbour for the whole of the night."


def pair(
    pair_id: str = "a",
    *,
    prompt: str = PROMPT,
    responses: tuple[str, str] = (FIRST, SECOND),
    said: Iterable[tuple[int, str]] = ((-2, "@Response 1 is better than @Response 2."),),
    split: Split = "train",
    columns: dict[str, str] | None = None,
) -> AnnotatedPair:
    """Return a pair that no check finds anything in, but for what is asked for."""
    return AnnotatedPair(
        split=split,
        pair=Pair(
            pair_id=pair_id,
            prompt=parse_prompt(prompt),
            response_1=responses[0],
            response_2=responses[1],
        ),
        annotations=tuple(Annotation(strength=s, justification=text) for s, text in said),
        columns=columns or {},
    )


def row(*args: Any, **kwargs: Any) -> CheckedRow:
    """Return :func:`pair` as the checks see it."""
    return row_of(pair(*args, **kwargs))


def line(item: AnnotatedPair) -> dict[str, Any]:
    """Return a pair as a row of nvidia/HelpSteer2's preference file."""
    prompt = item.pair.prompt[0].content
    for message in item.pair.prompt[1:]:
        prompt += f"\n<extra_id_1>{message.role.capitalize()}\n{message.content}"
    said = [{"strength": a.strength, "justification": a.justification} for a in item.annotations]
    return {
        "id": item.pair.pair_id,
        "split": item.split,
        "prompt": prompt,
        "response_1": item.pair.response_1,
        "response_2": item.pair.response_2,
        "all_preferences_unprocessed": said,
    }


def write(path: Path, items: Iterable[AnnotatedPair]) -> Path:
    """Write pairs to a preference file."""
    text = "".join(json.dumps(line(item)) + "\n" for item in items)
    path.write_text(text, encoding="utf-8")
    return path


def found(report: dict[str, Any]) -> dict[str, int]:
    """Return the findings of each check that found anything."""
    return {name: e["findings"] for name, e in report["checks"].items() if e["findings"]}
