"""How far people agree with each other, with the consensus and with the judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from statistics import fmean

from app.review.annotation import Annotated, Task, Which
from app.review.figures import Against, Agreement, Anchoring, PairAgreement, Share
from app.review.words import same_side
from judge.consensus import consensus
from judge.metrics.agreement import AgreementCounts as Counts
from judge.metrics.agreement import cohen_kappa as kappa
from judge.metrics.agreement import whole_range
from judge.metrics.intervals import wilson
from judge.pair import Annotation
from judge.verdict import NEITHER_VALID, STRENGTHS, flip_strength

Said = tuple[Annotated, Task]
"""An annotation and its task."""
Two = tuple[int, int]
"""The strengths of two raters of one pair."""


def share(hits: int, total: int) -> Share:
    """Return a share with its interval."""
    low, high = wilson(hits, total) if total else (None, None)
    of = hits / total if total else None
    return Share(hits=hits, total=total, share=of, low=low, high=high)


def share_of(answers: Iterable[bool]) -> Share:
    """Return how many of the answers are yes."""
    found = list(answers)
    return share(sum(found), len(found))


def cohen_kappa(pairs: Sequence[Two]) -> float | None:
    """Return the quadratic-weighted kappa of two raters; None where it is not defined."""
    return kappa([a for a, _ in pairs], [b for _, b in pairs], whole_range(STRENGTHS))


def agreement(tasks: Iterable[Task], which: Which) -> Agreement:
    """Return how far the annotations of the same tasks agree; -100 is left out."""
    counts = Counts(STRENGTHS)
    same: list[bool] = []
    for task in tasks:
        valid = [s for s in task.strengths(which) if s != NEITHER_VALID]
        counts.add(valid)
        same += [same_side(a, b) for a, b in combinations(valid, 2)]
    report = counts.report()
    return Agreement(
        tasks=report.items,
        kappa=report.kappa,
        alpha=report.alpha_interval,
        same_response=share_of(same),
    )


def pairwise(tasks: Iterable[Task]) -> tuple[PairAgreement, ...]:
    """Return the agreement of every two people with a task in common, by name."""
    both: dict[tuple[str, str], list[Two]] = {}
    for task in tasks:
        valid = [a for a in task.annotations if a.strength() != NEITHER_VALID]
        for one, other in combinations(sorted(valid, key=lambda a: a.name), 2):
            strengths = one.strength(), other.strength()
            both.setdefault((one.name, other.name), []).append(strengths)
    return tuple(
        PairAgreement(one=one, other=other, tasks=len(found), kappa=cohen_kappa(found))
        for (one, other), found in sorted(both.items())
    )


def against(pairs: Sequence[Two]) -> Against:
    """Return how far two raters agree; a 0 (undecided) prefers no response."""
    decided = [(a, b) for a, b in pairs if a and b]
    return Against(
        tasks=len(pairs),
        kappa=cohen_kappa(pairs),
        same_response=share_of(same_side(a, b) for a, b in decided),
        mean_difference=fmean(abs(a - b) for a, b in pairs) if pairs else None,
    )


def against_others(said: Iterable[Said]) -> Against:
    """Return how far annotations agree with the consensus of the other annotations of their tasks.

    Their own is left out of it: with it in, anyone agrees with themselves.
    """
    pairs = []
    for own, task in said:
        others = [a.strength() for a in task.annotations if a.account_id != own.account_id]
        agreed = consensus([Annotation(strength=s) for s in others], keep_zeros=True).strength
        if agreed is not None and own.strength() != NEITHER_VALID:
            pairs.append((own.strength(), agreed))
    return against(pairs)


def against_judge(said: Iterable[Said], which: Which) -> Against:
    """Return how far the judge agrees with people before (``first``) or after its reveal: the same
    annotations both times, those made blind and completed afterwards."""
    return against(
        [
            (judge, one.strength(which))
            for one, judge in _seen_afterwards(said)
            if NEITHER_VALID not in (one.strength("first"), one.strength())
        ]
    )


def anchoring(said: Iterable[Said]) -> Anchoring:
    """Return what the reveal did to choices that were made blind."""
    seen = list(_seen_afterwards(said))
    moved = [(one, judge) for one, judge in seen if _changed(one)]
    graded = [
        (abs(one.strength("first") - judge), abs(one.strength() - judge))
        for one, judge in moved
        if NEITHER_VALID not in (one.strength("first"), one.strength())
    ]
    return Anchoring(
        changed=share(len(moved), len(seen)),
        changed_response=share_of(
            not same_side(one.strength("first"), one.strength()) for one, _ in seen
        ),
        towards_judge=share_of(after < before for before, after in graded),
    )


def shown_first(said: Iterable[Said]) -> Share:
    """Return how often the response shown first was chosen before anything of the judge was seen.

    One half is no position bias.
    """
    return share_of(
        (flip_strength(strength) if one.shown == "flipped" else strength) < 0
        for one, task in said
        if (strength := one.strength("first")) != NEITHER_VALID
        and (one.blind or task.judge is None)
    )


def changed(said: Iterable[Said]) -> Share:
    """Return how often the strength was changed after a reveal that a blind choice came before."""
    return share_of(_changed(one) for one, _ in _seen_afterwards(said))


def _changed(one: Annotated) -> bool:
    return one.strength("first") != one.strength()


def _seen_afterwards(said: Iterable[Said]) -> Iterator[tuple[Annotated, int]]:
    """Yield blind annotations that were completed after the reveal, with the judge's strength."""
    for one, task in said:
        strength = task.judge.strength if task.judge else None
        if one.blind and one.final is not None and strength is not None:
            yield one, strength
