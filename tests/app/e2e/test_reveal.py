"""The reveal: nothing of the judge's becomes the annotator's without an act that says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from app.review.project import Settings
from app.review.task import Final
from tests.app.e2e.conftest import Site, press, ready, revealed, shown
from tests.app.e2e.test_keyboard import mine, next_task, store_choice
from tests.app.made import SENTINEL, judgment, made_run, pair_row

KEPT = "Why, as it will be kept"
PARTS = [".conversation", ".responses", ".options", "#reason", ".actions"]
BOXES = """parts => Object.fromEntries(parts.map(
    s => [s, (({x, y, width, height}) => [x, y, width, height].map(Math.round))(
        document.querySelector(s).getBoundingClientRect())]))"""


def judges_key(page: Page) -> str:
    """Return the key of the judge's choice: it prefers the longer response."""
    return "5" if "here is why" in shown(page)[1] else "2"


def last_final(site: Site) -> Final:
    final = mine(site)[-1].final
    assert final is not None
    return final


def test_called_wrong_and_entered_keeps_ones_own_words(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    for called, key in (("wrong", "w"), ("partly_right", "p"), ("right", "r")):
        texts = shown(page)
        store_choice(page, judges_key(page), "My own words.")
        expect(page.get_by_label(KEPT)).to_have_value("My own words.")
        press(page, key, "Enter")
        next_task(page, texts)
        final = last_final(site)
        assert (final.explanation, final.words, final.elaboration) == (called, "own", "")


def test_the_judges_words_are_taken_by_one_act_and_only_when_called_right(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    texts = shown(page)
    store_choice(page, judges_key(page), "My own words.")
    kept, alert = page.get_by_label(KEPT), page.get_by_role("alert")
    press(page, "w", "t")
    expect(alert).to_contain_text("Only an explanation that you call right")
    expect(kept).to_have_value("My own words.")
    expect(page.get_by_role("radio", name="The judge's")).to_be_disabled()
    press(page, "r", "t")
    expect(alert).to_be_hidden()
    assert SENTINEL in kept.input_value()
    expect(page.get_by_role("button", name="Take the judge's, go on")).to_be_visible()
    press(page, "p")  # no longer right: one's own words again
    expect(kept).to_have_value("My own words.")
    press(page, "r", "t", "m")
    expect(kept).to_have_value("My own words.")
    press(page, "t", "Enter")
    next_task(page, texts)
    final = last_final(site)
    assert final.words == "judge" and SENTINEL in final.elaboration


def test_editing_begins_with_the_words_that_are_shown(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    texts = shown(page)
    store_choice(page, judges_key(page), "Mine.")
    kept = page.get_by_label(KEPT)
    kept.click()  # by mouse
    page.keyboard.press("End")
    page.keyboard.type(" And more.")
    expect(page.get_by_role("radio", name="Edit")).to_be_checked()
    press(page, "Escape", "m")
    expect(kept).to_have_value("Mine.")
    press(page, "e", "Escape")
    expect(kept).to_have_value("Mine. And more.")  # what was edited is not lost
    expect(page.locator(".status")).to_contain_text("Draft saved")
    page.reload()
    revealed(page)
    expect(kept).to_have_value("Mine. And more.")
    insert = page.get_by_role("button", name="Insert the judge's words")
    press(page, "w")
    expect(insert).to_be_hidden()
    press(page, "p", "Enter")
    next_task(page, texts)
    final = last_final(site)
    assert (final.words, final.elaboration) == ("edited", "Mine. And more.")


def test_an_emptied_reason_is_asked_about(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    page = open_page(site := new_site(), "ann")
    ready(page)
    texts = shown(page)
    store_choice(page, judges_key(page), "Mine.")
    press(page, "r", "e", "Control+a", "Delete", "Control+Enter")
    dialog = page.get_by_role("dialog", name="Your reason is empty now")
    expect(dialog).to_be_visible()
    assert mine(site)[-1].final is None
    dialog.get_by_role("button", name="Write on").click()
    expect(page.get_by_label(KEPT)).to_be_focused()
    press(page, "Control+Enter", "Enter")  # the first answer keeps the first reason
    press(page, "Enter")
    next_task(page, texts)
    assert last_final(site).words == "own"
    # Where no reason is wanted, none can be stored, but not by accident.
    site.team.change(require_justification=False)
    page.reload()
    ready(page)
    texts = shown(page)
    store_choice(page, judges_key(page), "Mine.")
    press(page, "r", "e", "Control+a", "Delete", "Control+Enter")
    dialog.get_by_role("button", name="Store without a reason").click()
    next_task(page, texts)
    assert (last_final(site).words, last_final(site).elaboration) == ("edited", "")


def test_who_changes_sides_says_why(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site, "ann")
    ready(page)
    texts = shown(page)
    key = judges_key(page)
    other = "2" if key == "5" else "5"
    store_choice(page, other, "Mine.")
    press(page, "r", key)
    expect(page.get_by_label(KEPT)).to_have_value("")
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_contain_text("Your first reason was for another choice")
    press(page, "e")
    page.keyboard.type("I miscounted.")
    press(page, "Control+Enter")
    next_task(page, texts)
    assert last_final(site).elaboration == "I miscounted."


def test_nothing_moves_and_the_question_stays_in_sight(
    new_site: Callable[..., Site], open_page: Callable[..., Page], tmp_path: Path
) -> None:
    site = new_site(pairs=1)
    rows = [pair_row(n) for n in range(100, 102)]
    more: dict[str, Any] = {
        "probability": 0.27,
        "consistent": True,
        "rewards": {"bt": [4.5, -2.25], "rm": [1, 3]},
    }
    long = f"{SENTINEL} " + "counts and counts again, because counting is what was asked for. " * 60
    judged = [judgment(row["pair_id"], elaboration=long, **more) for row in rows]
    run = made_run(tmp_path / "long", rows, judged)
    service = site.service
    site.team.project_id = service.projects.create(None, Settings(name="long"))
    service.importing.run(site.team.project_id, run)
    sizes = {"ann": (1280, 800), "ben": (1024, 768), "cem": (1920, 1080)}
    for name, (width, height) in sizes.items():
        service.projects.set_role(None, site.team.project_id, name, "annotator")
        page = open_page(site, name, viewport={"width": width, "height": height})
        ready(page)
        before = page.evaluate(BOXES, PARTS)
        store_choice(page, "5", "Mine.")
        assert page.evaluate(BOXES, PARTS) == before, (width, height)
        press(page, "g")  # nor when the guidelines are asked for beside it
        for called in ("Right", "Partly", "Wrong"):
            expect(page.get_by_role("radio", name=called)).to_be_in_viewport()
        panel = page.locator(".verdict")
        expect(panel.locator("h2")).to_contain_text("The judge says")
        expect(panel.locator(".statement")).to_contain_text("is better")
        expect(panel).to_contain_text("You said: Response 2 is better")
        expect(panel).to_contain_text("73 % sure that Response")
        expect(panel).to_contain_text("It keeps its choice when the responses change places.")
        expect(panel.locator(".reward .fill")).to_have_count(4)
        widths = panel.locator(".reward .fill").evaluate_all("e => e.map(x => x.offsetWidth)")
        assert abs(max(widths[:2]) - 2 * min(widths[:2])) <= 2 and min(widths) > 0
