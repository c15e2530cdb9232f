"""Grades as figures: means by turn and by category with intervals by question, and bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from judge import __version__
from judge.compare.arena.config import MtBenchConfig
from judge.compare.arena.mt_bench.plan import HIGHEST, LOWEST, Grade, read_grades, references_of
from judge.compare.arena.mt_bench.talks import Asked, Speaker
from judge.compare.arena.mt_bench.wording import Wording
from judge.compare.arena.plan import MISSING
from judge.compare.arena.result import JudgedBy, judged_by
from judge.compare.arena.win_rate import Lengths, by_prompt, doubled_note, mean_lengths
from judge.formats.model_answers import unanswered
from judge.metrics.estimate import Estimate, rounded
from judge.metrics.intervals import bootstrap, weighted_share

PUBLISHED = 80
"""Questions of MT-bench."""
REFERRED = ("math", "coding", "reasoning")
"""Categories that the published rule grades beside a right answer."""
WRONG_ONCE = frozenset(map(str, (104, 105, 109, 111, 113, 114, 120, 122, 124, 125, 126, 128, 130)))
"""MT-bench's questions whose first published references are wrong (lm-sys/FastChat, PR #3158)."""


class MtScore(BaseModel):
    """One model's grades."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    mean: Estimate
    """Of all turns, 1 to 10; intervals draw questions with both turns."""
    turns: list[Estimate]
    categories: dict[str, Estimate]
    failures: dict[str, int]
    """Turns without a grade, by reason: in no mean, but in both bounds."""
    lowest: float | None
    """The mean if every failure were a 1; :attr:`highest`, if every one were a 10."""
    highest: float | None


class MtBenchResult(BaseModel):
    """What ``arena.json`` of ``judge arena mt-bench`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    rule: Literal["mt-bench"] = "mt-bench"
    judge: JudgedBy | None
    wording: str
    """Name and digest of what the judge was asked in."""
    questions: int
    referred: int
    """Questions graded beside a right answer."""
    models: list[MtScore]
    lengths: dict[str, Lengths]
    """Of the answers of all turns."""
    seed: int
    resamples: int
    run: str | None
    """The run folder, seen from this file: every reply of the judge, and failures."""
    notes: list[str]


Value = tuple[Grade, float | str]
"""A turn to be graded, and its grade or why there is none."""


def score(
    config: MtBenchConfig,
    speakers: Sequence[Speaker],
    asked: Asked,
    grades: Sequence[Grade],
    wording: Wording,
) -> MtBenchResult:
    """Return the figures of a finished run.

    Raises:
        UsageError: when the run folder is damaged.
    """
    there = within(grades, config.limit)
    folder = config.run if any(grade.failure is None for grade in there) else None
    found: Mapping[str, float | str] = {} if folder is None else read_grades(folder)[0]
    of: dict[str, list[Value]] = {speaker.name: [] for speaker in speakers}
    for grade in there:
        value = grade.failure or found.get(grade.id)
        if value is not None:  # else the run was stopped before it
            of[grade.speaker.name].append((grade, value))
    judge = None if folder is None else judged_by(folder, mode="grades", orders=1)
    names = list(dict.fromkeys(grade.question for grade in there))
    return MtBenchResult(
        version=__version__,
        judge=judge,
        wording=f"{wording.name} {wording.digest}",
        questions=len(names),
        referred=sum(bool(references_of(asked.questions[name])) for name in names),
        models=[_score(name, values, config) for name, values in of.items()],
        lengths={s.name: _lengths(s, set(names)) for s in speakers},
        seed=config.seed,
        resamples=config.resamples,
        run=None if folder is None else folder.name,
        notes=list(_notes(judge, speakers, asked, names, of)),
    )


def within(grades: Sequence[Grade], limit: int | None) -> list[Grade]:
    """Return the grades of the first ``limit`` questions."""
    return [grade for grade in grades if limit is None or grade.number < limit]


def _score(name: str, values: Sequence[Value], config: MtBenchConfig) -> MtScore:
    graded = [(grade, value) for grade, value in values if not isinstance(value, str)]
    failed = Counter(value for _, value in values if isinstance(value, str))
    turns = sorted({grade.turn for grade, _ in values})
    categories = list(dict.fromkeys(grade.category for grade, _ in values if grade.category))
    total, n = sum(value for _, value in graded), len(values)
    lost = failed.total()
    return MtScore(
        model=name,
        mean=_mean(graded, config),
        turns=[_mean([v for v in graded if v[0].turn == turn], config) for turn in turns],
        categories={
            c: _mean([v for v in graded if v[0].category == c], config) for c in categories
        },
        failures=dict(sorted(failed.items())),
        lowest=rounded((total + LOWEST * lost) / n) if n else None,
        highest=rounded((total + HIGHEST * lost) / n) if n else None,
    )


def _mean(graded: Sequence[tuple[Grade, float]], config: MtBenchConfig) -> Estimate:
    if not graded:
        return Estimate.missing("no turn has a grade")
    values = np.array([value for _, value in graded])
    numbers = np.array([grade.number for grade, _ in graded])
    means, turns = by_prompt(values, numbers)
    ends = bootstrap(weighted_share, means, turns, seed=config.seed, resamples=config.resamples)
    return Estimate.of(float(values.mean()), len(values), ends)


def _lengths(speaker: Speaker, names: set[str]) -> Lengths:
    talks = [talk for (name, _), talk in speaker.talks.items() if name in names]
    texts = [text for talk in talks for text in talk.answers]
    tokens = [count for talk in talks for count in talk.tokens]
    return mean_lengths(texts, tokens, [cut for talk in talks for cut in talk.cut])


def _notes(
    judge: JudgedBy | None,
    speakers: Sequence[Speaker],
    asked: Asked,
    names: Sequence[str],
    of: Mapping[str, Sequence[Value]],
) -> list[str]:
    notes = []
    for speaker in speakers:
        notes += unanswered(speaker.source)
        notes += doubled_note(speaker.name, "questions", speaker.doubled, speaker.source)
        if speaker.unknown:
            notes.append(f"{speaker.unknown:,} answers of {speaker.name} are to other questions")
        if lacking := sum(value == MISSING for _, value in of[speaker.name]):
            notes.append(f"{lacking:,} turns have no answer from {speaker.name}")
    bare = [
        name
        for name in names
        if asked.questions[name].category in REFERRED and not asked.questions[name].reference
    ]
    if bare:
        notes.append(
            f"{len(bare):,} questions of {', '.join(REFERRED)} have no right answer beside them:"
            " the published rule grades them by one (--references)"
        )
    once = WRONG_ONCE.intersection(n for n in names if references_of(asked.questions[n]))
    if once:
        notes.append(
            f"{len(once):,} of these questions' references were published wrong first (questions"
            " 104 to 130 of MT-bench): take the corrected file (FastChat, pull request 3158)"
        )
    if judge is not None and judge.model in of:
        notes.append(f"{judge.model} grades answers of its own, which judges tend to prefer")
    other = "" if len(names) == PUBLISHED else f"{len(names):,} questions, MT-bench has 80; and "
    notes.append(f"{other}the judge is not GPT-4: not comparable with published scores")
    return notes
