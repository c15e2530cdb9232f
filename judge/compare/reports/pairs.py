"""Disagreements as a report shows them: who says what of which pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from judge.compare.disagreements import Disagreement, SystemChoice
from judge.metrics.formatting import number
from judge.report.page import Gallery, Said, Shown
from judge.reward import Preference

MOST = 20
"""Disagreements that are shown in full."""
SIDES: dict[Preference | None, tuple[str, str]] = {
    "response_1": ("one", "Response 1"),
    "response_2": ("two", "Response 2"),
    None: ("none", "no preference"),
}


Thinking = Sequence[tuple[str, str]]
"""What a judge wrote before its answers: a heading and a text for each order."""


def gallery(
    queue: Sequence[Disagreement],
    total: int,
    thinking: Mapping[str, Thinking] = MappingProxyType({}),
) -> Gallery:
    """Return the first of the queue of ``total`` disagreements.

    Args:
        thinking: of the one judge, by pair.
    """
    shown = queue[:MOST]
    return Gallery(
        "queue",
        "Disagreements to look at first",
        f"{len(shown)} of {total:,}. First come the pairs on which the systems, or a judge's two"
        " orders, are surest of different responses (Jensen-Shannon divergence, 1 bit at most).",
        [
            Shown(
                d.pair_id,
                f"{d.score:.3f} bits",
                [said(c, thinking.get(d.pair_id, ())) for c in d.choices],
                d.pair,
            )
            for d in shown
        ],
        folded=False,
    )


def said(choice: SystemChoice, thinking: Thinking = ()) -> Said:
    """Return what one system says of a pair in the queue; a judge with its ``thinking``."""
    side, words = SIDES[choice.preference]
    if choice.failure is not None:
        return Said(choice.system, "none", f"failed: {choice.failure}")
    before = thinking if choice.kind == "judge" else ()
    return Said(choice.system, side, words, details(choice), choice.elaboration or "", before)


def details(choice: SystemChoice) -> str:
    """Return strength, probability, rewards and consistency in one line."""
    parts = []
    if choice.strength is not None:
        parts.append(f"strength {choice.strength:g}")
    if choice.probability is not None:
        parts.append(f"P(1 better) {choice.probability:.3f}")
    if choice.rewards is not None:
        one, two = choice.rewards
        parts.append(f"rewards {number(one, 3)} and {number(two, 3)}")
    if choice.consistent is False:
        parts.append("another choice in the other order")
    return ", ".join(parts)
