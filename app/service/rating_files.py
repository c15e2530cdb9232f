"""The files of a project that rates: HelpSteer2's layout, and a table for spreadsheets."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

from app.review.content import prompt_of
from app.review.project import Settings
from app.review.ratings import SIDES, RatedTask
from app.review.rules import is_too_fast
from app.review.training import LeftOut, prompt_text, safe_cell
from judge.annotated import ATTRIBUTES
from judge.pair import Pair
from judge.runs.whole import refused_in_one_line
from judge.runs.whole import whole_file as plain_whole_file

File = IO[bytes] | gzip.GzipFile
TRAIN, VALIDATION = Path("train.jsonl.gz"), Path("validation.jsonl.gz")
DISAGREEMENTS = Path("disagreements") / "disagreements.jsonl.gz"
VALIDATION_SHARE = 20
"""One prompt in so many is for validation, as in HelpSteer2 (1,038 of 21,362 rows)."""
RATED_CSV_COLUMNS = (
    "pair_id", "source", "evaluation", "annotator", "response", "shown", "blind",
    *(f"first_{name}" for name in ATTRIBUTES), *ATTRIBUTES,
    "remark", "seconds", "too_fast", "chosen_at", "completed_at", "flag",
)  # fmt: skip


def rated_left_out(settings: Settings, task: RatedTask, unfinished: bool) -> LeftOut | None:
    """Return why a task is not exported for training, None where it is.

    Where responses are rated alone, their content says nothing of the pair in an evaluation set:
    its prompt decides.
    """
    if task.withdrawn:
        return "withdrawn"
    if task.evaluation or (settings.responses == "each" and task.evaluation_prompt):
        return "evaluation"
    if not task.annotations:
        return "no_annotation"
    return None if task.has_all or unfinished else "unfinished"


def write_ratings(
    folder: Path, rated: Iterable[tuple[RatedTask, Pair]], first: bool
) -> tuple[int, int]:
    """Write ``train.jsonl.gz``, ``validation.jsonl.gz`` (means, rounded, as released) and
    ``disagreements/disagreements.jsonl.gz`` (everyone's ratings), as ``judge data prepare --kind
    regression`` reads them; a response a row, those of a pair one after the other.

    Returns:
        How many rows of means there are, and how many responses are in ``disagreements`` alone
        because those who agree most still lie more than 2 apart in helpfulness.
    """
    rows = far = 0
    with ExitStack() as files:
        train, validation, everyone = (
            files.enter_context(whole_file(folder / name, packed=True))
            for name in (TRAIN, VALIDATION, DISAGREEMENTS)
        )
        for task, pair in rated:
            side_file = validation if _is_validation(pair) else train
            for side in task.sides():
                text = {"prompt": prompt_text(pair.prompt), "response": getattr(pair, side)}
                values: dict[str, Any] = {
                    name: list(found) for name, found in task.values(side, first).items()
                }
                _write(everyone, {**text, **values, "source": task.source})
                agreed = task.agreed(side, first)
                if agreed.dropped:
                    far += 1
                    continue
                means: dict[str, Any] = {name: int(agreed.means[name]) for name in ATTRIBUTES}
                _write(side_file, {**text, **means, "source": task.source})
                rows += 1
    return rows, far


def rated_csv_rows(settings: Settings, task: RatedTask) -> Iterator[list[Any]]:
    """Yield a row of :data:`RATED_CSV_COLUMNS` for each person and response; texts are safe to
    open in a spreadsheet."""
    for one in task.annotations:
        for number, side in enumerate(SIDES, start=1):
            first, last = one.first.ratings.of(side), one.said().ratings.of(side)
            if first is None or last is None:
                continue
            cells = (
                task.pair_id, task.source, str(task.evaluation).lower(), one.name, number,
                one.shown, str(one.blind).lower(),
                *(first.value(name) for name in ATTRIBUTES),
                *(last.value(name) for name in ATTRIBUTES),
                one.said().justification, round(one.seconds, 1),
                str(is_too_fast(settings, one.seconds, task.words)).lower(),
                one.chosen_at.isoformat(), one.completed_at.isoformat(), one.flagged,
            )  # fmt: skip
            yield [safe_cell(cell) for cell in cells]


def _is_validation(pair: Pair) -> bool:
    """Return on which side a prompt is: always the same one, in every export."""
    drawn = blake2b(prompt_of(pair.prompt).encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") % VALIDATION_SHARE == 0


def _write(file: File, row: dict[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


@contextmanager
def whole_file(path: Path, packed: bool) -> Iterator[File]:
    """Yield a file that takes its name when everything is in it and on the disk."""
    with refused_in_one_line(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with plain_whole_file(path) as file:
        if packed:
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream:
                yield stream
        else:
            yield file
