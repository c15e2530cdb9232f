"""Two people and the last place of a task."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
from playwright.sync_api import Page, TimeoutError, expect

from tests.app.e2e.conftest import Site, press, ready, revealed, shown
from tests.app.made import token


def test_whoever_comes_back_too_late_keeps_the_text(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    site = new_site(pairs=1, annotations=1)
    late = open_page(site, "ann")
    ready(late)
    press(late, "2", "j")
    late.keyboard.type("I took my time")
    expect(late.locator(".status")).to_contain_text("Draft saved")
    early = open_page(site, "ben")
    expect(early.locator(".notice h2:visible")).to_contain_text("No task is left")
    early.wait_for_load_state("networkidle")  # it looks ahead too, and would find the task itself
    site.clock.move(minutes=31)
    with contextlib.suppress(TimeoutError):  # the page may look again by itself before
        early.get_by_role("button", name="Look again").click(timeout=3000)
    ready(early)
    press(early, "5", "Enter")
    revealed(early)
    press(late, "Control+Enter")
    expect(late.get_by_role("alert")).to_contain_text("what you wrote is kept")
    expect(late.get_by_label("Your reason")).to_have_value("I took my time")
    press(early, "r", "j")
    early.keyboard.type("Right.")
    press(early, "Control+Enter")
    expect(early.locator(".notice h2:visible")).to_contain_text("No task is left")
    assert site.service.figures.dashboard(None, site.team.project_id).progress.annotations == 1


def test_both_at_the_same_moment_one_gets_it(new_site: Callable[..., Site]) -> None:
    """Both hold the page of the only task, its lease long over; both press at once."""
    site = new_site(pairs=1, annotations=1)
    first = site.team.take("ann")[0].assignment_id
    site.clock.move(minutes=31)
    second = site.team.take("ben")[0].assignment_id
    site.clock.move(minutes=31)
    third = site.team.take("cem")[0].assignment_id
    cem = site.team.people["cem"]
    site.service.annotating.skip(cem, third, "so that nobody holds the place", token())
    barrier = Barrier(2)

    def press_button(name: str, assignment_id: int) -> int:
        cookies = {"review_session": site.session(name)}
        with httpx.Client(base_url=site.url, cookies=cookies, timeout=60) as http:
            headers = {"X-CSRF-Token": http.get("/api/me").json()["csrf"], "Origin": site.url}
            body = {"token": token(), "choice": {"strength": 2, "justification": "x"}}
            barrier.wait(60)
            url = f"/api/tasks/{assignment_id}/choose"
            return http.post(url, json=body, headers=headers).status_code

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(press_button, ("ann", "ben"), (first, second)))
    assert sorted(answers) == [200, 409]


def test_two_browsers_never_get_the_same_place(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    site = new_site(pairs=4, annotations=1)
    pages = [open_page(site, name) for name in ("ann", "ben")]
    for page in pages:
        ready(page)
    one, two = (set(shown(page)) for page in pages)
    assert one.isdisjoint(two)
