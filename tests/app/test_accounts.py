"""Sign-in, sessions and lock-out, over both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.errors import NotAllowed, NotFound, NotSignedIn, Refused, SignInRefused
from app.review.project import Settings
from app.service import Service
from app.store.database import Store
from app.store.schema import account, session
from tests.app.made import PASSWORD, Clock, Team, quick_hasher

NEW = "another long password"


@pytest.fixture
def accounts(service: Service) -> Service:
    service.accounts.create(None, "Ann", PASSWORD)
    return service


def fail(service: Service, name: str, times: int, address: str = "") -> None:
    for _ in range(times):
        with pytest.raises(SignInRefused):
            service.accounts.sign_in(name, "wrong", address)


def test_a_session_belongs_to_who_signed_in_and_ends_with_sign_out(accounts: Service) -> None:
    token = accounts.accounts.sign_in("ann", PASSWORD)  # letter case does not matter
    assert accounts.accounts.person(token).name == "Ann"
    accounts.accounts.sign_out(token)
    with pytest.raises(NotSignedIn):
        accounts.accounts.person(token)


@pytest.mark.parametrize("token", [None, "", "x", "\ud800", "a" * 10_000])
def test_other_tokens_open_nothing(accounts: Service, token: str | None) -> None:
    accounts.accounts.sign_in("Ann", PASSWORD)
    with pytest.raises(NotSignedIn):
        accounts.accounts.person(token)


def test_sessions_survive_a_restart(accounts: Service, store_url: str, clock: Clock) -> None:
    token = accounts.accounts.sign_in("Ann", PASSWORD)
    accounts.close()
    again = Service(Store.open(store_url), clock, quick_hasher())
    assert again.accounts.person(token).name == "Ann"
    again.close()


def test_the_database_holds_neither_password_nor_token(accounts: Service) -> None:
    token = accounts.accounts.sign_in("Ann", PASSWORD)
    with accounts.store.reading() as tx:
        stored = repr([*tx.execute(select(account)), *tx.execute(select(session))])
    assert "$argon2id$" in stored and PASSWORD not in stored and token not in stored


def test_a_session_ends_after_two_weeks_without_use(accounts: Service, clock: Clock) -> None:
    token = accounts.accounts.sign_in("Ann", PASSWORD)
    for _ in range(3):
        clock.move(days=13)
        accounts.accounts.person(token)
    clock.move(days=15)
    with pytest.raises(NotSignedIn):
        accounts.accounts.person(token)


@pytest.mark.parametrize("name", ["Ann", "nobody"])
def test_five_failures_lock_a_name_whether_or_not_it_exists(
    accounts: Service, clock: Clock, name: str
) -> None:
    fail(accounts, name, 5)
    for password in (PASSWORD, "wrong"):
        with pytest.raises(SignInRefused, match="too many"):
            accounts.accounts.sign_in(name.lower(), password)
    clock.move(minutes=16)
    with pytest.raises(SignInRefused, match="wrong name or password"):
        accounts.accounts.sign_in(name, "wrong")
    if name == "Ann":
        assert accounts.accounts.sign_in("Ann", PASSWORD)


def test_a_success_begins_the_count_anew(accounts: Service) -> None:
    for _ in range(3):
        fail(accounts, "Ann", 4)
        accounts.accounts.sign_in("Ann", PASSWORD)


def test_an_address_that_tries_many_names_is_locked_others_are_not(accounts: Service) -> None:
    for n in range(50):
        fail(accounts, f"name {n}", 1, "10.0.0.9")
    with pytest.raises(SignInRefused, match="too many"):
        accounts.accounts.sign_in("Ann", PASSWORD, "10.0.0.9")
    assert accounts.accounts.sign_in("Ann", PASSWORD, "10.0.0.7")


def test_an_office_behind_one_address_signs_in(accounts: Service) -> None:
    for _ in range(60):
        accounts.accounts.sign_in("Ann", PASSWORD, "10.0.0.9")


def test_a_manager_lifts_a_lock_out_with_a_new_password(accounts: Service) -> None:
    token = accounts.accounts.sign_in("Ann", PASSWORD)
    fail(accounts, "Ann", 5)
    accounts.accounts.reset_password(None, "ANN", NEW)
    with pytest.raises(NotSignedIn):
        accounts.accounts.person(token)
    assert accounts.accounts.sign_in("Ann", NEW)


def test_a_new_password_ends_the_other_sessions(accounts: Service) -> None:
    here, there = (accounts.accounts.sign_in("Ann", PASSWORD) for _ in range(2))
    who = accounts.accounts.person(here)
    with pytest.raises(SignInRefused):
        accounts.accounts.change_password(who, "wrong", NEW, here)
    with pytest.raises(Refused, match="12"):
        accounts.accounts.change_password(who, PASSWORD, "short", here)
    accounts.accounts.change_password(who, PASSWORD, NEW, here)
    assert accounts.accounts.person(here)
    with pytest.raises(NotSignedIn):
        accounts.accounts.person(there)


def test_an_account_that_is_not_active_cannot_sign_in_and_loses_its_sessions(
    accounts: Service,
) -> None:
    token = accounts.accounts.sign_in("Ann", PASSWORD)
    accounts.accounts.set_active(None, "Ann", False)
    with pytest.raises(NotSignedIn):
        accounts.accounts.person(token)
    with pytest.raises(SignInRefused, match="wrong name or password"):
        accounts.accounts.sign_in("Ann", PASSWORD)
    accounts.accounts.set_active(None, "Ann", True)
    assert accounts.accounts.sign_in("Ann", PASSWORD)


def test_an_external_identity_opens_the_account_it_is_linked_to(accounts: Service) -> None:
    with pytest.raises(SignInRefused):
        accounts.accounts.sign_in_external("https://id.example subject-1")
    accounts.accounts.link_external(None, "Ann", "https://id.example subject-1")
    token = accounts.accounts.sign_in_external("https://id.example subject-1")
    assert accounts.accounts.person(token).name == "Ann"
    accounts.accounts.create(None, "ben")
    with pytest.raises(Refused, match="belongs to 'Ann'"):
        accounts.accounts.link_external(None, "ben", "https://id.example subject-1")
    fail(accounts, "ben", 1)  # no password, no sign-in by password


@pytest.mark.parametrize("name", ["", " ", "ANN", "x" * 101, "a\nb", "a\0b"])
def test_names_that_cannot_be_an_account(accounts: Service, name: str) -> None:
    with pytest.raises(Refused):
        accounts.accounts.create(None, name, PASSWORD)


def test_sign_in_for_one_person_alone_manages_everything(accounts: Service) -> None:
    first = accounts.projects.create(None, Settings(name="one"))
    who = accounts.accounts.person(accounts.accounts.sign_in_local())
    assert [p.project_id for p in accounts.projects.of(who)] == [first]
    assert accounts.projects.get(who, first).role == "manager"


def test_csrf_tokens_belong_to_their_session(accounts: Service) -> None:
    one, two = (accounts.accounts.sign_in("Ann", PASSWORD) for _ in range(2))
    assert accounts.accounts.csrf_token(one) == accounts.accounts.csrf_token(one)
    assert len({accounts.accounts.csrf_token(t) for t in (one, two)} | {one, two}) == 4


def test_only_managers_manage_accounts_and_only_of_their_own_projects(team: Team) -> None:
    accounts, max_ = team.service.accounts, team.people["max"]
    for who in (team.people["ann"], team.people["ada"]):
        for call in (
            lambda who=who: accounts.create(who, "new", PASSWORD),
            lambda who=who: accounts.reset_password(who, "ben", NEW),
            lambda who=who: accounts.set_active(who, "ben", False),
            lambda who=who: accounts.link_external(who, "ben", "x"),
        ):
            with pytest.raises(NotAllowed):
                call()
    accounts.create(max_, "new", PASSWORD)
    accounts.reset_password(max_, "ben", NEW)
    with pytest.raises(NotFound):
        accounts.reset_password(max_, "who?", NEW)
    with pytest.raises(Refused, match="your own account"):
        accounts.set_active(max_, "max", False)
    other = team.service.projects.create(None, Settings(name="other"))
    accounts.create(None, "otto", PASSWORD)
    team.service.projects.set_role(None, other, "otto", "manager")
    with pytest.raises(NotAllowed, match="do not manage"):
        accounts.reset_password(max_, "otto", NEW)


def test_guessing_all_at_once_is_no_way_around_the_limit(accounts: Service) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def guess(password: str) -> str:
        try:
            return accounts.accounts.sign_in("Ann", password)
        except SignInRefused as error:
            return str(error)

    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(guess, ["wrong"] * 30))
    assert said.count("wrong name or password") == 5
