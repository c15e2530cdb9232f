"""Texts as they look: other directions, formulas, images."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect

from app.main import STATIC
from app.render import render_markdown
from app.review.project import Settings
from tests.app.e2e.conftest import Site, ready, wait_until
from tests.app.made import pair_row, write_pairs

ARABIC = (
    "مرحبا **بالعالم** version 2.\n\n- واحد\n- اثنان\n\n1. one\n2. שלום\n\n"
    "| اسم | قيمة |\n|---|---|\n| س | 12 |\n\n> اقتباس\n\nEnglish, then. שלום!"
)
ALIGNED = "$$\\begin{aligned} f &= g \\\\ hhh &= i \\end{aligned}$$"
SIDES = """() => {
    const box = e => e.getBoundingClientRect();
    const words = selector => [...document.querySelectorAll(selector)].map(e => {
        const range = document.createRange();
        range.selectNodeContents(e);
        return [range.getClientRects()[0].left, range.getClientRects()[0].right];
    });
    return { text: [box(document.querySelector('.text')).left, box(document.querySelector('.text'))
        .right], p: words('p'), ul: words('ul li'), ol: words('ol li'), td: words('td'),
        th: words('th'), dir: [...document.querySelectorAll('ul, ol, table, blockquote')].map(
            e => getComputedStyle(e).direction),
        mtd: [...document.querySelectorAll('mtd:nth-child(odd) > :last-child')].map(
            e => box(e).right) };
}"""


def drawn(browser: Browser, markdown: str) -> Page:
    """Return a page with a text as `rendered` of dom.js draws it."""
    page = browser.new_page(viewport={"width": 700, "height": 700})
    style = "".join((STATIC / f"css/{name}.css").read_text() for name in ("base", "text"))
    html = render_markdown(markdown)
    page.set_content(f"<style>{style}</style><div class=text dir=auto>{html}</div>")
    script = Path(STATIC / "js/dom.js").read_text(encoding="utf-8")
    parts = re.search(r'querySelectorAll\("(ul,[^"]*)"\)', script)
    assert parts is not None
    page.evaluate("s => document.querySelectorAll(s).forEach(e => e.dir = 'auto')", parts[1])
    return page


def test_each_part_goes_its_own_way(browser: Browser) -> None:
    page = drawn(browser, ARABIC)
    found = page.evaluate(SIDES)
    page.close()
    left, right = found["text"]
    arabic, english = found["p"][0], found["p"][-1]
    assert right - arabic[1] < 2 and english[0] - left < 2
    assert all(10 < right - item[1] < 60 for item in found["ul"])  # room for the mark
    assert found["ol"][0][0] - left < 60 and right - found["ol"][1][1] < 2
    assert found["dir"] == ["rtl", "ltr", "rtl", "rtl"]
    first, second = found["th"]
    assert first[0] > second[1]  # the first column is on the right


def test_equations_stand_below_each_other_at_their_signs(browser: Browser) -> None:
    page = drawn(browser, ALIGNED)
    rights = page.evaluate(SIDES)["mtd"]
    page.close()
    assert abs(rights[0] - rights[1]) < 1  # f ends where hhh ends


PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_images_wait_to_be_asked_for_where_they_are_allowed(
    new_site: Callable[..., Site], open_page: Callable[..., Page], tmp_path: Path
) -> None:
    site = new_site(pairs=1)
    texts = "![a cat](https://img.example/cat.png) ![b](http://img.example/b.png) seen"
    rows = [pair_row(n, response_1=texts, response_2=f"{texts} too") for n in range(2)]
    service, team = site.service, site.team
    team.project_id = service.projects.create(None, Settings(name="images"))
    service.importing.pairs(team.project_id, str(write_pairs(tmp_path / "p.jsonl", rows)))
    service.projects.set_role(None, team.project_id, "ann", "annotator")
    service.projects.set_role(None, team.project_id, "max", "manager")
    page = open_page(site, "ann", "/sign-in", watched=False)
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        assert "referer" not in route.request.headers
        route.fulfill(body=PIXEL, content_type="image/png")

    page.route("https://img.example/**", answer)
    address = f"{site.url}/review/?project={team.project_id}"
    page.goto(address)
    ready(page)
    expect(page.locator(".responses .image").first).to_have_text(
        "[image: a cat (https://img.example/cat.png)]"
    )
    expect(page.locator(".responses button.load")).to_have_count(0)
    # Nor by a script of the page: its policy allows no other site.
    page.evaluate("() => { new Image().src = 'https://img.example/x.png' }")
    team.change(load_images=True)
    page.goto(address)
    ready(page)
    load = page.get_by_role("button", name="Load the image from img.example")
    expect(load).to_have_count(2)  # of https alone
    assert asked == []
    load.first.click()
    wait_until(page, "() => document.querySelector('.image img')?.naturalWidth === 1")
    assert asked == ["https://img.example/cat.png"]
    assert (
        page.locator(".responses .text").first.evaluate("e => e.textContent").startswith("[image")
    )
