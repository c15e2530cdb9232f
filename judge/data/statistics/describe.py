"""Annotated data to statistics: the whole of ``judge data stats``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from judge.annotated import AnnotatedPair, Problem, RatedResponse
from judge.consensus import MAX_SPREAD, SIMILAR
from judge.data.output import digest
from judge.data.statistics.pairs import Statistics
from judge.data.statistics.ratings import RatingCounts
from judge.data.statistics.report import InputReport, ProblemsReport, StatsReport, rounded
from judge.errors import UsageError
from judge.formats.annotated import input_files, read_annotated, read_rated
from judge.formats.inputs import is_hub_id
from judge.formats.registry import DISAGREEMENTS
from judge.options import Option

PROBLEMS_LISTED = 200
NO_RATINGS_AFTER = 1000
"""Rows after which a table without any rating is taken for something else."""
Item = TypeVar("Item")


class StatsConfig(BaseModel):
    """What ``judge data stats`` reads and by which rules."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    input: Annotated[str, Option(metavar="INPUT")]
    """A file or folder of annotated pairs (in a folder, with ratings beside them), or a hub id."""
    output_dir: Annotated[str | None, Option(flag="--out", metavar="DIR")] = None
    """Write ``stats.json`` and the page ``stats.html`` here."""
    format: str = "auto"
    """Format of the input, by the reader's name for it; ``auto`` looks at each row."""
    split: str | None = None
    """Only this split of the input."""
    subset: str | None = None
    """Subset of a hub data set."""
    revision: str | None = None
    """Branch, tag or commit of a hub data set."""
    similar: Annotated[int | None, Option(metavar="N")] = Field(default=SIMILAR, ge=1)
    """The N most similar annotations, or ratings, make the consensus."""
    max_spread: Annotated[int | None, Option(metavar="N")] = Field(default=MAX_SPREAD, ge=0)
    """Drop a pair where the strengths that count differ by more (a response: its helpfulness
    ratings)."""
    keep_zeros: Annotated[bool, Option(flag="--keep-zeros/--drop-zeros", default="drop")] = False
    """Keep pairs of overall 0."""
    strict: bool = False
    """Stop at the first row that cannot be read; otherwise it is counted and skipped."""


def run(config: StatsConfig, progress: Callable[[int], None] | None = None) -> StatsReport:
    """Return the statistics of ``config.input``; write them where ``output_dir`` is given.

    Args:
        progress: called with the number of pairs, after each that was read.

    Raises:
        UsageError: when there is nothing to read, at the first problem where ``strict``, or when
            the folder cannot be written to.
    """
    if config.output_dir is not None:
        # A missing library is told before the reading, not after it.
        import plotly  # noqa: F401
    of_ratings, of_pairs = _Problems(config.strict), _Problems(config.strict)
    ratings = RatingCounts(config.similar, config.max_spread)
    for name in _rated_beside(config.input):
        _read_ratings(config, name, of_ratings, ratings)
    ratings.close()
    statistics = Statistics(
        ratings,
        similar=config.similar,
        max_spread=config.max_spread,
        keep_zeros=config.keep_zeros,
    )
    try:
        for number, row in enumerate(of_pairs.without(_pairs(config)), 1):
            statistics.add(row)
            if progress is not None:
                progress(number)
    except UsageError:
        # Ratings without pairs have something to tell, too.
        if not statistics.pairs and Path(config.input).is_file():
            _read_ratings(config, config.input, of_ratings, ratings)
        if statistics.pairs or not ratings.responses:
            raise
        of_pairs = _Problems(config.strict)
    report = StatsReport(
        options=config.model_dump(exclude={"input", "output_dir", "strict"}),
        input=_input(config.input),
        problems=of_ratings.and_then(of_pairs).report(),
        **dict(rounded(statistics.report())),
    )
    if config.output_dir is not None:
        from judge.data.statistics.page import write

        write(report, Path(config.output_dir))
    return report


def _pairs(config: StatsConfig) -> Iterator[AnnotatedPair | Problem]:
    return read_annotated(
        config.input,
        format=config.format,
        split=config.split,
        subset=config.subset,
        revision=config.revision,
    )


def _rated_beside(name: str) -> list[str]:
    """Return where ratings may lie: the same folder or hub id, and its folder of disagreements.

    HelpSteer2 holds each response twice: with released means, and with every annotator's ratings.
    """
    if Path(name).is_dir():
        deeper = Path(name) / DISAGREEMENTS
        return [name, str(deeper)] if deeper.is_dir() else [name]
    return [name, f"{name}/{DISAGREEMENTS}"] if is_hub_id(name) else []


def _read_ratings(
    config: StatsConfig, name: str, problems: _Problems, ratings: RatingCounts
) -> None:
    for response in problems.without(_rated(config, name)):
        ratings.add(response)


def _rated(config: StatsConfig, name: str) -> Iterator[RatedResponse | Problem]:
    """Yield the ratings of ``name`` and their problems; nothing where it has none.

    The tables of a folder may be pairs, whose rows are no problem of ratings.
    """
    waiting: list[Problem] = []
    found = False
    with suppress(UsageError):
        for row in read_rated(name, split=config.split, revision=config.revision):
            if found:
                yield row
            elif isinstance(row, Problem):
                waiting.append(row)
                if len(waiting) == NO_RATINGS_AFTER:
                    return
            else:
                found = True
                yield from waiting
                yield row


def _input(name: str) -> InputReport:
    """Return the name of the input and the digests of its local files."""
    path = Path(name)
    files: set[Path] = set()
    for where, rated in ((name, False), *((beside, True) for beside in _rated_beside(name))):
        with suppress(UsageError):
            files.update(input_files(where, rated=rated))
    root = path if path.is_dir() else path.parent
    return InputReport(
        name=path.resolve().name if path.exists() else name,
        files={str(file.relative_to(root)): digest(file) for file in sorted(files)},
    )


class _Problems:
    """Counts what could not be read; the first ones are listed."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._counts: Counter[str] = Counter()
        self._listed: list[Problem] = []

    def without(self, rows: Iterable[Item | Problem]) -> Iterator[Item]:
        """Yield the rows alone; a problem is counted, or ends the run."""
        for row in rows:
            if not isinstance(row, Problem):
                yield row
                continue
            if self._strict:
                line = f", line {row.line}" if row.line else ""
                raise UsageError(f"{row.file}{line}: {row.reason}: {row.detail}")
            self._counts[row.reason] += 1
            if len(self._listed) < PROBLEMS_LISTED:
                self._listed.append(row)

    def and_then(self, other: _Problems) -> _Problems:
        """Return both together."""
        both = _Problems(self._strict)
        both._counts = self._counts + other._counts
        both._listed = (self._listed + other._listed)[:PROBLEMS_LISTED]
        return both

    def report(self) -> ProblemsReport:
        """Return the counts by reason and the first problems."""
        return ProblemsReport(
            total=self._counts.total(),
            counts=dict(sorted(self._counts.items())),
            listed=tuple(self._listed),
        )
