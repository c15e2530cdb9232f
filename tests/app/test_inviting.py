"""Invitations by link, over both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.errors import NotAllowed, NotFound, NotSignedIn, Refused
from app.review.project import Settings
from app.store.schema import account, invitation
from tests.app.made import PASSWORD, Clock, Team

NEW = "another long password"


def invited(team: Team, name: str = "zoe") -> str:
    return team.service.inviting.invite(team.people["max"], team.project_id, name, "annotator")


def test_a_link_works_once_and_the_person_sets_the_password(team: Team) -> None:
    inviting, accounts = team.service.inviting, team.service.accounts
    token = invited(team)
    assert inviting.opened(token).name == inviting.opened(token).name == "zoe"  # looking is free
    with pytest.raises(Refused, match="12"):
        inviting.accept(token, "short")
    session, found = inviting.accept(token, NEW)
    assert (found.project, found.role, found.has_password) == ("demo", "annotator", False)
    assert accounts.person(session).name == accounts.person(accounts.sign_in("zoe", NEW)).name
    for again in (inviting.opened, lambda one: inviting.accept(one, NEW)):
        with pytest.raises(NotFound, match="used already"):
            again(token)
    kinds = [kind for _, kind in _history(team)]
    assert kinds[-3:] == ["role", "invite", "joined"]


def _history(team: Team) -> list[tuple[str | None, str]]:
    from app.store import events

    with team.service.store.reading() as tx:
        return [(name, event.kind) for event, name, _ in events.history(tx, team.project_id)]


def test_the_database_holds_no_link(team: Team) -> None:
    token = invited(team)
    with team.service.store.reading() as tx:
        stored = repr([*tx.execute(select(invitation)), *tx.execute(select(account))])
    assert "zoe" in stored and token not in stored


def test_a_link_ends_after_a_week_and_another_takes_its_place(team: Team, clock: Clock) -> None:
    inviting, max_ = team.service.inviting, team.people["max"]
    first = invited(team)
    second = inviting.renew(max_, team.project_id, "zoe")
    with pytest.raises(NotFound):
        inviting.opened(first)
    assert list(inviting.pending(max_, team.project_id)) == [
        one.account_id for one in team.service.projects.members(None, 1) if one.name == "zoe"
    ]
    clock.move(days=8)
    assert inviting.pending(max_, team.project_id) == {}
    with pytest.raises(NotFound, match="has ended"):
        inviting.accept(second, NEW)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "a" * 10_000])
def test_other_texts_open_nothing(team: Team, token: str) -> None:
    invited(team)
    with pytest.raises(NotFound):
        team.service.inviting.opened(token)


@pytest.mark.parametrize("name", ["Ann", "ANN ", "max"])
def test_a_name_that_is_taken_is_refused_and_nothing_of_it_changes(team: Team, name: str) -> None:
    before = team.service.projects.members(None, team.project_id)
    with pytest.raises(Refused, match="already"):
        invited(team, name)
    assert team.service.projects.members(None, team.project_id) == before
    assert team.service.accounts.sign_in("ann", PASSWORD)


def test_a_forgotten_password_is_replaced_by_its_owner(team: Team) -> None:
    inviting, accounts = team.service.inviting, team.service.accounts
    old = accounts.sign_in("ann", PASSWORD)
    token = inviting.renew(team.people["max"], team.project_id, "ann")
    assert accounts.sign_in("ann", PASSWORD) and inviting.opened(token).has_password
    inviting.accept(token, NEW)
    with pytest.raises(NotSignedIn):
        accounts.person(old)
    with pytest.raises(NotFound, match="nobody called"):
        inviting.renew(team.people["max"], team.project_id, "who?")


def test_only_managers_invite_and_only_into_their_own_projects(team: Team) -> None:
    inviting, accounts = team.service.inviting, team.service.accounts
    for who in (team.people["ann"], team.people["ada"]):
        with pytest.raises(NotAllowed):
            inviting.invite(who, team.project_id, "new", "annotator")
        with pytest.raises(NotAllowed):
            inviting.renew(who, team.project_id, "ben")
        with pytest.raises(NotAllowed):
            inviting.pending(who, team.project_id)
    other = team.service.projects.create(None, Settings(name="other"))
    with pytest.raises(NotFound):
        inviting.invite(team.people["max"], other, "new", "annotator")
    team.service.projects.set_role(None, other, "ben", "annotator")
    with pytest.raises(NotAllowed, match="do not manage"):
        inviting.renew(team.people["max"], team.project_id, "ben")
    assert not accounts.exists("new")


def test_a_link_ends_with_what_it_stands_on(team: Team) -> None:
    """A lock, another password, a role taken away, a project that its maker does not manage."""
    inviting, accounts, projects = (
        team.service.inviting,
        team.service.accounts,
        team.service.projects,
    )
    ends = (
        lambda name: accounts.set_active(None, name, False),
        lambda name: accounts.reset_password(None, name, NEW),
        lambda name: projects.set_role(None, team.project_id, name, None),
        lambda name: projects.set_role(
            None, projects.create(None, Settings(name=name)), name, "annotator"
        ),
    )
    for number, end in enumerate(ends):
        token = invited(team, f"new {number}")
        assert inviting.opened(token)
        end(f"new {number}")
        with pytest.raises(NotFound):
            inviting.accept(token, NEW)
