"""The practice round in a browser: nothing of the answer before the choice, all of it after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.app.e2e.conftest import Site, press, ready, shown
from tests.app.test_practice import add_gold


def test_a_practice_task_shows_its_answer_after_the_choice(
    new_site: Callable[..., Site], open_page: Callable[..., Page], tmp_path: Path
) -> None:
    site = new_site(practice=1, pass_mark=100)
    add_gold(site.team, tmp_path, 2)
    page = open_page(site, "ann")
    ready(page)
    expect(page.locator(".status")).to_contain_text("Practice: it does not count")
    panel = page.locator(".practice")
    expect(panel).to_be_hidden()
    assert b"shows how it counts" not in site.sent
    for right in (False, True):  # a second try after the first
        first = shown(page)[0].startswith("There are")
        press(page, "6" if first == right else "2", "j")
        page.keyboard.type("It counts.")
        press(page, "Control+Enter")
        expect(panel).to_contain_text("Practice: Right." if right else "Practice: Not right.")
        expect(panel).to_contain_text(f"The answer: Response {2 if first else 1} is better.")
        expect(panel).to_contain_text("shows how it counts")
        more = (
            "Passed: 1 of 1 right" if right else "0 of 1 right, and 100 % are needed: another round"
        )
        expect(panel).to_contain_text(more)
        press(page, "Enter")
        expect(panel).to_be_hidden()
        ready(page)
    expect(page.locator(".status")).to_contain_text("Task 1")
    expect(panel).to_be_hidden()
    expect(page.locator(".status")).not_to_contain_text("Practice")
