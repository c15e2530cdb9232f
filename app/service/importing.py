"""Tasks out of run folders and pair files: those that a command names, and those that a manager
sent (:mod:`app.service.uploads`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.review.content import content_of, prompt_of, words_of
from app.review.project import Person, Settings
from app.review.rules import TaskKind, queue_position
from app.review.words import same_side
from app.service.access import allow
from app.service.acts import acted
from app.service.projects import put_in_order
from app.store import projects, queue
from app.store.database import Store, Transaction
from app.store.projects import NewTask
from judge.annotated import Problem
from judge.compare.systems import read_config
from judge.consensus import consensus
from judge.errors import UsageError
from judge.formats.annotated import read_annotated
from judge.formats.pairs import read_pairs
from judge.formats.sources import FileSource, open_source
from judge.idset import IdSet
from judge.judgment import Failure, Judgment
from judge.pair import Annotation, Pair
from judge.runs.completeness import check_run
from judge.runs.folder import inputs_of, read_failures, read_judgments
from judge.runs.jsonlines import read_rows
from judge.verdict import NEITHER_VALID

LONGEST_ID = 500
BATCH = 500
SHOWN = 20
"""Refused rows that are listed; the others are counted."""


class Imported(BaseModel):
    """What an import did; doing it again adds nothing."""

    model_config = ConfigDict(frozen=True)

    added: int
    known: int
    """Rows whose content was in the project already."""
    judged: int
    """Known tasks that had no judgment and now have one."""
    refused: int
    reasons: tuple[str, ...]
    """Why rows cannot be tasks, one line each, of the first ones."""


@dataclass
class _Count:
    added: int = 0
    known: int = 0
    judged: int = 0
    refused: list[str] = field(default_factory=list)

    def done(self) -> Imported:
        return Imported(
            added=self.added,
            known=self.known,
            judged=self.judged,
            refused=len(self.refused),
            reasons=tuple(self.refused[:SHOWN]),
        )


@dataclass(frozen=True)
class _Origin:
    name: str
    kind: str
    evaluation: bool
    model: str = ""


class Importing:
    """What fills a project with tasks."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._now = clock

    def run(
        self,
        project_id: int,
        folder: Path,
        pairs: str | None = None,
        evaluation: bool = False,
        who: Person | None = None,
    ) -> Imported:
        """Add the pairs of a run folder (``judge batch``, ``judge score``) and their judgments.

        Pairs that the judge failed on become tasks without a judge; rows it never came to, none.

        Args:
            pairs: where the run's input is now; None: where it was.
            evaluation: an evaluation set: nothing with its content ever leaves as training data.
            who: a manager of the project; None is the command line, here and below.

        Raises:
            UsageError: no run folder, or its input is gone or another one by now.
        """
        config = read_config(folder)
        asked = config["config"]
        source = _input_of(folder, config, pairs)
        judged = {
            judgment.pair_id: json.dumps(judgment.to_json()) for judgment in read_judgments(folder)
        }
        failed = {failure.pair_id: failure for failure in read_failures(folder)}
        check_run(folder)
        model = str(asked.get("model", folder.name))
        origin = _Origin(folder.resolve().name, "run", evaluation, Path(model).name or model)
        count = _Count()

        def rows() -> Iterator[NewTask]:
            for _, row in source:
                if isinstance(row, Failure):
                    if row.pair_id in failed or row.pair_id is None:
                        count.refused.append(_problem(row))
                elif row.pair_id in judged:
                    yield _new(row, judgment=judged[row.pair_id])
                elif row.pair_id in failed:
                    yield _new(row)

        return self._add(project_id, origin, rows(), count, who)

    def pairs(
        self, project_id: int, input: str, evaluation: bool = False, who: Person | None = None
    ) -> Imported:
        """Add the pairs of a file or hub data set, as ``judge batch`` would read it.

        Raises:
            UsageError: nothing there that could be read.
        """
        count = _Count()

        def rows() -> Iterator[NewTask]:
            for _, row in read_pairs(open_source(input).records(), IdSet()):
                if isinstance(row, Failure):
                    count.refused.append(_problem(row))
                else:
                    yield _new(row)

        origin = _Origin(Path(input).name, "pairs", evaluation)
        return self._add(project_id, origin, rows(), count, who)

    def checks(
        self, project_id: int, input: str, kind: TaskKind, who: Person | None = None
    ) -> Imported:
        """Add gold tasks or attention checks: annotated pairs whose consensus is the right answer.

        Raises:
            UsageError: nothing there that could be read.
        """
        count = _Count()

        def rows() -> Iterator[NewTask]:
            for row in read_annotated(input):
                if isinstance(row, Problem):
                    count.refused.append(f"line {row.line}: {row.reason}: {row.detail}")
                    continue
                agreed = consensus(row.annotations)
                answer = agreed.strength if row.annotations else row.released_strength
                if agreed.dropped == "no_valid_annotation" and row.annotations:
                    answer = NEITHER_VALID
                if not answer:
                    count.refused.append(f"{row.pair.pair_id!r}: its annotations give no answer")
                else:
                    yield replace(
                        _new(row.pair, kind=kind, expected=answer),
                        because=_reason(row.annotations, answer),
                    )

        origin = _Origin(Path(input).name, kind, False)
        return self._add(project_id, origin, rows(), count, who)

    def informative(self, project_id: int, file: Path, who: Person | None = None) -> int:
        """Take over the order of a queue of ``judge compare``; return how many tasks are in it.

        Args:
            file: JSON lines with ``pair_id``, the most informative first.

        Raises:
            UsageError: the file is no such queue.
        """
        ids = list(dict.fromkeys(read_rows(file, lambda row: str(row["pair_id"]))))
        with self._store.writing() as tx:
            settings = allow(tx, who, project_id, "manage")
            queue.lock_many(tx, project_id)
            found = projects.set_informative(tx, project_id, {p: n for n, p in enumerate(ids)})
            put_in_order(tx, project_id, settings)
            data = {"queue": file.name, "places": found}
            acted(tx, self._now(), who, project_id, "import", data)
        return found

    def _add(
        self,
        project_id: int,
        origin: _Origin,
        rows: Iterable[NewTask],
        count: _Count,
        who: Person | None,
    ) -> Imported:
        now = self._now()
        with self._store.writing() as tx:
            settings = allow(tx, who, project_id, "manage")
            if settings.kind == "attributes" and origin.kind in ("gold", "attention"):
                raise UsageError("checks say which response is better; this project rates")
            source_id = projects.add_source(
                tx, project_id, origin.name, origin.kind, origin.evaluation, origin.model, now
            )
        rest = iter(rows)
        if settings.kind == "attributes" and settings.responses == "each":
            rest = (part for new in rows for part in _each_alone(new))
        while batch := list(islice(rest, BATCH)):
            with self._store.writing() as tx:
                _add_batch(tx, project_id, settings, source_id, batch, count)
                if origin.evaluation:
                    projects.guard(tx, ((new.content, new.prompt_content) for new in batch))
        done = count.done()
        if done.added or done.judged:
            with self._store.writing() as tx:
                data = {"source": source_id, **done.model_dump(exclude={"reasons"})}
                acted(tx, now, who, project_id, "import", data)
        return done


def _add_batch(
    tx: Transaction,
    project_id: int,
    settings: Settings,
    source_id: int,
    batch: Iterable[NewTask],
    count: _Count,
) -> None:
    fresh: list[NewTask] = []
    there = projects.known(
        tx, project_id, [n.pair.pair_id for n in batch], [n.content for n in batch]
    )
    queue.lock_many(tx, project_id, [known.task_id for known in there if not known.has_judge])
    by_id = {known.pair_id: known for known in there}
    contents = {known.content for known in there}
    for new in batch:
        pair_id, known = new.pair.pair_id, by_id.get(new.pair.pair_id)
        if len(pair_id) > LONGEST_ID:
            count.refused.append(f"{pair_id[:40]!r}...: an id has at most {LONGEST_ID} characters")
        elif known is not None and known.content != new.content:
            count.refused.append(f"{pair_id!r}: another pair of the project has this id")
        elif known is not None or new.content in contents:
            count.known += 1
            if known is not None and new.judgment is not None and not known.has_judge:
                count.judged += projects.add_judge(tx, known.task_id, source_id, new)
        else:
            contents.add(new.content)
            fresh.append(new)
    first = projects.next_given(tx, project_id)
    positions = [
        queue_position(settings, new.pair.pair_id, first + n, None) for n, new in enumerate(fresh)
    ]
    projects.add_tasks(
        tx, project_id, source_id, fresh, first, positions, wanted=settings.annotations
    )
    count.added += len(fresh)


def _input_of(
    folder: Path, config: dict[str, dict[str, str | None]], pairs: str | None
) -> Iterator[tuple[int, Pair | Failure]]:
    """Return the rows of the input that a run judged, in its order."""
    asked = config["config"]
    if pairs is None and asked.get("input", "-") == "-":
        raise UsageError(f"{folder}: its pairs came from the standard input; name a file (--pairs)")
    judged = config["identity"].get("input")
    problem = ""
    for name in [pairs] if pairs else inputs_of(folder, config):
        try:
            source = open_source(
                name, asked.get("split"), asked.get("subset"), asked.get("revision")
            )
        except UsageError as error:
            problem = problem or f"the pairs of {folder} are gone: {error}; name them (--pairs)"
            continue
        if pairs or not isinstance(source, FileSource) or source.identity() == judged:
            break
        problem = (
            f"{name} has changed since {folder} judged it; name a file with its pairs (--pairs)"
        )
    else:
        raise UsageError(problem)
    as_judged = [bool(asked.get(name)) for name in ("strip_thinking", "empty_responses")]
    return read_pairs(source.records(), IdSet(), *as_judged)


def _new(
    pair: Pair, kind: TaskKind = "task", expected: int | None = None, judgment: str | None = None
) -> NewTask:
    return NewTask(
        pair=pair,
        content=content_of(pair),
        prompt_content=prompt_of(pair.prompt),
        words=words_of(pair),
        kind=kind,
        expected=expected,
        judgment=judgment,
    )


def _reason(annotations: Iterable[Annotation], answer: int) -> str | None:
    """Return the reason of the first annotation that gives the answer."""
    for one in annotations:
        if one.justification.strip() and same_side(one.strength, answer):
            return one.justification.strip()
    return None


def _each_alone(new: NewTask) -> Iterator[NewTask]:
    """Yield a task for each response of a pair; what reward models said goes with it."""
    judgment = Judgment.from_json(json.loads(new.judgment)) if new.judgment else None
    for number, pair in ((1, new.pair), (2, new.pair.flipped())):
        part = pair.model_copy(update={"pair_id": f"{new.pair.pair_id}#{number}", "response_2": ""})
        said = judgment if judgment is None or number == 1 else judgment.flipped()
        text = None
        if said is not None and said.scorers:
            # Of verdicts there are none: they compare.
            nothing = ("preference", "strength", "probability", "consistent", "statement")
            alone: dict[str, Any] = dict.fromkeys((*nothing, "elaboration"))
            update = {**alone, "orders": {}, "pair_id": part.pair_id}
            text = json.dumps(said.model_copy(update=update).to_json())
        yield _new(part, judgment=text)


def _problem(row: Failure) -> str:
    return f"line {row.line}: {row.reason}: {row.detail}"
