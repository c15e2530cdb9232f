"""Agreement figures against scikit-learn, krippendorff and values derived by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.review import agreement as agreed
from app.review.annotation import Annotated, JudgeSaid, Task
from app.review.dashboard import dashboard
from app.review.project import Settings
from app.review.task import Choice, Final
from app.ui.plots import plots
from judge.verdict import STRENGTHS

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
scale = st.sampled_from(STRENGTHS)


def said(name: str, first: int, final: int | None = None, **more: Any) -> Annotated:
    values: dict[str, Any] = {
        "assignment_id": 1,
        "task_id": 1,
        "account_id": sum(name.encode()),
        "name": name,
        "shown": "given",
        "blind": True,
        "choice": Choice(strength=first),
        "final": None if final is None else Final(strength=final, explanation="right"),
        "flagged": None,
        "chosen_at": NOW,
        "completed_at": NOW,
        "seconds": 20.0,
    }
    return Annotated(**{**values, **more})


def task(*annotations: Annotated, judge: int | None = 2, **more: Any) -> Task:
    values: dict[str, Any] = {
        "task_id": 1,
        "pair_id": "p",
        "source": "s",
        "kind": "task",
        "expected": None,
        "evaluation": False,
        "evaluation_prompt": False,
        "words": 10,
        "wanted": 3,
        "withdrawn": False,
        "judge": None if judge is None else JudgeSaid(model="m", strength=judge, elaboration="e"),
        "annotations": annotations,
        "decision": None,
        "begun": bool(annotations),
    }
    return Task(**{**values, **more})


@given(st.lists(st.tuples(st.sampled_from((*STRENGTHS, 0)), scale), max_size=40))
def test_kappa_of_two_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    found = agreed.cohen_kappa(pairs)
    if len({value for pair in pairs for value in pair}) < 2:
        assert found is None
        return
    one, other = zip(*pairs, strict=True)
    oracle = cohen_kappa_score(one, other, labels=range(-3, 4), weights="quadratic")
    assert found == pytest.approx(oracle)


@given(st.lists(st.lists(scale, min_size=1, max_size=5), min_size=1, max_size=20))
def test_alpha_of_all_is_krippendorffs(strengths: list[list[int]]) -> None:
    import krippendorff

    tasks = [task(*(said(f"a{n}", s, s) for n, s in enumerate(of_task))) for of_task in strengths]
    found = agreed.agreement(tasks, "final")
    several = [of_task for of_task in strengths if len(of_task) > 1]
    assert found.tasks == len(several)
    if len({s for of_task in several for s in of_task}) < 2:
        assert found.alpha is None
        return
    table = np.full((5, len(several)), np.nan)
    for column, of_task in enumerate(several):
        table[: len(of_task), column] = of_task
    oracle = krippendorff.alpha(table, level_of_measurement="interval")
    assert found.alpha == pytest.approx(oracle)


def test_minus_100_is_no_strength_to_agree_on() -> None:
    tasks = [task(said("a", 1, 1), said("b", -100, -100), said("c", 2, 2))]
    found = agreed.agreement(tasks, "final")
    assert (found.tasks, found.same_response.hits, found.same_response.total) == (1, 1, 1)
    assert agreed.pairwise(tasks)[0].one == "a" and len(agreed.pairwise(tasks)) == 1


def test_each_person_against_the_others_not_against_themselves() -> None:
    """Ann's own -3 would drag the consensus of -3, 1, 1 nowhere; without it the others say 1."""
    whole = task(said("ann", -3, -3), said("ben", 1, 1), said("cem", 1, 1))
    found = agreed.against_others([(whole.annotations[0], whole)])
    assert (found.tasks, found.mean_difference) == (1, 4.0)
    assert (found.same_response.hits, found.same_response.total) == (0, 1)
    alone = task(said("ann", -3, -3))
    assert agreed.against_others([(alone.annotations[0], alone)]).tasks == 0


def pairs_of(*tasks: Task) -> list[agreed.Said]:
    return [(one, whole) for whole in tasks for one in whole.annotations]


def test_anchoring_counts_what_the_reveal_changed() -> None:
    changes = [(-1, 2), (1, 1), (1, 2), (3, -1), (-100, 2), (2, -100)]
    tasks = [task(said("a", first, final), judge=2) for first, final in changes]
    not_seen = task(said("a", -1, None))  # never came back
    not_blind = task(said("a", -1, 2, blind=False))
    no_judge = task(said("a", -1, 2), judge=None)
    found = agreed.anchoring(pairs_of(*tasks, not_seen, not_blind, no_judge))
    assert (found.changed.hits, found.changed.total) == (5, 6)
    assert (found.changed_response.hits, found.changed_response.total) == (4, 6)
    # -1 to 2 and 1 to 2 came nearer to the judge's 2; 3 to -1 went away; -100 has no distance.
    assert (found.towards_judge.hits, found.towards_judge.total) == (2, 3)


def test_the_judge_before_and_after_over_the_same_annotations() -> None:
    tasks = [
        task(said("a", -2, 2), said("b", 1, 1), judge=2),
        task(said("a", -2, -2), said("b", -100, -1), judge=-1),
        task(said("a", 1, None), judge=-3),
    ]
    before = agreed.against_judge(pairs_of(*tasks), "first")
    after = agreed.against_judge(pairs_of(*tasks), "final")
    assert (before.tasks, after.tasks) == (3, 3)
    assert (before.same_response.hits, after.same_response.hits) == (2, 3)


def test_position_bias_is_counted_in_the_order_shown() -> None:
    first_always = [
        task(said("a", -1, shown="given")),
        task(said("a", 3, shown="flipped")),
        task(said("a", -100)),
    ]
    found = agreed.shown_first(pairs_of(*first_always))
    assert (found.hits, found.total) == (2, 2)
    revealed = task(said("a", -1, blind=False))
    assert agreed.shown_first(pairs_of(revealed)).total == 0
    nothing_to_reveal = task(said("a", -1, blind=False), judge=None)
    assert agreed.shown_first(pairs_of(nothing_to_reveal)).total == 1


@given(st.lists(st.tuples(scale, scale), max_size=30))
def test_figures_do_not_depend_on_which_response_is_called_1(
    pairs: Sequence[tuple[int, int]],
) -> None:
    flipped = [(-a, -b) for a, b in pairs]
    assert agreed.against(pairs) == agreed.against(flipped)


def test_the_dashboard_puts_it_together() -> None:
    hour = timedelta(hours=1)
    tasks = [
        task(said("a", 1, 2), said("b", 1, 1), said("c", 2, 2)),
        task(said("a", -3, -3), said("b", 2, 2), said("c", 3, 3), wanted=3),
        task(said("a", 1, 1, completed_at=NOW - 30 * hour), wanted=3),
        task(),
        task(said("a", 1, 1, seconds=0.5), said("b", -1, -1), kind="gold", expected=2),
        task(said("a", 1, 1), withdrawn=True),
    ]
    found = dashboard(Settings(name="x"), tasks, {"b": 2}, {"c": 1}, 1, NOW)
    assert found.progress.model_dump(exclude={"seconds_left"}) == {
        "tasks": 4,
        "untouched": 1,
        "in_progress": 1,
        "finished": 1,
        "to_adjudicate": 1,
        "withdrawn": 1,
        "flagged": 1,
        "annotations": 7,
        "annotations_wanted": 12,
    }
    by_name = {person.name: person for person in found.annotators}
    assert [by_name[n].completed for n in "abc"] == [4, 3, 2]
    assert (by_name["b"].skipped, by_name["c"].flagged) == (2, 1)
    assert (by_name["a"].checks.share, by_name["b"].checks.share) == (1.0, 0.0)
    assert by_name["a"].too_fast.hits == 1
    assert by_name["a"].changed.hits == 1
    assert found.explanations == {"right": 7, "partly_right": 0, "wrong": 0}
    assert sum(point.completed for point in found.pace) == 7
    assert len(found.pairwise) == 3


def test_an_hour_of_work_leaves_pauses_out() -> None:
    minutes = [0, 6, 12, 120, 126]  # three gaps of 6 minutes, one pause
    tasks = [task(said("a", 1, 1, completed_at=NOW + timedelta(minutes=m))) for m in minutes]
    (person,) = dashboard(Settings(name="x"), tasks, {}, {}, 0, NOW).annotators
    assert person.per_hour == pytest.approx(10)


def test_the_work_that_is_left_is_that_of_one_person_at_the_pace_of_all() -> None:
    """224 hours were said to be left beside 2,214 an hour: the one was by the last day."""
    minutes = [0, 6, 12, 120, 126]
    tasks = [
        task(said("a", 1, 1, completed_at=NOW + timedelta(minutes=m)), wanted=1) for m in minutes
    ]
    tasks += [
        task(said("b", 1, 1, completed_at=NOW + timedelta(minutes=m)), wanted=1) for m in (0, 2)
    ]
    tasks.append(task(wanted=5))
    found = dashboard(Settings(name="x"), tasks, {}, {}, 0, NOW)
    assert found.progress.annotations_wanted - found.progress.annotations == 5
    assert found.progress.seconds_left == pytest.approx(5 * 60 * (3 * 6 + 2) / 4)
    finished = dashboard(Settings(name="x"), tasks[:-1], {}, {}, 0, NOW)
    assert finished.progress.seconds_left == 0


@pytest.mark.parametrize("hours", [[0], [0, 1], [0, 5, 30], [0, 24 * 9]])
def test_the_plot_of_the_pace_has_bars_of_their_time_and_whole_ticks(hours: list[int]) -> None:
    tasks = [task(said("a", 1, 1, completed_at=NOW + timedelta(hours=h))) for h in hours]
    figure = plots(dashboard(Settings(name="x"), tasks, {}, {}, 0, NOW))[1]
    (bar,), axis = figure.data, figure.layout.xaxis
    step = 86_400_000 if hours[-1] > 72 else 3_600_000
    assert bar.width == pytest.approx(0.8 * step) and sum(bar.y) == len(hours)
    assert axis.dtick % step == 0 and axis.dtick > 0
    low, high = axis.range
    assert (high - low).total_seconds() * 1000 / step >= 6  # a lone bar does not fill it
    assert (high - low).total_seconds() * 1000 / axis.dtick <= 9


def test_plots_of_nothing_say_so() -> None:
    figures = plots(dashboard(Settings(name="x"), [], {}, {}, 0, NOW))
    for figure in figures[1:]:
        assert figure.layout.annotations[0].text == "Nothing to show yet"


def test_figures_of_nothing_say_nothing() -> None:
    found = dashboard(Settings(name="x"), [], {}, {}, 0, NOW)
    assert found.agreement_final.kappa is None and found.position.share is None
    assert found.judge_before.kappa is None and found.annotators == ()
