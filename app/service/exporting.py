"""Files for training and for analysis."""

from __future__ import annotations

import codecs
import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.errors import Refused
from app.review.annotation import Task, Which
from app.review.project import ExportKind, Person, Settings
from app.review.training import (
    CSV_COLUMNS,
    csv_rows,
    dpo_row,
    label_row,
    left_out,
    preference_row,
)
from app.service.access import allow
from app.service.highlighting import highlight_rows
from app.service.rating_files import (
    RATED_CSV_COLUMNS,
    File,
    rated_csv_rows,
    rated_left_out,
    whole_file,
    write_ratings,
)
from app.store import annotated, events
from app.store.database import Store, Transaction

OF_ATTRIBUTES: tuple[ExportKind, ...] = ("ratings", "csv", "highlights", "history")
OF_PREFERENCE: tuple[ExportKind, ...] = (
    "preference", "labels", "dpo", "csv", "highlights", "history",
)  # fmt: skip
EVERYTHING: tuple[ExportKind, ...] = ("csv", "highlights", "history")
"""Of every task, those of evaluation sets and checks too: for looking at, not for training."""
TRAINING: tuple[ExportKind, ...] = ("preference", "dpo", "ratings")
"""What models are trained on: nothing of an evaluation set is ever in it."""
PREFERENCE_FILE = Path("preference") / "preference.jsonl.gz"


class Exported(BaseModel):
    """What an export wrote."""

    model_config = ConfigDict(frozen=True)

    path: Path
    """The file that was written."""
    rows: int
    left_out: dict[str, int]
    """Tasks that are not in it, by reason (:data:`app.review.training.LeftOut`)."""
    shared_prompts: int
    """Rows for training whose prompt, with other responses, is in an evaluation set."""


class Exporting:
    """What a project's annotations become."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._now = clock

    def write(
        self,
        who: Person | None,
        project_id: int,
        kind: ExportKind,
        out: Path,
        unfinished: bool = False,
        first: bool = False,
    ) -> Exported:
        """Write one export to the file ``out`` (``preference``: into that folder), whole or not at
        all. The same annotations give the same bytes.

        Args:
            unfinished: tasks that still lack annotations, too.
            first: the choices before the reveal instead of the final ones.

        Raises:
            UsageError: ``out`` cannot be written.
            Refused: a kind that this project has not.
        """
        with self._store.reading() as tx:
            rates = allow(tx, who, project_id, "export").kind == "attributes"
        kinds = OF_ATTRIBUTES if rates else OF_PREFERENCE
        if kind not in kinds:
            raise Refused(f"this project has no export {kind!r}; it has {', '.join(kinds)}")
        if rates and kind not in ("history", "highlights"):
            return self._ratings(who, project_id, kind, out, unfinished, first)
        path = out / PREFERENCE_FILE if kind == "preference" else out
        with self._store.reading() as tx:
            settings = allow(tx, who, project_id, "export")
            chosen, missing = [], Counter[str]()
            for task in () if rates else annotated.tasks(tx, project_id):
                why = left_out(task, training=kind in TRAINING, unfinished=unfinished)
                if why is None or kind in EVERYTHING:
                    chosen.append(task)
                else:
                    missing[why] += 1
            which: Which = "first" if first else "final"
            rows = _rows(tx, project_id, settings, kind, chosen, which, missing)
            with whole_file(path, packed=kind == "preference") as file:
                count = _write_csv(file, rows) if kind == "csv" else _write_json(file, rows)
        shared = sum(task.evaluation_prompt for task in chosen) if kind in TRAINING else 0
        with self._store.writing() as tx:
            data = {"kind": kind, "rows": count, "unfinished": unfinished, "first": first}
            account_id = None if who is None else who.account_id
            events.add(tx, project_id, "export", self._now(), account_id=account_id, data=data)
        return Exported(
            path=path, rows=count, left_out=dict(sorted(missing.items())), shared_prompts=shared
        )

    def _ratings(
        self,
        who: Person | None,
        project_id: int,
        kind: ExportKind,
        out: Path,
        unfinished: bool,
        first: bool,
    ) -> Exported:
        """Write the ratings of a project that rates."""
        missing = Counter[str]()
        with self._store.reading() as tx:
            settings = allow(tx, who, project_id, "export")
            tasks = annotated.rated_tasks(tx, project_id)
            if kind == "csv":
                with whole_file(out, packed=False) as file:
                    rows = (row for task in tasks for row in rated_csv_rows(settings, task))
                    count = _write_csv(file, rows, RATED_CSV_COLUMNS)
                shared = 0
            else:
                chosen = []
                for task in tasks:
                    why = rated_left_out(settings, task, unfinished)
                    chosen += [task] if why is None else []
                    missing.update([why] if why else [])
                pairs = annotated.texts(tx, project_id, [task.task_id for task in chosen])
                count, far = write_ratings(out, zip(chosen, pairs, strict=True), first)
                missing.update({"helpfulness_spread": far} if far else {})
                shared = sum(task.evaluation_prompt for task in chosen)
        with self._store.writing() as tx:
            data = {"kind": kind, "rows": count, "unfinished": unfinished, "first": first}
            account_id = None if who is None else who.account_id
            events.add(tx, project_id, "export", self._now(), account_id=account_id, data=data)
        return Exported(
            path=out, rows=count, left_out=dict(sorted(missing.items())), shared_prompts=shared
        )


def _rows(
    tx: Transaction,
    project_id: int,
    settings: Settings,
    kind: ExportKind,
    tasks: list[Task],
    which: Which,
    missing: Counter[str],
) -> Iterator[Any]:
    """Yield the rows of an export: objects, for ``csv`` lists of cells."""
    if kind == "history":
        yield from _history(tx, project_id)
    elif kind == "highlights":
        rates = settings.kind == "attributes"
        yield from highlight_rows(
            tx, project_id, annotated.rated_tasks(tx, project_id) if rates else tasks, which
        )
    elif kind == "csv":
        for task in tasks:
            yield from csv_rows(settings, task)
    else:
        pairs = annotated.texts(tx, project_id, [task.task_id for task in tasks])
        for task, pair in zip(tasks, pairs, strict=True):
            if kind == "preference":
                yield preference_row(task, pair, which)
                continue
            row = label_row(task, which) if kind == "labels" else dpo_row(task, pair, which)
            if row is None:
                missing["undecided"] += 1
            else:
                yield row


def _history(tx: Transaction, project_id: int) -> Iterator[dict[str, Any]]:
    for event, name, pair_id in events.history(tx, project_id):
        yield {
            "id": event.id,
            "at": event.at.isoformat(),
            "who": name,
            "what": event.kind,
            "pair_id": pair_id,
            "assignment": event.assignment_id,
            "data": event.data,
            "reason": event.reason,
            "undoes": event.undoes,
        }


def _write_json(file: File, rows: Iterator[Any]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        count += 1
    return count


def _write_csv(file: File, rows: Iterator[Any], columns: Sequence[str] = CSV_COLUMNS) -> int:
    writer = csv.writer(codecs.getwriter("utf-8")(file))
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count
