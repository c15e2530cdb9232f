"""The formats by name: how each is recognised by its fields, and its function of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from judge.annotated import AnnotatedPair, RatedResponse
from judge.errors import UsageError
from judge.formats import arena, benchmarks, generic, helpsteer, ratings, rmb
from judge.formats.rows import Row

T = TypeVar("T")
AUTO = "auto"
_NOTHING: tuple[Any, ...] = (None, "", [])


@dataclass(frozen=True)
class Format(Generic[T]):
    """A layout of rows."""

    name: str
    recognises: Callable[[Mapping[str, Any]], bool]
    parse: Callable[[Row], list[T]]
    labels: tuple[str, ...] = ()
    """The fields one of which must hold something where a row has a label; none for any."""

    def may_have_label(self, fields: Mapping[str, Any]) -> bool:
        """Say, at a glance, whether these fields may hold a label."""
        return not self.labels or any(fields.get(name) not in _NOTHING for name in self.labels)


# The first that recognises a row reads it: what is more particular stands first.
PAIRS: tuple[Format[AnnotatedPair], ...] = (
    Format("helpsteer2", helpsteer.is_helpsteer2, helpsteer.helpsteer2),
    Format("helpsteer3", helpsteer.is_helpsteer3, helpsteer.helpsteer3),
    Format("judgebench", benchmarks.is_judgebench, benchmarks.judgebench, ("label",)),
    Format("llmbar", benchmarks.is_llmbar, benchmarks.llmbar),
    Format("rewardbench2", benchmarks.is_rewardbench2, benchmarks.rewardbench2),
    Format("rm-bench", benchmarks.is_rm_bench, benchmarks.rm_bench),
    Format("rmb", rmb.is_rmb, rmb.rmb),
    Format("arena", arena.is_arena, arena.arena),
    Format("rewardbench", benchmarks.is_rewardbench, benchmarks.rewardbench),
    Format("pairs", generic.is_generic, generic.generic, generic.LABELS),
)
DISAGREEMENTS = "disagreements"
RATINGS: tuple[Format[RatedResponse], ...] = (
    Format(DISAGREEMENTS, ratings.is_disagreements, ratings.disagreements),
    Format("ratings", ratings.is_ratings, ratings.ratings),
)


class Parser(Generic[T]):
    """Rows to what they hold, in the format that was asked for or the one that each row shows.

    Raises:
        UsageError: when no format has this name.
    """

    def __init__(self, formats: tuple[Format[T], ...], name: str) -> None:
        self._formats = formats
        self._forced = next((f for f in formats if f.name == name), None)
        if self._forced is None and name != AUTO:
            raise UsageError(f"no format {name!r} here; expected {AUTO}, {self.names()}")

    def names(self) -> str:
        """Return the names of the formats, for people."""
        return ", ".join(known.name for known in self._formats)

    def parse(self, row: Row) -> list[T] | None:
        """Return what the row holds; None where no format recognises its fields.

        Raises:
            Unusable, RowError: when the row cannot be used.
        """
        known = self.format_of(row.fields)
        return None if known is None else known.parse(row)

    def format_of(self, fields: Mapping[str, Any]) -> Format[T] | None:
        """Return the format that was asked for, or the first that recognises the fields."""
        if self._forced is not None:
            return self._forced
        return next((known for known in self._formats if known.recognises(fields)), None)
