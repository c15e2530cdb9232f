"""Marking parts of the texts: by mouse, keyboard and touch, in any view, kept over a reload."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.review.highlights import Highlight, MarkedField
from app.review.project import Settings
from app.review.task import Choice, Draft, TaskView
from tests.app.e2e.conftest import Site, press, ready, revealed, wait_until
from tests.app.e2e.test_accessibility import violations
from tests.app.made import SENTINEL, judgment, made_run, pair_row, token
from tests.app.test_highlights import mark

TEXT = (
    "# Counting\n\nThere **are *four* of** them, "
    "\U0001f469‍\U0001f469‍\U0001f467 and $x^2=4$ holds.\n\n"
    "- one\n- two\n\n| a | b |\n|---|---|\n| مرحبا | six |\n"
)
OTHER = "Plainly **five**.\r\nAnd five &lt; six."
SELECT = """([selector, first, last]) => {
    const root = document.querySelector(selector), all = root.textContent;
    const find = place => {
        const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        for (let left = place, node; (node = walker.nextNode()); ) {
            if (left <= node.data.length) return [node, left];
            left -= node.data.length;
        }
    };
    const start = all.indexOf(first), end = all.indexOf(last, start) + last.length;
    if (start < 0 || end < last.length) throw new Error(all);
    const range = document.createRange();
    range.setStart(...find(start)); range.setEnd(...find(end));
    range.startContainer.parentElement.scrollIntoView({ block: 'center' });
    getSelection().removeAllRanges(); getSelection().addRange(range);
}"""
DRAWN = """kind => [...CSS.highlights.get('mark-' + kind) ?? []].map(range => range.toString())"""


@pytest.fixture
def marking(new_site: Callable[..., Site], tmp_path: Path) -> Site:
    """A site whose responses have everything that markdown has."""
    site = new_site(pairs=1)
    rows = [pair_row(n, response_1=f"{TEXT}{n}", response_2=OTHER + str(n)) for n in range(3)]
    why = f"{SENTINEL}: @Response 2 **counts** right; @Response 1 does not."
    judged = [judgment(row["pair_id"], elaboration=why) for row in rows]
    run = made_run(tmp_path / "marked", rows, judged)
    service = site.service
    site.team.project_id = service.projects.create(None, Settings(name="marks", annotations=1))
    service.importing.run(site.team.project_id, run)
    service.projects.set_role(None, site.team.project_id, "ann", "annotator")
    return site


def panel(page: Page, words: str) -> str:
    """Return the selector of the response that holds these words."""
    first = page.locator(".responses .text").first.inner_text()
    number = 1 if words in first else 2
    return f".responses .panel:nth-child({number}) .text"


def task(site: Site) -> TaskView:
    who = site.team.people["ann"]
    lines = site.service.annotating.mine(who, site.team.project_id)
    return site.service.annotating.view(who, lines[-1].assignment_id)


def drafted(site: Site, count: int, page: Page) -> tuple[Highlight, ...]:
    """Return the marks that the server has, once there are so many."""
    expect(page.locator(".marked:not(.marker *)")).to_have_count(count)
    expect(page.locator(".status")).to_contain_text("Draft saved")
    draft = task(site).draft
    assert draft is not None and len(draft.highlights) == count
    return draft.highlights


def spans(site: Site, marks: tuple[Highlight, ...]) -> list[tuple[str, str, str]]:
    """Return what the marks hold, out of the source."""
    view = task(site)
    return [(getattr(view, one.field)[one.start : one.end], one.kind, one.note) for one in marks]


def test_from_a_selection_to_the_export(
    marking: Site, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    site = marking
    page = open_page(site, "ann")
    ready(page)
    bar = page.get_by_role("toolbar", name="Highlight what is selected")
    where = panel(page, "Counting")
    page.evaluate(SELECT, [where, "are", "of"])  # across two kinds of emphasis
    bar.get_by_role("button", name="Wrong").click()  # by mouse
    page.evaluate(SELECT, [where, "2", "4 holds"])  # begins inside a formula
    expect(bar).to_be_visible()
    press(page, "h", "g")  # by keyboard
    page.evaluate(SELECT, [where, "مرحبا", "مرحبا"])
    bar.get_by_role("button", name="Unclear").click()
    marks = drafted(site, 3, page)
    assert spans(site, marks) == [
        ("are *four* of", "wrong", ""),
        ("$x^2=4$ holds", "good", ""),
        ("مرحبا", "unclear", ""),
    ]
    assert page.evaluate(DRAWN, "wrong") == ["are four of"]
    # What overlaps is refused where one looks, and nothing is lost.
    page.evaluate(SELECT, [where, "four", "them"])
    bar.get_by_role("button", name="Good").click()
    expect(bar.get_by_role("alert")).to_contain_text("overlaps with “are *four* of”")
    page.keyboard.press("Escape")
    # A note, by way of the list; then the page is killed.
    page.get_by_role("button", name="are *four* of").click()
    dialog = page.get_by_role("dialog", name="A highlighted part")
    area = dialog.get_by_label("The text as it was written")
    picked = "e => e.value.slice(e.selectionStart, e.selectionEnd)"
    assert area.evaluate(picked) == "are *four* of"
    dialog.get_by_label("Note").fill("three")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator(".marked.wrong q")).to_have_text("are *four* of")
    expect(page.locator(".marked.wrong:not(.marker *)")).to_contain_text("three")
    page.reload()
    ready(page)
    wait_until(page, f"() => ({DRAWN})('wrong').length === 1")
    assert spans(site, drafted_now(site))[-1] == ("are *four* of", "wrong", "three")
    # In the other views they are seen, too.
    press(page, "v")
    wait_until(page, f"() => ({DRAWN})('wrong')[0] === 'are *four* of'")
    press(page, "v", "2", "j")
    page.keyboard.type("It is right.")
    press(page, "Control+Enter")
    revealed(page)
    page.evaluate(SELECT, [".verdict .text", "counts", "right"])
    bar.get_by_role("button", name="Good").click()
    press(page, "r", "Enter")
    wait_until(page, "() => document.querySelector('.progress').innerText.includes('1 done')")
    stored = site.service.annotating.view(
        site.team.people["ann"],
        site.service.annotating.mine(site.team.people["ann"], site.team.project_id)[
            -1
        ].assignment_id,
    )
    assert stored.final and len(stored.final.highlights) == 4
    assert stored.choice and len(stored.choice.highlights) == 3
    assert "counts** right" in {one.quote for one in stored.final.highlights}


def drafted_now(site: Site) -> tuple[Highlight, ...]:
    draft = task(site).draft
    assert draft is not None
    return draft.highlights


def test_by_keyboard_alone_and_where_the_source_is_not_what_is_seen(
    marking: Site, open_page: Callable[..., Page]
) -> None:
    site = marking
    page = open_page(site, "ann")
    ready(page)
    plain = panel(page, "Plainly")
    number = "1" if ":nth-child(1)" in plain else "2"
    press(page, "h")
    dialog = page.get_by_role("dialog", name="Highlight a part of a text")
    dialog.get_by_role("radio", name=f"Response {number}").check()
    area = dialog.get_by_label("The text as it was written")
    area.focus()
    press(page, *["ArrowRight"] * 2, "x", "g")  # nothing can be typed
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    dialog.get_by_label("Note").fill("adverb")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    marks = drafted(site, 1, page)
    assert spans(site, marks) == [("ainly", "good", "adverb")]
    # One character there, four in the source: it is asked for where it is certain.
    page.evaluate(SELECT, [plain, "<", "<"])
    press(page, "h", "u")
    expect(dialog).to_contain_text("written otherwise in the text as it was given")
    expect(dialog.get_by_role("radio", name="Unclear")).to_be_checked()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("Select the part")
    area.evaluate(
        "e => { const at = e.value.indexOf('&lt;'); e.focus(); e.setSelectionRange(at, at + 4); }"
    )
    page.keyboard.press("Enter")
    marks = drafted(site, 2, page)
    assert spans(site, marks)[1] == ("&lt;", "unclear", "")  # after a line break of two characters
    page.get_by_role("button", name="ainly").click()
    page.get_by_role("button", name="Remove the highlight").click()
    assert spans(site, drafted(site, 1, page)) == [("&lt;", "unclear", "")]


def test_what_was_marked_in_a_text_that_changed_is_kept_and_said(
    site: Site, open_page: Callable[..., Page]
) -> None:
    team, service, ann = site.team, site.service, site.team.people["ann"]
    (view,) = team.take("ann")
    source = service.highlighting.sources(ann, view.assignment_id)["response_1"]
    old = mark(source, "response_1", 0, 5, "wrong", "a note").model_copy(
        update={"digest": "0" * 32, "quote": "What stood there"}
    )
    draft = Draft(sequence=1, strength=2, justification="x", highlights=(old,))
    service.annotating.save_draft(ann, view.assignment_id, draft)
    page = open_page(site, "ann")
    ready(page)
    foot = page.get_by_role("group", name="Highlights in response 1")
    expect(foot).to_contain_text("What stood there a note (the text changed)")
    press(page, "Enter")
    alert = page.locator(".decision").get_by_role("alert")
    expect(alert).to_contain_text(
        "the text of Response 1 changed since you highlighted “What stood"
    )
    kept = service.annotating.view(ann, view.assignment_id)
    assert kept.state == "open" and kept.draft and kept.draft.highlights == (old,)
    foot.get_by_role("button").click()
    dialog = page.get_by_role("dialog", name="A highlighted part")
    expect(dialog).to_contain_text("select the part anew, or remove the highlight")
    dialog.get_by_label("The text as it was written").select_text()
    page.keyboard.press("Enter")
    expect(foot).to_contain_text(" ".join(source.text.split()))
    press(page, "Enter")
    revealed(page)
    stored = service.annotating.view(ann, view.assignment_id).highlights
    assert [(one.start, one.end, one.note) for one in stored] == [(0, len(source.text), "a note")]


def test_on_a_telephone(marking: Site, open_page: Callable[..., Page]) -> None:
    site = marking
    options: dict[str, Any] = {"viewport": {"width": 390, "height": 800}, "has_touch": True}
    page = open_page(site, "ann", **options)
    ready(page)
    page.evaluate(SELECT, [panel(page, "Counting"), "four", "four"])
    button = page.get_by_role("toolbar").get_by_role("button", name="Wrong")
    expect(button).to_be_in_viewport(ratio=1)
    button.tap()
    assert spans(site, drafted(site, 1, page)) == [("four", "wrong", "")]
    page.get_by_role("button", name="Highlight", exact=False).first.tap()
    expect(page.get_by_role("dialog", name="Highlight a part of a text")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_adjudicators_see_whose_mark_is_where(site: Site, open_page: Callable[..., Page]) -> None:
    team, kinds = site.team, iter(("wrong", "good", "unclear"))
    team.change(more_on_disagreement=0)
    for name, strength in (("ann", -3), ("ben", 3), ("cem", 1)):
        (view,) = team.take(name)
        sources = site.service.highlighting.sources(team.people[name], view.assignment_id)
        side: MarkedField = "response_1" if view.response_1.startswith("There") else "response_2"
        marked = mark(sources[side], side, 0, 5, next(kinds), f"by {name}")  # type: ignore[arg-type]
        sign = 1 if side == "response_1" else -1
        said = Choice(strength=sign * strength, justification="x", highlights=(marked,))
        who = team.people[name]
        site.service.annotating.choose(who, view.assignment_id, said, token())
        team.finish(name, view, sign * strength, highlights=(marked,))
    page = open_page(site, "max", f"/review/adjudicate?project={team.project_id}&task=1")
    foot = page.get_by_role("group", name="Highlights in response 1")
    expect(foot).to_contain_text("1. Wrong: There by ann")
    expect(foot).to_contain_text("by cem")
    for kind in ("wrong", "good", "unclear"):
        wait_until(page, f"() => ({DRAWN})('{kind}')[0] === 'There'")
    expect(page.get_by_role("button", name="Highlight")).to_have_count(0)
    assert violations(page) == []
    page.get_by_role("link", name="Task 1").click()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    assert page.url.endswith("&task=1")
