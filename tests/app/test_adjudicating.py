"""Tasks whose annotations lie too far apart, over both databases."""

from __future__ import annotations

import pytest

from app.errors import NotAllowed, NotFound, Refused
from app.review.task import Choice
from app.service.adjudicating import Dispute
from tests.app.made import SENTINEL, Team, token

DECISION = Choice(strength=-2, justification="@Response 1 is shorter and right.")


@pytest.fixture
def disputed(team: Team) -> Team:
    """Of the six tasks, three have all annotations: one agreed, two disputed."""
    team.change(more_on_disagreement=0)
    for name, strengths in {"ann": (1, -3, -1), "ben": (2, -1, -1), "cem": (3, 2, 2)}.items():
        for strength in strengths:
            team.annotate(name, strength)
    return team


def queue(team: Team, name: str = "ada") -> list[Dispute]:
    return team.service.adjudicating.queue(team.people[name], team.project_id)


def test_the_queue_holds_what_spreads_by_more_than_two_the_widest_first(disputed: Team) -> None:
    found = queue(disputed)
    assert [dispute.spread for dispute in found] == [5, 3]
    assert ["Question 1" in d.prompt[0].content for d in found] == [True, False]
    assert sorted(opinion.strength for opinion in found[0].opinions) == [-3, -1, 2]
    shown = found[0].model_dump_json()
    assert SENTINEL not in shown and "ann" not in shown
    assert found[0].response_1.startswith("There are")  # the pair's own order


def test_what_only_some_find_valid_is_for_adjudicators_too(team: Team) -> None:
    team.change(more_on_disagreement=0)
    for name, strength in (("ann", -100), ("ben", 2), ("cem", 2)):
        team.annotate(name, strength)
    (found,) = queue(team)
    assert found.spread is None


def test_a_decision_stands_and_may_be_replaced(disputed: Team) -> None:
    ada, adjudicating = disputed.people["ada"], disputed.service.adjudicating
    first = queue(disputed)[0].task_id
    with pytest.raises(Refused, match="reason"):
        adjudicating.decide(ada, first, DECISION, " ", token())
    with pytest.raises(Refused, match="justification"):
        adjudicating.decide(ada, first, Choice(strength=1), "why", token())
    press = token()
    done = adjudicating.decide(ada, first, DECISION, "It counts right.", press)
    assert (done.decision, done.reason) == (DECISION, "It counts right.")
    other = Choice(strength=3, justification="No.")
    assert adjudicating.decide(ada, first, other, "x", press).decision == DECISION
    assert len(queue(disputed)) == 1
    assert adjudicating.decide(ada, first, other, "Looked again.", token()).decision == other
    progress = disputed.service.figures.dashboard(ada, disputed.project_id).progress
    assert (progress.finished, progress.to_adjudicate) == (2, 1)


def test_nobody_adjudicates_what_they_annotated(team: Team) -> None:
    team.change(more_on_disagreement=0)
    for name, strength in (("ann", -3), ("ben", 3), ("ada", 3)):
        team.annotate(name, strength)
    assert queue(team) == []
    (found,) = queue(team, "max")
    for call in (
        lambda: team.service.adjudicating.view(team.people["ada"], found.task_id),
        lambda: team.service.adjudicating.decide(
            team.people["ada"], found.task_id, DECISION, "x", token()
        ),
    ):
        with pytest.raises(NotAllowed, match="another adjudicator"):
            call()


def test_annotators_see_no_disputes(disputed: Team) -> None:
    task_id = queue(disputed)[0].task_id
    ann, adjudicating = disputed.people["ann"], disputed.service.adjudicating
    for call in (
        lambda: adjudicating.queue(ann, disputed.project_id),
        lambda: adjudicating.view(ann, task_id),
        lambda: adjudicating.decide(ann, task_id, DECISION, "x", token()),
    ):
        with pytest.raises(NotAllowed):
            call()


def test_tasks_that_wait_for_annotations_cannot_be_decided(disputed: Team) -> None:
    disputed.annotate("dora", 1)
    ada, adjudicating = disputed.people["ada"], disputed.service.adjudicating
    last = max(dispute.task_id for dispute in queue(disputed)) + 1
    with pytest.raises(Refused, match="waits for annotations"):
        adjudicating.decide(ada, last, DECISION, "x", token())
    with pytest.raises(NotFound):
        adjudicating.view(ada, 999_999)


def test_with_two_more_the_dispute_waits_for_them(team: Team) -> None:
    for name, strength in (("ann", -3), ("ben", 3), ("cem", 3)):
        team.annotate(name, strength)
    assert queue(team) == []
    for name in ("dora", "eva"):
        team.annotate(name, 3)
    (found,) = queue(team)
    assert len(found.opinions) == 5
