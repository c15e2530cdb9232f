"""What an online alignment should be looked at for, each sign in plain words with its figures.

A reward that was gained by something else than better answers, and rollouts that teach nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from judge.metrics.formatting import number
from judge.report.online_paid import LENGTH, REPETITION, Sign, paid_for, plus_minus, prompts_of
from judge.report.online_run import OnlineRun, Paired, kl_of, truncated_of

HALF = 0.5
"""Of the responses that are cut: too much."""
COLLAPSED = 0.25
"""Share of its first value at which the entropy counts as collapsed."""
_EQUAL = 5
"""Rollouts without a difference that are many, where the recipe does not say."""


def signs(run: OnlineRun) -> list[Sign]:
    """Return all that is looked for, whether it was seen or not."""
    last = run.paired[-1] if run.paired else None
    return [
        gained(last),
        paid_for(LENGTH, last, run.length_pays),
        paid_for(REPETITION, last),
        cut(run),
        equal(run),
        divergence(run),
        unscored(run),
        entropy(run),
    ]


def gained(last: Paired | None) -> Sign:
    """Whether reward rose at held-out prompts."""
    name, found = "held-out reward", last.gain() if last else None
    if last is None or found is None:
        return Sign(name, "not known", "The held-out prompts were not answered twice yet.")
    of = f"{found.n:,} {prompts_of(found)}, step {last.now.step:,} against the start"
    said = f"{plus_minus(found)} at {of}"
    if found.up:
        return Sign(name, "fine", f"Reward rose: {said}.")
    if found.down:
        return Sign(name, "look", f"Reward fell: {said}.")
    return Sign(name, "not known", f"No change that can be told from none: {said}.")


def cut(run: OnlineRun) -> Sign:
    """Whether responses run into the most tokens."""
    name = "truncated responses"
    over = [one.step for one in run.rollouts if (one.truncated or 0) > HALF]
    held = run.evaluations[-1].mean(truncated_of) if run.evaluations else None
    said = f"{_percent(run.last.truncated)} of the last rollout were cut at the most tokens"
    said += "" if held is None else f", {held:.0%} of the last held-out answers"
    if (run.last.truncated or 0) > HALF or (held or 0) > HALF:
        out = run.recipe.get("leave_out_truncated", True)
        what = "nothing is learnt from them" if out else "they are rewarded as if they were whole"
        return Sign(name, "look", f"{said}: {what}. Raise rollout.max_new_tokens.")
    if over:
        more = f"more than half were in {len(over):,} rollouts, the last at step {over[-1]:,}"
        return Sign(name, "in part", f"{said}; {more}.")
    return Sign(name, "fine", f"{said}.")


def equal(run: OnlineRun) -> Sign:
    """Whether there was something to learn."""
    name, shares = "equal rewards", [one.equal_groups for one in run.rollouts]
    known = [share for share in shares if share is not None]
    if not known:
        return Sign(name, "not known", "No rollout says how many prompts had equal rewards.")
    none = sum(share == 1 for share in known)
    said = f"All responses had the same reward at {known[-1]:.0%} of the last rollout's prompts"
    if not none:
        return Sign(name, "fine", f"{said}.")
    said += f"; at all prompts in {none:,} of {len(known):,} rollouts: nothing is learnt of those"
    many = known[-1] == 1 or none >= int(run.recipe.get("equal_rollouts", _EQUAL))
    return Sign(name, "look" if many else "in part", f"{said}.")


def divergence(run: OnlineRun) -> Sign:
    """Whether the policy went further from its start than was stated."""
    held = run.evaluations[-1].mean(kl_of) if run.evaluations else None
    said = f"{number(run.last.kl, 3)} at the last rollout ({run.kl_unit})"
    said += "" if held is None else f", {held:.3f} at the last held-out answers"
    bound = run.max_kl
    if bound is None:
        return Sign("KL", "not known", f"{said}. The recipe states no bound (max_kl).")
    over = [one.step for one in run.rollouts if one.kl is not None and one.kl > bound]
    over += [e.step for e in run.evaluations if (e.mean(kl_of) or 0) > bound]
    if not over:
        return Sign("KL", "fine", f"{said}; the bound is {bound:g}.")
    return Sign("KL", "look", f"{said}: past the bound of {bound:g} from step {min(over):,} on.")


def unscored(run: OnlineRun) -> Sign:
    """Whether responses got no reward, or are in no gradient."""
    drawn = sum(one.responses for one in run.rollouts)
    without = sum(one.unscored for one in run.rollouts)
    out = dict(_left_out(run))
    said = f"{without:,} of {drawn:,} responses got no reward"
    if out:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(out.items()))
        said += f"; left out of the gradient: {reasons}"
    last = run.last.unscored / run.last.responses if run.last.responses else 0.0
    worst = max((one.unscored / one.responses for one in run.rollouts if one.responses), default=0)
    bound = float(run.recipe.get("max_unscored", 0.25))
    if last > bound:
        return Sign("no reward", "look", f"{said}; {last:.0%} of the last rollout's.")
    return Sign("no reward", "in part" if worst > bound else "fine", f"{said}.")


def entropy(run: OnlineRun) -> Sign:
    """Whether the policy still writes different things."""
    known = [one.entropy for one in run.rollouts if one.entropy is not None]
    if len(known) < 2:
        return Sign("entropy", "not known", "Needs two rollouts.")
    said = f"from {known[0]:.3f} to {known[-1]:.3f} nats a token"
    if known[-1] < COLLAPSED * known[0]:
        what = "the policy writes nearly the same each time, and little more can be learnt"
        return Sign("entropy", "look", f"Collapsed {said}: {what}.")
    return Sign("entropy", "fine", f"{said.capitalize()}.")


def _left_out(run: OnlineRun) -> Iterator[tuple[str, int]]:
    for reason in {reason for one in run.rollouts for reason in one.left_out}:
        yield reason, sum(one.left_out.get(reason, 0) for one in run.rollouts)


def _percent(share: float | None) -> str:
    return "An unknown share" if share is None else f"{share:.0%}"


def worrying(found: Sequence[Sign]) -> list[Sign]:
    """Return the signs that a person should look at."""
    return [sign for sign in found if sign.verdict == "look"]
