"""The task page by keyboard alone: nothing here touches the mouse."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from app.review.task import TaskView
from tests.app.e2e.conftest import Site, press, ready, revealed, shown, wait_until
from tests.app.made import SENTINEL


def mine(site: Site, name: str = "ann") -> list[TaskView]:
    """Return a person's tasks that have a choice, the oldest first."""
    service, who = site.service, site.team.people[name]
    lines = service.annotating.mine(who, site.team.project_id)
    views = [service.annotating.view(who, line.assignment_id) for line in lines]
    return sorted((v for v in views if v.choice), key=lambda view: view.assignment_id)


def store_choice(page: Page, key: str, reason: str) -> None:
    press(page, key, "j")
    page.keyboard.type(reason)
    press(page, "Control+Enter")
    revealed(page)


def next_task(page: Page, before: tuple[str, str]) -> None:
    wait_until(
        page,
        "before => document.querySelector('.responses .text').innerText.trim() !== before",
        arg=before[0],
    )
    ready(page)


def test_a_task_from_choice_to_the_next_one(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site, "ann")
    ready(page)
    texts = shown(page)
    store_choice(page, "2", "@Response 1 counts them.")
    expect(page.locator(".verdict")).to_contain_text(SENTINEL)
    expect(page.locator(".verdict")).to_contain_text(f"{SENTINEL}-model")
    press(page, "5", "w", "e", "Control+a")
    page.keyboard.type("@Response 2 gives its reasons.")
    press(page, "Control+Enter")
    next_task(page, texts)
    (task,) = mine(site)
    assert (task.response_1, task.response_2) == texts
    assert task.choice and (task.choice.strength, task.choice.justification) == (
        -2,
        "@Response 1 counts them.",
    )
    assert task.final and (task.final.strength, task.final.explanation) == (2, "wrong")
    assert task.final.words == "edited"
    assert task.final.elaboration == "@Response 2 gives its reasons."
    expect(page.locator(".progress")).to_contain_text("1 done, 5 left")


def test_all_seven_options_have_their_key(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site, "ann")
    ready(page)
    for key, strength in zip("1234567", (-3, -2, -1, 1, 2, 3, -100), strict=True):
        press(page, key)
        expect(page.locator(f"input[value='{strength}']")).to_be_checked()
    press(page, "j")
    page.keyboard.type("7 of 2")
    press(page, "Alt+3")
    expect(page.locator("input[value='-1']")).to_be_checked()
    expect(page.get_by_label("Your reason")).to_have_value("7 of 2")
    # Other keyboards: Cyrillic letters, a French row of digits, Hebrew's marks; Dvorak is Latin.
    press(page, "Escape")
    typed = """key => document.body.dispatchEvent(
        new KeyboardEvent('keydown', {bubbles: true, ...key}))"""
    page.evaluate(typed, {"key": "é", "code": "Digit2"})
    expect(page.locator("input[value='-2']")).to_be_checked()
    page.evaluate(typed, {"key": "!", "code": "Digit1", "shiftKey": True})
    expect(page.locator("input[value='-2']")).to_be_checked()
    guidelines = page.get_by_role("complementary", name="Guidelines")
    page.evaluate(typed, {"key": "п", "code": "KeyG"})
    expect(guidelines).to_be_hidden()
    page.evaluate(typed, {"key": "'", "code": "KeyG"})
    expect(guidelines).to_be_visible()
    page.evaluate(typed, {"key": "i", "code": "KeyG"})
    expect(guidelines).to_be_visible()
    page.evaluate(typed, {"key": "о", "code": "KeyJ"})  # noqa: RUF001
    expect(page.get_by_label("Your reason")).to_be_focused()


def test_what_is_missing_is_said_and_nothing_is_stored(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_contain_text("Choose one of the seven options")
    assert mine(site) == []
    store_choice(page, "1", "Clear.")
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_contain_text("explanation is right")
    press(page, "p")
    expect(page.get_by_role("alert")).to_be_hidden()  # it is said now
    (task,) = mine(site)
    assert task.final is None


def test_undo_takes_back_ten_decisions(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    site = new_site(pairs=14, annotations=1)
    page = open_page(site, "ann")
    ready(page)
    for _ in range(12):
        texts = shown(page)
        store_choice(page, "2", "Clear.")
        press(page, "r", "Enter")
        next_task(page, texts)
    assert sum(task.final is not None for task in mine(site)) == 12
    for left in range(11, 1, -1):
        press(page, "u")
        wait_until(
            page,
            "text => document.querySelector('.progress').innerText.includes(text)",
            arg=f"{left} done",
        )
        revealed(page)
    expect(page.locator("input[value='right']")).to_be_checked()
    press(page, "u")
    expect(page.get_by_role("alert")).to_contain_text("nothing to take back")
    assert sum(task.final is not None for task in mine(site)) == 2


def test_skip_and_flag_with_a_reason(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site, "ann")
    ready(page)
    texts = shown(page)
    press(page, "1", "f")  # Enter in a dialog is no Enter of the page: the choice stays a choice
    page.get_by_role("dialog").wait_for()
    press(page, "2", "Enter")
    expect(page.locator(".status")).to_contain_text("Flagged: A text is damaged")
    assert shown(page) == texts and mine(site) == []
    press(page, "k", "Escape")
    assert shown(page) == texts
    press(page, "k", "Tab")
    page.get_by_label("Another reason").focus()
    page.keyboard.type("It is about my employer")
    press(page, "Enter")
    next_task(page, texts)
    press(page, "ArrowLeft")
    expect(page.locator(".status")).to_contain_text("Skipped: It is about my employer")
    press(page, "u")
    expect(page.locator(".status")).not_to_contain_text("Skipped")
    assert shown(page) == texts


def test_back_and_forth_between_tasks(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site, "ann")
    ready(page)
    seen = []
    for _ in range(2):
        seen.append(shown(page))
        store_choice(page, "3", "Clear.")
        press(page, "p", "Enter")
        next_task(page, seen[-1])
    now = shown(page)
    press(page, "4", "j")
    page.keyboard.type("not yet")
    press(page, "Escape", "ArrowLeft")
    next_task(page, now)
    assert shown(page) == seen[1]
    expect(page.locator(".status")).to_contain_text("Stored.")
    press(page, "ArrowLeft")
    next_task(page, seen[1])
    assert shown(page) == seen[0]
    press(page, "ArrowRight")
    next_task(page, seen[0])
    press(page, "ArrowRight")
    next_task(page, seen[1])
    assert shown(page) == now
    expect(page.get_by_label("Your reason")).to_have_value("not yet")
    expect(page.locator("input[value='1']")).to_be_checked()
    press(page, "l")
    expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_count(2)


def test_views_and_panels(new_site: Callable[..., Site], open_page: Callable[..., Page]) -> None:
    page = open_page(new_site(), "ann")
    ready(page)
    press(page, "d")
    expect(page.locator(".responses mark").first).to_be_visible()
    press(page, "d", "v")
    expect(page.locator(".responses pre.plain")).to_have_count(2)
    press(page, "v")
    expect(page.locator(".responses pre.plain")).to_have_count(0)
    press(page, "c")
    expect(page.locator(".conversation .scroll")).to_be_hidden()
    guidelines = page.get_by_role("complementary", name="Guidelines")
    expect(guidelines).to_be_visible()
    press(page, "g")
    expect(guidelines).to_be_hidden()
    page.reload()
    ready(page)
    expect(guidelines).to_be_hidden()


def test_responses_are_as_high_as_each_other_and_scroll_together(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    page = open_page(new_site(), "ann")
    ready(page)
    heights = page.evaluate(
        "[...document.querySelectorAll('.responses .scroll')].map(e => e.offsetHeight)"
    )
    assert heights[0] == heights[1] > 100
    page.evaluate("""document.querySelectorAll('.responses .text').forEach(
        (e, i) => e.style.height = `${2000 + 3000 * i}px`)""")
    shares = """() => [...document.querySelectorAll('.responses .scroll')].map(
        e => e.scrollTop / (e.scrollHeight - e.clientHeight))"""
    press(page, "PageDown", "PageDown", "ArrowDown")
    page.wait_for_timeout(300)
    one, two = page.evaluate(shares)
    assert 0.2 < one < 1 and abs(one - two) < 0.02
    press(page, "y")
    page.locator(".responses .scroll").first.evaluate("e => e.scrollTop = 0")
    page.wait_for_timeout(300)
    one, two = page.evaluate(shares)
    assert one == 0 and two > 0.2


def test_the_list_of_keys(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site, "ann")
    ready(page)
    press(page, "?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    for key in [*"JRPWMTEDVYCGKFUL", "?"]:
        expect(dialog.get_by_text(key, exact=True).first).to_be_visible()
    page.get_by_label("Single letters and digits are shortcuts").focus()
    press(page, "Space", "Escape", "2")
    expect(page.locator("input[value='-2']")).not_to_be_checked()
    press(page, "?")
    expect(dialog).to_be_visible()


@pytest.mark.parametrize("closing", ["Escape", "Enter"])
def test_the_key_after_a_dialog_is_the_page_s(
    closing: str, site: Site, open_page: Callable[..., Page]
) -> None:
    """However busy the browser is: both keys at once, before it does anything in between."""
    page = open_page(site, "ann")
    ready(page)
    press(page, "f", "2")
    expect(page.get_by_role("dialog", name="What is wrong with this task?")).to_be_visible()
    page.evaluate(
        """keys => {
          for (const key of keys) {
            const options = { key, bubbles: true, cancelable: true };
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", options));
          }
        }""",
        [closing, "?"],
    )
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(1)
    flagged = page.locator(".status")
    if closing == "Enter":
        expect(flagged).to_contain_text("Flagged: A text is damaged")
    else:
        expect(flagged).not_to_contain_text("Flagged")


def test_what_is_typed_before_the_next_task_is_shown_acts_on_it(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    texts = shown(page)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    store_choice(page, "2", "Clear.")

    on_their_way: list[Route] = []
    page.route("**/complete", lambda route: on_their_way.append(route))
    press(page, "r", "Enter", "6", "j", "N", "o", "w")
    assert shown(page) == texts
    until = time.monotonic() + 60
    while not on_their_way:  # the keys are there before the request that they make
        assert time.monotonic() < until, page.locator("main").inner_text()
        page.wait_for_timeout(20)
    on_their_way[0].continue_()
    next_task(page, texts)
    expect(page.locator("input[value='3']")).to_be_checked()
    expect(page.get_by_label("Your reason")).to_have_value("Now")
    expect(page.get_by_role("button", name="Undo")).to_be_enabled()
    (task,) = mine(site)
    assert task.final and (task.final.strength, task.final.explanation) == (-2, "right")


def test_the_guidelines_make_room_for_the_judge(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site, "ann")
    ready(page)
    guidelines = page.get_by_role("complementary", name="Guidelines")
    expect(guidelines).to_be_visible()
    page.get_by_role("region", name="Guidelines").focus()
    press(page, "ArrowDown", "PageDown")
    wait_until(page, "() => document.querySelector('.guidelines .scroll').scrollTop > 0")
    store_choice(page, "2", "Clear.")
    expect(guidelines).to_be_hidden()
    press(page, "g")
    expect(guidelines).to_be_visible()
    expect(page.locator(".verdict")).to_be_visible()
    press(page, "g", "r", "Enter")
    expect(page.locator(".progress")).to_contain_text("1 done")
    expect(guidelines).to_be_visible()
