"""The tables of an online alignment's page: evaluations beside the start, signs, rollouts, time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from judge.metrics.formatting import DASH, number
from judge.report.online_paid import Sign, plus_minus
from judge.report.online_plots import PARTS
from judge.report.online_run import (
    Evaluation,
    OnlineRun,
    Paired,
    characters_of,
    kl_of,
    repetition_of,
    reward_of,
    truncated_of,
)
from judge.report.tables import Table
from judge.runs.online import HeldOut, RolloutFigures

ROWS = 100
"""Rollouts in the table; of more, evenly spaced ones."""
_LOOK = {"look": "Look", "in part": "In part", "fine": "Fine", "not known": "Not known"}


def tables_of(run: OnlineRun, seen: Sequence[Sign]) -> Iterator[Table]:
    """Yield the tables of the page, section by section."""
    if run.evaluations:
        yield _held_out(run)
        yield from _attributes(run)
    yield _sign_table(seen)
    yield _rollouts(run.rollouts)
    if run.timing:
        yield _time(run)


def _held_out(run: OnlineRun) -> Table:
    heads = (
        "step", "reward", "gain \u00b1 SE", "z", "prompts", "characters", "change", "KL",
        "truncated", "repetition",
    )  # fmt: skip
    rows = [_evaluated(run.evaluations[0], None)]
    rows += [_evaluated(pair.now, pair) for pair in run.paired]
    note = (
        "Gain and change: against the start at the same prompts, by the same draws; SE: standard"
        " error of the mean difference; z: gain in standard errors; prompts: with a reward at both."
    )
    return Table("reward", "Held-out prompts, each evaluation", heads, tuple(rows), note)


def _evaluated(now: Evaluation, pair: Paired | None) -> tuple[str, ...]:
    found, longer = (pair and pair.gain()), (pair and pair.gain(characters_of))
    scored = sum(answer.reward is not None for answer in now.answers.values())
    return (
        f"{now.step:,}",
        number(now.mean(reward_of), 3),
        plus_minus(found or None),
        number(found.z if found else None, 1),
        f"{(found.n if found else 0) if pair else scored:,} of {len(now.answers):,}",
        number(now.mean(characters_of), 1),
        DASH if not longer else plus_minus(longer, 1),
        number(now.mean(kl_of), 4),
        _percent(now.mean(truncated_of)),
        _percent(now.mean(repetition_of)),
    )


def _attributes(run: OnlineRun) -> Iterator[Table]:
    """Yield the means of a reward model's outputs at the start and at the end."""
    if not run.paired:
        return
    last = run.paired[-1]
    rows = []
    for name in last.start.names:

        def measure(answer: HeldOut, name: str = name) -> float | None:
            return answer.attributes.get(name)

        means = (last.start.mean(measure), last.now.mean(measure))
        rows.append((name, *(number(m, 3) for m in means), plus_minus(last.gain(measure))))
    heads = ("", "start", f"step {last.now.step:,}", "gain \u00b1 SE")
    yield Table("reward", "Outputs of the reward model", heads, tuple(rows))


def _rollouts(rollouts: Sequence[RolloutFigures]) -> Table:
    shown = list(rollouts[:: -(-len(rollouts) // ROWS)])
    if shown[-1] is not rollouts[-1]:
        shown.append(rollouts[-1])
    heads = (
        "step", "reward", "sd", "KL", "KL, mean absolute", "KL, sum", "entropy", "tokens",
        "characters", "truncated", "repetition", "equal", "no reward",
    )  # fmt: skip
    rows = tuple(
        (
            f"{one.step:,}",
            *(number(v, 3) for v in (one.reward, one.reward_sd)),
            *(number(v, 4) for v in (one.kl, one.kl_mean_absolute, one.kl_sum, one.entropy)),
            *(number(v, 1) for v in (one.tokens, one.characters)),
            *(_percent(v) for v in (one.truncated, one.repetition, one.equal_groups)),
            f"{one.unscored:,} of {one.responses:,}",
        )
        for one in shown
    )
    return Table(
        "rollouts", f"Rollouts ({len(shown):,} of {len(rollouts):,})", heads, rows, folded=True
    )


def _time(run: OnlineRun) -> Table:
    totals = {p: [v for t in run.timing if (v := getattr(t, p)) is not None] for p in PARTS}
    whole = sum(sum(values) for values in totals.values())
    rows = tuple(
        (
            words,
            number(fmean(totals[p]), 2) if totals[p] else DASH,
            _percent(sum(totals[p]) / whole),
        )
        for p, words in PARTS.items()
        if whole
    )
    return Table("time", "Time by part", ("", "seconds a rollout", "share"), rows)


def _sign_table(seen: Sequence[Sign]) -> Table:
    rows = tuple((f"{_LOOK[sign.verdict]}: {sign.name}", sign.text) for sign in seen)
    return Table("signs", "Signs", ("sign", "what was seen"), rows, worded=True)


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{share:.1%}"
