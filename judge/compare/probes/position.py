"""Position: does a judge prefer a slot, and does it change its mind with the order?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from judge.compare.probes.figures import CLASSES, MARGINS, Figure, missing, share
from judge.compare.systems import Decision, System

RULE = (
    "Pairs judged in both orders. First slot: every pair counts once, with 1, 1/2 or 0 for two, one"
    " or no verdicts for the response shown first. Failures are left out."
)
_RATES: dict[str, Callable[[Decision], float]] = {
    "first_slot_rate": lambda d: sum(d.first_slot) / 2,
    "flip_rate": lambda d: float(not d.consistent),
}
NAMES = [f"position.{rate}{of}" for rate in _RATES for of in ("", *(f".{c}" for c in CLASSES))]


def position(system: System) -> list[Figure]:
    """Return the first-slot rate and the flip rate of a judge, over all pairs and by margin."""
    if system.kind == "reward_model":
        why = "a reward model reads one response at a time: it has no slots"
        return [missing(name, system.name, why, applies=False) for name in NAMES]
    left_out = Counter(d.failure for d in system.decisions.values() if d.failure is not None)
    judged = [d for d in system.decisions.values() if d.failure is None]
    both = [d for d in judged if d.consistent is not None]
    if judged and not both:
        why = "only one order was judged; it needs --orders both"
        return [missing(name, system.name, why) for name in NAMES]
    return [
        figure
        for rate, value in _RATES.items()
        for figure in _rate(f"position.{rate}", system.name, both, value, left_out)
    ]


def _rate(
    name: str,
    system: str,
    both: Sequence[Decision],
    value: Callable[[Decision], float],
    left_out: Counter[str],
) -> list[Figure]:
    figures = [share(name, system, [value(d) for d in both], left_out)]
    known = [(abs(2 * d.probability - 1), d) for d in both if d.probability is not None]
    for index, of in enumerate(CLASSES):
        if both and not known:
            why = "the engine gives no probabilities"
            figures.append(missing(f"{name}.{of}", system, why))
            continue
        inside = [value(d) for margin, d in known if _class(margin) == index]
        others = {
            "no_probability": len(both) - len(known),
            "other_margin": len(known) - len(inside),
        }
        figures.append(share(f"{name}.{of}", system, inside, {**left_out, **others}))
    return figures


def _class(margin: float) -> int:
    return next(i for i, high in enumerate(MARGINS[1:]) if margin < high or high == MARGINS[-1])
