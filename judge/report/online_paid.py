"""Whether a reward was gained by something else than better answers: by length, by repetition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from judge.metrics.gains import Explained, Gain, Within, explained_by
from judge.report.online_run import Measure, Paired, characters_of, repetition_of

Verdict = Literal["look", "in part", "fine", "not known"]
_WORST: tuple[Verdict, ...] = ("look", "in part", "not known", "fine")
CHANCE = 0.01
"""A slope with a lower p is one; a page looks at several."""
HALF = 0.5
"""Share of a gain that goes with something else: too much."""
PAYS = 0.3
"""A correlation of reward with length within prompts, its interval above this: length pays."""


@dataclass(frozen=True)
class Sign:
    """One thing to look at, and what was seen."""

    name: str
    verdict: Verdict
    text: str


@dataclass(frozen=True)
class Trait:
    """Something besides the quality of an answer that a policy may have been paid for."""

    name: str
    measure: Measure
    shown: Callable[[float], str]
    rose: str
    fell: str
    both_ways: bool
    """Whether less of it can be a trick too."""


def _repeated(change: float) -> str:
    return f"{round(change, 3) + 0.0:+.1%} of a response's 4-word sequences"


LENGTH = Trait(
    "length", characters_of, lambda value: f"{value:+,.1f} characters",
    "responses became longer", "responses became shorter", True,
)  # fmt: skip
REPETITION = Trait(
    "repetition", repetition_of, _repeated,
    "responses repeat themselves more", "responses repeat themselves less", False,
)  # fmt: skip


def plus_minus(found: Gain | None, places: int = 3) -> str:
    """Return a gain with its standard error."""
    if found is None:
        return "-"
    sign = f"{found.value:+,.{places}f}"
    return sign if found.se is None else f"{sign} \u00b1 {found.se:,.{places}f}"


def prompts_of(found: Gain) -> str:
    return "prompt" if found.n == 1 else "prompts"


def paid_for(trait: Trait, last: Paired | None, within: Within | None = None) -> Sign:
    """Return whether reward rose together with a trait, and how much of the gain goes with it.

    Told in two ways, of which the worse one counts: by the held-out prompts, where the change of
    reward is set against the change of the trait; and by the responses to one prompt.

    Args:
        last: the last evaluation beside the start; None where there is one at most.
        within: how reward goes with the trait among the responses to one prompt in training.
    """
    gain, change = (last.gain(), last.gain(trait.measure)) if last else (None, None)
    if last is None or gain is None or change is None:
        return _unpaired(trait, within)
    how = f"{trait.rose if change.value > 0 else trait.fell} ({trait.shown(change.value)})"
    if not (change.up or change.down):
        none = f"No change that can be told from none: {trait.shown(change.value)} on average."
        return Sign(trait.name, "fine", " ".join([none, *_pay(within)]))
    if not gain.up or (change.down and not trait.both_ways):
        more = "" if gain.up else ", but reward did not rise measurably"
        return Sign(trait.name, "fine", " ".join([f"{how.capitalize()}{more}.", *_pay(within)]))
    told = [_by_prompts(last.goes_with(trait.measure), trait.name)]
    if within is not None:
        told.append(_by_responses(explained_by(gain, change, within), within, trait.name))
    worst = min((verdict for verdict, _ in told), key=_WORST.index)
    said = [f"Reward rose ({plus_minus(gain)}) while {how}.", *(text for _, text in told)]
    if worst == "look":
        said.append(f"The answers may be no better, only paid for {trait.name}.")
    return Sign(trait.name, worst, " ".join(said))


def _unpaired(trait: Trait, within: Within | None) -> Sign:
    pays = within is not None and within.low > PAYS
    said = " ".join(["Needs held-out prompts answered twice.", *_pay(within)])
    return Sign(trait.name, "look" if pays else "not known", said)


def _pay(within: Within | None) -> Iterator[str]:
    if within is None:
        return
    if within.low > PAYS:
        yield f"Among the responses to one prompt the longer ones get more reward: {_r(within)}."
    else:
        yield f"Among the responses to one prompt reward and length go together by {_r(within)}."


def _r(within: Within) -> str:
    return f"r = {within.r:.2f} [{within.low:.2f}, {within.high:.2f}]"


def _by_prompts(line: Explained | None, name: str) -> tuple[Verdict, str]:
    if line is None:
        return "not known", f"The {name} of all answers changed alike, which tells nothing apart."
    return _judged(line, "By the held-out prompts", name)


def _by_responses(line: Explained, within: Within, name: str) -> tuple[Verdict, str]:
    return _judged(line, f"By the responses to one prompt in training ({_r(within)})", name)


def _judged(line: Explained, where: str, name: str) -> tuple[Verdict, str]:
    """Return what a line through observations says of a gain, and that in words."""
    if line.part <= 0 or line.p >= CHANCE:
        return "fine", f"{where}, {name} was not measurably paid for."
    share = line.share or 0.0
    if line.rest.down:
        more = f"{where}, {name} is worth {line.part:+.3f}, more than the gain:"
        return "look", f"{more} without it reward would have fallen ({plus_minus(line.rest)})."
    left = "" if line.rest.up else ", which cannot be told from none"
    said = (
        f"{where}, {line.part:+.3f} of the gain ({share:.0%}) goes with {name},"
        f" {plus_minus(line.rest)} does not{left}."
    )
    return ("look" if share >= HALF or not line.rest.up else "in part"), said
