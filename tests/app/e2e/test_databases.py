"""One way through the pages over each kind of database: what an annotator decides and highlights,
a manager finds. Everything else of this folder runs over SQLite alone."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.app.e2e.conftest import Site, at, become, press, ready, revealed, shown, wait_until


def test_from_the_choice_to_the_list_of_tasks(
    new_site: Callable[..., Site], open_page: Callable[..., Page], store_url: str
) -> None:
    site = new_site(pairs=2, annotations=1, url=store_url)
    page = open_page(site, "ann")
    ready(page)
    first = shown(page)[0]
    page.locator(".responses .text").first.select_text()
    press(page, "h", "w", "2", "j")
    page.keyboard.type("It counts, like Ω.")
    expect(page.locator(".status")).to_contain_text("Draft saved")
    press(page, "Control+Enter")
    revealed(page)
    press(page, "r", "Enter")
    wait_until(page, "before => !document.body.innerText.includes(before)", first)
    ready(page)
    press(page, "u")  # taken back, and stored again
    revealed(page)
    press(page, "Enter")
    ready(page)
    expect(page.locator(".progress")).to_contain_text("1 done, 1 left")

    become(page, site, "max")
    page.goto(site.url + at(site, "tasks"))
    expect(page.get_by_text("2 tasks.", exact=True)).to_be_visible()
    page.get_by_label("Search").fill(first.upper())
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 tasks.", exact=True)).to_be_visible()
    page.get_by_role("gridcell", name="finished").click()
    cell = page.get_by_role("gridcell")
    expect(cell.filter(has_text="like Ω")).to_be_visible()
    expect(cell.filter(has_text="wrong in")).to_contain_text(first)
