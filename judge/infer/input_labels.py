"""The labels that a run's input carries, for its end alone: no judge is ever handed one.

A judge is given pairs (:func:`judge.formats.pairs.read_row`), which have none. When all is written,
the rows are looked at once more, beside what was judged: a file is read again; of the standard
input and the hub, which cannot be or should not be, a byte a row is kept while they pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, Protocol

from judge.config import RowsConfig
from judge.formats.labels import RowLabel, row_label
from judge.formats.records import Record, Source
from judge.formats.sources import FileSource
from judge.reward import Preference

ReadLabel = Callable[[Record], RowLabel]


class InputLabels(Protocol):
    """The labels of a run's rows."""

    def watch(self, records: Iterator[Record]) -> Iterator[Record]:
        """Yield the records as they are; every one that the run reads comes by here."""
        ...

    def rows(self) -> Iterator[RowLabel]:
        """Yield what the rows say, in input order.

        Raises:
            UsageError: when the input is damaged, or gone.
        """
        ...


def labels_of(source: Source, config: RowsConfig) -> InputLabels:
    """Return the labels of an input that is read as ``config`` says."""
    as_judged = partial(
        row_label,
        strip_thinking=config.strip_thinking,
        empty_responses=config.empty_responses,
    )
    if isinstance(source, FileSource):
        return LabelsOfFile(source, as_judged)
    return PassingLabels(as_judged)


class LabelsOfFile:
    """Labels read from the file when they are asked for."""

    def __init__(self, source: FileSource, label: ReadLabel = row_label) -> None:
        self._label = label
        self._source = FileSource(source.path, source.format, labels=True)

    def watch(self, records: Iterator[Record]) -> Iterator[Record]:
        return records

    def rows(self) -> Iterator[RowLabel]:
        return map(self._label, self._source.records())


class _Kind(NamedTuple):
    """What is kept of a row's label; there are few such kinds."""

    preference: Preference | None
    why_not: str | None
    longer: Preference | None


class PassingLabels:
    """Labels noted while the rows pass: a byte a line."""

    def __init__(self, label: ReadLabel = row_label) -> None:
        self._label = label
        self._codes = bytearray()
        self._kinds: dict[_Kind, int] = {}
        self._problems: dict[str, RowLabel] = {}
        """Of each reason the first row in full."""

    def watch(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            found = self._label(record)
            kind = _Kind(found.preference, found.why_not, found.longer)
            code = self._kinds.setdefault(kind, len(self._kinds) + 1)  # 0: no record
            self._codes += bytes(record.line - 1 - len(self._codes))
            self._codes.append(code)
            if found.why_not is not None:
                self._problems.setdefault(found.why_not, found)
            yield record

    def rows(self) -> Iterator[RowLabel]:
        kinds = {code: kind for kind, code in self._kinds.items()}
        for line, code in enumerate(self._codes, start=1):
            if not code:
                continue
            preference, why_not, longer = kinds[code]
            first = self._problems.get(why_not or "")
            problem = first.problem if first is not None and first.line == line else None
            yield RowLabel(line, None, preference, why_not, longer, problem)
