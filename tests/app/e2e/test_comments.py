"""A question about a task and its answer, in two browsers."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.app.e2e.conftest import Site, ready


def test_an_annotator_asks_and_an_adjudicator_answers(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    page.get_by_role("button", name="Comments").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Nothing was said yet")
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.get_by_role("alert")).to_have_text("Write something first.")
    dialog.get_by_label("Your comment").fill("<b>Is</b> it a joke?")
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.locator(".comments li")).to_contain_text("<b>Is</b> it a joke?")
    expect(dialog.get_by_role("status")).to_contain_text("Sent.")
    expect(dialog.get_by_role("alert")).to_be_hidden()
    dialog.get_by_role("button", name="Close").click()

    path = f"/review/adjudicate?project={site.team.project_id}"
    other = open_page(site, "ada", path)
    other.get_by_role("button", name="Questions (1)").click()
    other.get_by_role("dialog").get_by_role("listitem").get_by_role("button").click()
    thread = other.get_by_role("dialog", name="Comments")
    expect(thread.locator(".comments li")).to_contain_text("Annotator")
    assert "SENTINEL" not in thread.inner_text() and "ann" not in thread.locator("ul").inner_text()
    thread.get_by_text("The task").click()
    expect(thread).to_contain_text("There are 0 of them.")
    thread.get_by_label("Your comment").fill("It is meant seriously.")
    thread.get_by_role("button", name="Send").click()
    expect(thread.locator(".comments li")).to_have_count(2)
    thread.get_by_role("button", name="Close").click()
    expect(other.get_by_role("button", name="Questions", exact=True)).to_be_visible()

    page.reload()
    ready(page)
    page.get_by_role("button", name="Comments (1 new)").click()
    expect(page.get_by_role("dialog").locator(".comments li").nth(1)).to_contain_text(
        "It is meant seriously."
    )
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Comments", exact=True)).to_be_visible()
