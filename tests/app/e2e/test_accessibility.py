"""No serious accessibility violation (axe) on any page: light, dark, and 360 pixels wide."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.live import LiveJudge
from tests.app.e2e.conftest import Site, press, ready, revealed

LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}


def violations(page: Page) -> list[str]:
    """Return the serious and critical violations on a page."""
    return [
        f"{found['id']}: {found['nodes'][0]['html']}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in ("serious", "critical")
    ]


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.fixture
def busy(new_site: Callable[..., Site]) -> Site:
    """A site with annotations, a dispute, and a judge that nobody asks."""
    site = new_site(more_on_disagreement=0, judge=LiveJudge("http://127.0.0.1:9"))
    for name, strength in (("ben", 3), ("cem", 3), ("dora", -3)):
        site.team.annotate(name, strength)
    return site


@pytest.mark.parametrize("look", LOOKS)
def test_the_task_page(busy: Site, open_page: Callable[..., Page], look: str) -> None:
    page = open_page(busy, "ann", **LOOKS[look])
    ready(page)
    is_dark = page.evaluate("document.body.classList.contains('dark')")
    assert is_dark == (look == "dark")
    assert violations(page) == [] and fits(page)
    press(page, "?")
    assert violations(page) == []
    press(page, "Escape", "d", "k")
    page.get_by_role("dialog").wait_for()
    assert violations(page) == []
    press(page, "Escape", "2", "j")
    page.keyboard.type("Clear.")
    press(page, "Control+Enter")
    revealed(page)
    assert violations(page) == [] and fits(page)


@pytest.mark.parametrize("look", LOOKS)
def test_the_other_pages(busy: Site, open_page: Callable[..., Page], look: str) -> None:
    project = f"?project={busy.team.project_id}"
    page = open_page(busy, "max", "/?all", **LOOKS[look])
    waits = {
        "/?all": "h1",
        "/password": "h1",
        "/nowhere": "h1",
        f"/review/adjudicate{project}": ".opinion",
        f"/review/dashboard{project}": ".js-plotly-plot",
        f"/review/manage{project}": "text=Take away",
        f"/review/ask{project}": "#ask",
    }
    for address, sign in waits.items():
        page.goto(busy.url + address)
        expect(page.locator(sign).first).to_be_visible()
        assert (address, violations(page)) == (address, [])
        assert fits(page), address


@pytest.mark.parametrize("look", LOOKS)
def test_sign_in(site: Site, open_page: Callable[..., Page], look: str) -> None:
    page = open_page(site, None, "/", **LOOKS[look])
    page.get_by_label("Name").fill("ann")
    page.keyboard.press("Tab")
    page.keyboard.type("a guess")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wrong name or password")
    assert violations(page) == [] and fits(page)
