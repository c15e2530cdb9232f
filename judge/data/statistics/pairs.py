"""Statistics of a stream of annotated pairs, in memory that does not grow with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from judge.annotated import AnnotatedPair
from judge.consensus import MAX_SPREAD, SIMILAR, consensus
from judge.data.statistics.helpfulness import Joint
from judge.data.statistics.justifications import Justifications, Measured, measure
from judge.data.statistics.lengths import ResponseLengths
from judge.data.statistics.ratings import RatingCounts
from judge.data.statistics.report import PairsReport
from judge.data.statistics.stages import Stages
from judge.data.statistics.strengths import Strengths
from judge.metrics.agreement import AgreementCounts
from judge.pair import Annotation
from judge.verdict import NEITHER_VALID, STRENGTHS, flip_names


class Statistics:
    """Every statistic of the pairs that are added, one after the other.

    Args:
        ratings: helpfulness of the responses, already closed; it may be empty.
        similar, max_spread, keep_zeros: the rules of :func:`judge.consensus.consensus`.
    """

    def __init__(
        self,
        ratings: RatingCounts,
        *,
        similar: int | None = SIMILAR,
        max_spread: int | None = MAX_SPREAD,
        keep_zeros: bool = False,
    ) -> None:
        self.pairs = 0
        self._ratings = ratings
        self._similar, self._max_spread, self._keep_zeros = similar, max_spread, keep_zeros
        self._stages, self._joint, self._lengths = Stages(), Joint(), ResponseLengths()
        self._strengths = {n: Strengths() for n in ("annotations", "with_consensus", "kept")}
        self._agreement = {
            n: AgreementCounts(STRENGTHS) for n in ("collected", "with_consensus", "kept")
        }
        self._justifications = {n: Justifications() for n in ("useful", "all_set", "overall_set")}
        self._sets = {"overall": Counter[str](), "all": Counter[str]()}

    def add(self, row: AnnotatedPair) -> None:
        """Count one pair with its annotations."""
        self.pairs += 1
        useful = [a for a in row.annotations if a.strength != NEITHER_VALID]
        if self._similar is not None and len(useful) > self._similar:
            useful.sort(key=_canonical)
        measured = [measure(annotation.justification) for annotation in useful]
        agreed = consensus(
            useful, similar=self._similar, max_spread=self._max_spread, keep_zeros=True
        )
        kept = agreed.strength is not None and (agreed.strength != 0 or self._keep_zeros)
        dropped = agreed.dropped or (None if kept else "zero")
        self._stages.add(row.split, row.source, len(row.annotations), len(useful), dropped)
        for counts in self._sets.values():
            counts[row.split] += 0  # a split without any is told as well
        self._agreement["collected"].add([a.strength for a in useful])
        for annotation, one in zip(useful, measured, strict=True):
            self._strengths["annotations"].add(annotation.strength)
            self._justifications["useful"].add(one, annotation.strength)
        if agreed.strength is not None:
            self._add_agreed(row, agreed.strength, kept, agreed.kept, useful, measured)

    def _add_agreed(
        self,
        row: AnnotatedPair,
        strength: int,
        kept: bool,
        similar: Sequence[int],
        useful: Sequence[Annotation],
        measured: Sequence[Measured | None],
    ) -> None:
        for stage in ("with_consensus", "kept") if kept else ("with_consensus",):
            self._strengths[stage].add(strength)
            self._agreement[stage].add([useful[index].strength for index in similar])
        if kept:
            self._lengths.add(row.pair, strength)
        difference = self._ratings.difference(row.pair)
        if difference is not None:
            self._joint.add(strength, difference, kept)
        in_overall = False
        for index, (annotation, one) in enumerate(zip(useful, measured, strict=True)):
            states = one is not None and one.position != "none"
            if index in similar:
                self._justifications["all_set"].add(one, annotation.strength)
                self._sets["all"][row.split] += states
            if annotation.strength == strength:
                self._justifications["overall_set"].add(one, annotation.strength)
                in_overall |= states
        self._sets["overall"][row.split] += in_overall

    def report(self) -> PairsReport:
        """Return every statistic."""
        return PairsReport(
            stages=self._stages.report(),
            strengths={name: strengths.report() for name, strengths in self._strengths.items()},
            agreement={name: agreed.report() for name, agreed in self._agreement.items()},
            ratings=self._ratings.report(),
            helpfulness=self._joint.report(),
            justifications={name: j.report() for name, j in self._justifications.items()},
            justification_sets={
                name: {"total": counts.total(), **dict(sorted(counts.items()))}
                for name, counts in self._sets.items()
            },
            lengths=self._lengths.report(),
        )


def _canonical(annotation: Annotation) -> tuple[str, int, bool]:
    """Return a key that orders annotations alike in any order and in flipped data.

    Where several of equal strength could be kept, the first ones are: without a fixed order, the
    file's would decide whose justification is counted.
    """
    text, flipped = annotation.justification, flip_names(annotation.justification)
    agrees = text != flipped and (text < flipped) == (annotation.strength > 0)
    return min(text, flipped), abs(annotation.strength), agrees
