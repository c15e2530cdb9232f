"""Kappa against scikit-learn, alpha against krippendorff."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from judge.metrics.agreement import AgreementCounts
from judge.verdict import STRENGTHS

ITEMS = st.lists(st.lists(st.sampled_from(STRENGTHS), max_size=6), max_size=12)


def report(items, scale=STRENGTHS):
    agreement = AgreementCounts(scale)
    for values in items:
        agreement.add(values)
    return agreement.report().model_dump()


def ordered_pairs(items):
    return [
        (one, other)
        for values in items
        for i, one in enumerate(values)
        for j, other in enumerate(values)
        if i != j
    ]


def drawn(seed, items=400, most=5):
    """Items whose annotators agree more often than not."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(items):
        middle = random.integers(len(STRENGTHS))
        people = middle + random.integers(-2, 3, size=random.integers(1, most + 1))
        found.append([STRENGTHS[p] for p in np.clip(people, 0, len(STRENGTHS) - 1)])
    return found


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_scikit_learns(seed):
    items = drawn(seed)
    one, other = zip(*ordered_pairs(items), strict=True)
    found = report(items)
    # Labels evenly spaced give the distances of the scale; the six strengths give those of ranks.
    on_the_scale = cohen_kappa_score(one, other, labels=list(range(-3, 4)), weights="quadratic")
    by_rank = cohen_kappa_score(one, other, labels=list(STRENGTHS), weights="quadratic")
    assert found["kappa"] == pytest.approx(on_the_scale, abs=1e-12)
    assert found["kappa_by_rank"] == pytest.approx(by_rank, abs=1e-12)
    assert 0.2 < found["kappa"] < 0.9 and found["kappa"] != found["kappa_by_rank"]


def test_two_symmetric_annotators_are_the_textbook_case():
    """Where both give each value as often, pooling both orders changes nothing."""
    random = np.random.default_rng(1)
    one = random.choice(STRENGTHS, 300)
    other = np.where(random.random(300) < 0.7, one, random.choice(STRENGTHS, 300))
    items = [list(pair) for a, b in zip(one, other, strict=True) for pair in ((a, b), (b, a))]
    first, second = zip(*items, strict=True)
    expected = cohen_kappa_score(first, second, labels=list(range(-3, 4)), weights="quadratic")
    assert report(items)["kappa"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_krippendorffs(seed):
    items = drawn(seed)
    counts = np.array([[values.count(s) for s in STRENGTHS] for values in items])
    found = report(items)
    for level in ("ordinal", "interval"):
        expected = krippendorff.alpha(
            value_counts=counts, value_domain=STRENGTHS, level_of_measurement=level
        )
        assert found[f"alpha_{level}"] == pytest.approx(expected, abs=1e-12)


@given(ITEMS)
def test_any_items_give_what_the_libraries_give(items):
    found = report(items)
    pairs = ordered_pairs(items)
    values = {value for pair in pairs for value in pair}
    if len(values) < 2:
        assert found["kappa"] is None and found["alpha_ordinal"] is None
        return
    one, other = zip(*pairs, strict=True)
    kappa = cohen_kappa_score(one, other, labels=list(range(-3, 4)), weights="quadratic")
    assert found["kappa"] == pytest.approx(kappa, abs=1e-9)
    counts = np.array([[v.count(s) for s in STRENGTHS] for v in items])
    alpha = krippendorff.alpha(
        value_counts=counts, value_domain=STRENGTHS, level_of_measurement="ordinal"
    )
    assert found["alpha_ordinal"] == pytest.approx(alpha, abs=1e-9)


@given(ITEMS, st.randoms())
def test_neither_order_matters(items, random):
    shuffled = [random.sample(values, len(values)) for values in items]
    random.shuffle(shuffled)
    assert report(shuffled) == report(items)


def test_by_hand():
    """Ordered pairs (2, 2) twice, (2, 3) and (3, 2) once each from 2 2 and 2 3.

    Observed distance 2 / 4. Shares 3/4 and 1/4: expected 2 * 3/4 * 1/4. Kappa 1 - 4/3. Alpha draws
    without replacement: expected 2 * 3 * 1 / (4 * 3), so 1 - 1.
    """
    found = report([[2, 2], [2, 3], [1]])
    assert found["items"] == 2 and found["annotations"] == 4
    assert found["annotations_an_item"] == {"2": 2}
    assert found["kappa"] == pytest.approx(-1 / 3)
    assert found["alpha_interval"] == 0
    assert found["matrix"][4] == (0, 0, 0, 0, 2, 1)


def test_nothing_to_compare_is_none_and_not_a_number():
    for items in ([], [[3]], [[2, 2], [2, 2, 2]]):
        found = report(items)
        assert found["kappa"] is found["kappa_by_rank"] is None
        assert found["alpha_ordinal"] is found["alpha_interval"] is None


def test_a_value_off_the_scale_is_refused():
    with pytest.raises(ValueError, match="not on the scale"):
        report([[0, 1]])
