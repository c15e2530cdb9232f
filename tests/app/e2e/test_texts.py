"""Texts as they look: other directions, formulas, images."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page

from app.main import STATIC
from app.render import render_markdown

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
