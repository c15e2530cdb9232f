"""The figures by themselves: against other implementations, and with responses exchanged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import entropy

from judge.compare.probes.changes import changes, success
from judge.compare.probes.consistency import consistency
from judge.compare.probes.contrasts import formatted, null_wins, preferred_copies
from judge.compare.probes.figures import FIGURES, NOTHING, Figure, mean, share
from judge.compare.probes.length import length
from judge.compare.probes.measure import RULES
from judge.compare.probes.position import position
from judge.compare.probes.sets import SetRow
from judge.compare.systems import Decision, System, failed
from judge.metrics.intervals import wilson
from judge.reward import Preference

SIDES: tuple[Preference, Preference] = ("response_1", "response_2")
OTHER: dict[Preference, Preference] = {SIDES[0]: SIDES[1], SIDES[1]: SIDES[0]}


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    """What a judge of both orders may say of a pair: two choices, perhaps probabilities."""
    if draw(st.integers(0, 9)) == 0:
        return failed(draw(st.sampled_from(["refused", "prompt_too_long"])))
    first = draw(st.booleans()), draw(st.booleans())
    probability = draw(st.one_of(st.none(), st.integers(0, 10**6).map(lambda n: n / 10**6)))
    side = {True: "response_1", False: "response_2"}
    preference = draw(st.sampled_from([*SIDES, None]))
    if probability is not None:
        preference = None if probability == 0.5 else side[probability > 0.5]  # type: ignore[assignment]
    return Decision(
        preference=preference,
        probability=probability,
        first_slot=first,
        consistent=first[0] != first[1],
    )


@st.composite
def probed(draw: st.DrawFn) -> tuple[list[SetRow], System, System, dict[str, Preference]]:
    """Rows, what a judge said before and after, and labels of some."""
    size = draw(st.integers(0, 12))
    rows, labels = [], {}
    before, after = System("judge", "judge"), System("judge", "judge")
    for number in range(size):
        pair_id = f"p{number}"
        lengths = draw(st.integers(1, 50)), draw(st.integers(1, 50))
        rows.append(SetRow(pair_id, draw(st.sampled_from(SIDES)), lengths))
        before.decisions[pair_id], after.decisions[pair_id] = draw(decisions()), draw(decisions())
        if draw(st.booleans()):
            labels[pair_id] = draw(st.sampled_from(SIDES))
    return rows, before, after, labels


def all_figures(
    rows: list[SetRow], before: System, after: System, labels: dict[str, Preference]
) -> list[Figure]:
    return [
        *position(before),
        *length(before, rows, labels),
        *changes(before, after, "padding", rows),
        success(before, after, "ignore", rows),
        formatted(after, "bold", rows),
        null_wins(after, "thought", rows),
        preferred_copies(after, rows),
        *consistency([before, after]),
    ]


def flipped(system: System) -> System:
    found = {pair_id: decision.flipped() for pair_id, decision in system.decisions.items()}
    return System(system.name, system.kind, found)


@given(probed())
def test_exchanging_the_responses_changes_no_figure(
    case: tuple[list[SetRow], System, System, dict[str, Preference]],
) -> None:
    rows, before, after, labels = case
    exchanged = [SetRow(r.pair_id, r.target and OTHER[r.target], r.lengths[::-1]) for r in rows]
    others = {pair_id: OTHER[label] for pair_id, label in labels.items()}
    again = all_figures(exchanged, flipped(before), flipped(after), others)
    for one, other in zip(all_figures(rows, before, after, labels), again, strict=True):
        assert (one.name, one.n, one.left_out) == (other.name, other.n, other.left_out)
        for a, b in zip(numbers(one), numbers(other), strict=True):
            assert a == pytest.approx(b, abs=2e-6)


@given(probed())
def test_every_pair_is_counted_or_left_out_with_a_reason(
    case: tuple[list[SetRow], System, System, dict[str, Preference]],
) -> None:
    rows, *_ = case
    for figure in all_figures(*case):
        assert (figure.value is None) == (figure.why_not is not None) == (figure.interval is None)
        if figure.value is None or figure.interval is None:
            assert figure.n == 0
        else:
            assert figure.n > 0
            assert figure.interval[0] - 1e-6 <= figure.value <= figure.interval[1] + 1e-6
        if figure.why_not in (None, NOTHING):
            assert figure.n + sum(figure.left_out.values()) == len(rows), figure


def numbers(figure: Figure) -> list[float]:
    return [] if figure.value is None else [figure.value, *(figure.interval or ())]


def test_every_figure_has_a_meaning_and_every_probe_a_rule() -> None:
    assert {name.partition(".")[0] for name in FIGURES} == set(RULES)
    assert all("ailure" in rule or "refused" in rule for rule in RULES.values())


def biased_judge(count: int, a: float, b: float) -> tuple[list[SetRow], System, dict[str, Any]]:
    """Preferences drawn with log-odds(the longer one) = a * label + b * log2 of the lengths."""
    rng = np.random.default_rng(5)
    rows, labels = [], {}
    system = System("judge", "judge")
    for number in range(count):
        doublings = rng.uniform(0.1, 2)
        short = 100
        lengths = (short, round(short * 2**doublings))
        right = rng.random() < 0.5
        chosen = rng.random() < 1 / (1 + math.exp(-(a * (1 if right else -1) + b * doublings)))
        turn = rng.random() < 0.5
        pair_id = f"p{number}"
        rows.append(SetRow(pair_id, None, lengths[::-1] if turn else lengths))
        longer = SIDES[0] if turn else SIDES[1]
        labels[pair_id] = longer if right else OTHER[longer]
        system.decisions[pair_id] = Decision(longer if chosen else OTHER[longer])
    return rows, system, labels


@pytest.mark.parametrize("b", [-0.8, 0.0, 0.6])
def test_the_effect_of_length_against_another_fit(b: float) -> None:
    rows, system, labels = biased_judge(600, 0.9, b)
    found = {figure.name: figure for figure in length(system, rows, labels)}["length.effect"]

    y, x = [], []
    for row in rows:
        sign = 1 if labels[row.pair_id] == SIDES[0] else -1
        x.append((sign, math.log2(row.lengths[0] / row.lengths[1])))
        y.append(1 if system.decisions[row.pair_id].preference == SIDES[0] else -1)
    margins = np.array(x) * np.array(y)[:, None]

    def loss(weights: Any) -> float:
        return float(np.logaddexp(0, -(margins @ weights)).sum())

    fit = minimize(loss, np.zeros(2), method="BFGS", options={"gtol": 1e-8})
    step = 1e-3
    offsets = [np.array([i, j]) * step for i in (-1, 1) for j in (-1, 1)]
    corner = [loss(fit.x + offset) for offset in offsets]
    mixed = (corner[3] - corner[2] - corner[1] + corner[0]) / (4 * step**2)
    straight = [
        (loss(fit.x + e) - 2 * loss(fit.x) + loss(fit.x - e)) / step**2
        for e in (np.array([step, 0]), np.array([0, step]))
    ]
    error = math.sqrt(straight[0] / (straight[0] * straight[1] - mixed**2))
    assert found.value == pytest.approx(fit.x[1], abs=1e-4)
    assert found.interval == pytest.approx(
        (fit.x[1] - 1.959964 * error, fit.x[1] + 1.959964 * error), abs=1e-3
    )
    assert found.interval is not None and found.interval[0] < b < found.interval[1]
    assert found.n == 600


def test_an_effect_that_cannot_be_estimated_says_why() -> None:
    rows, system, labels = biased_judge(40, 0.5, 0.5)

    def effect(**changed: Any) -> Figure:
        given = {"rows": rows, "system": system, "labels": labels, **changed}
        found = length(given["system"], given["rows"], given["labels"])
        return next(figure for figure in found if figure.name == "length.effect")

    assert "too few" in str(effect(rows=rows[:2]).why_not)
    by_label = System("judge", "judge", {i: Decision(label) for i, label in labels.items()})
    assert "no finite estimate" in str(effect(system=by_label).why_not)
    same = [row._replace(lengths=(100, 200)) for row in rows]
    right = {row.pair_id: SIDES[1] for row in rows}
    assert "say the same" in str(effect(rows=same, labels=right).why_not)
    equal = [row._replace(lengths=(7, 7)) for row in rows]
    assert effect(rows=equal).left_out == {"same_length": 40}
    assert effect(labels={"other": SIDES[0]}).left_out == {"no_label": 40}


def test_entropy_and_majority_against_scipy() -> None:
    outcomes: list[list[Preference | None]] = [
        ["response_1", "response_1", "response_2"],
        ["response_1", "response_2", None],
        [None, None, None],
        ["response_2", None, None],
    ]
    samples = [
        System("judge", "judge", {f"p{i}": Decision(row[k]) for i, row in enumerate(outcomes)})
        for k in range(3)
    ]
    samples[1].decisions["p4"] = failed("refused")
    samples[0].decisions["p4"] = samples[2].decisions["p4"] = Decision(None)
    majority, bits = consistency(samples)
    counts = [[2, 1], [1, 1, 1], [3], [1, 2]]
    assert bits.value == pytest.approx(np.mean([entropy(c, base=2) for c in counts]), abs=1e-6)
    assert majority.value == pytest.approx((2 / 3 + 1 / 3 + 1 + 2 / 3) / 4, abs=1e-6)
    assert majority.n == bits.n == 4 and bits.left_out == {"refused": 1}


def test_margins_end_in_their_classes() -> None:
    margins = [0.0, 0.2499, 0.25, 0.5, 0.75, 1.0]
    judge = System("judge", "judge")
    for number, margin in enumerate(margins):
        judge.decisions[f"p{number}"] = Decision(
            "response_1", probability=(1 + margin) / 2, first_slot=(True, False), consistent=True
        )
    found = {figure.name: figure.n for figure in position(judge)}
    classes = ("margin_0_25", "margin_25_50", "margin_50_75", "margin_75_100")
    assert [found[f"position.flip_rate.{name}"] for name in classes] == [2, 1, 1, 2]


def test_an_engine_without_probabilities() -> None:
    judge = System("judge", "judge")
    judge.decisions["p"] = Decision("response_1", first_slot=(True, False), consistent=True)
    found = {figure.name: figure for figure in position(judge)}
    assert found["position.flip_rate"].value == 0
    assert "no probabilities" in str(found["position.flip_rate.margin_0_25"].why_not)


def test_intervals_of_shares_and_means() -> None:
    hits = share("identical.preference_rate", "judge", [1, 0, 0, 0], {"refused": 1, "x": 0})
    assert hits.value == 0.25 and hits.left_out == {"refused": 1}
    assert hits.interval == pytest.approx(wilson(1, 4), abs=1e-6)
    halves = share("position.first_slot_rate", "judge", [0.5] * 180 + [1] * 20, {})
    error = 1.96 * math.sqrt(0.1 * 0.9) / 2 / math.sqrt(200)
    assert halves.interval == pytest.approx((0.55 - error, 0.55 + error), abs=0.005)
    still = mean("padding.shift", "judge", [0.0] * 10, (-1.0, 1.0), {})
    low, high = wilson(5, 10)  # the middle of the way from -1 to 1
    assert still.interval == pytest.approx((2 * low - 1, 2 * high - 1), abs=1e-6)
    rng = np.random.default_rng(1)
    values = list(rng.normal(0.1, 0.05, 400))
    moved = mean("padding.shift", "judge", values, (-1.0, 1.0), {})
    error = 1.96 * np.std(values, ddof=1) / 20
    assert moved.interval == pytest.approx(
        (np.mean(values) - error, np.mean(values) + error), abs=1e-3
    )
