"""Hypothesis strategies of the domain types."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from judge.errors import FailureReason
from judge.judgment import Failure
from judge.pair import Annotation, Message, Pair
from judge.verdict import (
    NEITHER_VALID,
    ORDERS,
    STRENGTHS,
    Distribution,
    Order,
    Verdict,
    render_statement,
)

plain = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
"""Any text that can stand in a UTF-8 file."""
named = st.lists(
    st.one_of(
        plain,
        st.sampled_from(
            ["@Response 1", "@response 2", "@Response1", "@ Response 2", "@Response 12", " 1", "2"]
        ),
        st.sampled_from([render_statement(strength) for strength in STRENGTHS]),
    ),
    max_size=5,
).map("".join)
"""Texts that name the responses, in every spelling the annotators use."""
strengths = st.sampled_from(STRENGTHS)

pairs = st.builds(
    Pair,
    pair_id=plain,
    prompt=st.builds(
        lambda turns, last: (*turns, Message(role="user", content=last)),
        st.lists(
            st.builds(
                Message, role=st.sampled_from(["system", "user", "assistant"]), content=named
            ),
            max_size=2,
        ),
        named,
    ),
    response_1=named,
    response_2=named,
)
annotations = st.builds(
    Annotation, strength=st.sampled_from([*STRENGTHS, NEITHER_VALID]), justification=named
)


def _normalised(logits: list[float]) -> Distribution:
    top = max(logits)
    total = top + math.log(math.fsum(math.exp(x - top) for x in logits))
    return Distribution.model_validate({"log_probs": [x - total for x in logits]})


distributions = st.one_of(
    st.lists(st.floats(-40, 40), min_size=6, max_size=6).map(_normalised),
    # A strength that is certain: the others have the logarithm of nothing.
    st.integers(0, 5).map(
        lambda i: Distribution.model_validate(
            {"log_probs": [0.0 if i == j else -math.inf for j in range(6)]}
        )
    ),
)


@st.composite
def verdicts(
    draw: st.DrawFn, probabilities: bool | None = None, like: Verdict | None = None
) -> Verdict:
    """A verdict as an engine gives it: its strength is what its distribution says.

    Args:
        probabilities: whether it has a distribution; None draws that.
        like: where given, the elaboration differs from this one's in length.
    """
    with_distribution = draw(st.booleans()) if probabilities is None else probabilities
    distribution = draw(distributions) if with_distribution else None
    strength = distribution.strength if distribution else draw(strengths)
    elaboration = draw(st.one_of(st.none(), named))
    if like is not None and len(elaboration or "") == len(like.elaboration or ""):
        elaboration = (elaboration or "") + "."
    return Verdict(
        strength=strength,
        statement=render_statement(strength),
        elaboration=elaboration,
        distribution=distribution,
        finish_reason=draw(st.sampled_from(["read", "stop", "forced"])),
        prompt_tokens=draw(st.integers(0, 5000)),
        completion_tokens=draw(st.integers(0, 500)),
    )


@st.composite
def orders(draw: st.DrawFn) -> dict[Order, Verdict]:
    """One or both orders' verdicts of one engine: all with probabilities, or none."""
    probabilities = draw(st.booleans())
    chosen = draw(st.sampled_from([("given",), ("flipped",), ORDERS]))
    found: dict[Order, Verdict] = {}
    for order in chosen:
        found[order] = draw(verdicts(probabilities, like=found.get("given")))
    return found


failures = st.builds(
    Failure,
    line=st.integers(1, 10**6),
    pair_id=st.none() | plain,
    reason=st.sampled_from(list(FailureReason.__args__)),  # type: ignore[attr-defined]
    detail=plain,
    order=st.sampled_from([None, *ORDERS]),
)
