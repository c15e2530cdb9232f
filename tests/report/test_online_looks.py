"""The page of an online alignment in a browser: its figures stay where the window changes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from judge.report.online import write_page
from tests.app.e2e.conftest import chromium
from tests.report.online_made import likes_length, planted

HEIGHTS = """[...document.querySelectorAll("[data-plot]")].map(p => p.clientHeight)"""
WIDTHS = """[...document.querySelectorAll("[data-plot]")].map(
    p => [p.clientWidth, p.querySelector(".main-svg")?.clientWidth ?? 0])"""
DRAWN = """[...document.querySelectorAll("[data-plot]")].every(p => p.querySelector(".main-svg"))"""


def wait_for(page: Page, condition: str) -> None:
    """Wait until an expression is true; the page's policy lets Playwright's own waiting not run."""
    until = time.monotonic() + 30
    while not page.evaluate(condition):
        assert time.monotonic() < until, condition
        page.wait_for_timeout(50)


def drawn_at(page: Page, width: int) -> list[int]:
    """Wait until the figures have a window's width; return their heights."""
    page.set_viewport_size({"width": width, "height": 900})
    wait_for(page, f"({WIDTHS}).every(([room, drawn]) => drawn > 0 && drawn <= room)")
    heights: list[int] = page.evaluate(HEIGHTS)
    return heights


@pytest.mark.slow
def test_figures_keep_their_height_and_fit_another_width(tmp_path: Path) -> None:
    path = chromium()
    if path is None and not os.environ.get("CI"):
        pytest.skip("no browser")
    report = write_page(planted(tmp_path, likes_length))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto(report.as_uri())
        wait_for(page, DRAWN)
        wide = drawn_at(page, 1200)
        assert min(wide) > 300
        assert drawn_at(page, 390) == drawn_at(page, 1000) == wide
        page.set_viewport_size({"width": 390, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        browser.close()
