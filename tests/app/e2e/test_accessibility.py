"""No serious accessibility violation (axe) on any page: light, dark, and 360 pixels wide."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize

from app.live import LiveJudge
from tests.app.e2e.conftest import Site, become, ready, wait_until
from tests.app.e2e.scenes import LOOKS, SCENES, example_team

OVERLAPS = """() => {
    const all = '.bar, .conversation, .responses > .panel, .verdict, .guidelines, .options,'
        + ' .kept, #reason, .actions';
    const boxes = [...document.querySelectorAll(all)]
        .filter(part => part.offsetParent)
        .map(part => [part.className || part.tagName, part.getBoundingClientRect()]);
    const wrong = [];
    for (const [i, [one, a]] of boxes.entries())
        for (const [other, b] of boxes.slice(i + 1)) {
            const across = a.left < b.right - 1 && b.left < a.right - 1;
            if (across && a.top < b.bottom - 1 && b.top < a.bottom - 1)
                wrong.push(`${one} and ${other}`);
        }
    return wrong;
}"""


SIZES: dict[str, tuple[ViewportSize, ViewportSize]] = {
    "light": ({"width": 1280, "height": 800}, {"width": 360, "height": 740}),
    "dark": ({"width": 820, "height": 1180}, {"width": 390, "height": 844}),
}
IS_SHOWN = """dark => document.body.classList.contains('dark') === dark
    && !document.getAnimations().some(one => one instanceof CSSTransition)"""
ONLY_VIOLATIONS = {"resultTypes": ["violations"]}


def violations(page: Page) -> list[str]:
    """Return the serious and critical violations on a page; what passes is not even listed."""
    return [
        f"{found['id']}: {found['nodes'][0]['html']}"
        for found in Axe().run(page, options=ONLY_VIOLATIONS).response["violations"]
        if found["impact"] in ("serious", "critical")
    ]


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_page(new_site: Callable[..., Site], open_page: Callable[..., Page]) -> None:
    """In the light also on a phone, in the dark on a tablet and another phone: the page as it
    stands, made narrow and made dark; every other page is made light where it was loaded dark."""
    site = new_site(team=example_team, judge=LiveJudge("http://127.0.0.1:9"))
    # One window for all: a new one would read Gradio's scripts anew each time.
    page = open_page(site, None, "/sign-in")
    looks = list(SIZES)
    for name, scene in SCENES.items():
        become(page, site, scene.person)
        show(page, looks[0])
        page.goto(site.url + scene.path.format(project=site.team.project_id))
        scene.prepare(page)
        for look in looks:
            show(page, look)
            wait_until(page, IS_SHOWN, look == "dark")
            for size in SIZES[look]:
                page.set_viewport_size(size)
                assert (name, look, size, violations(page)) == (name, look, size, [])
                assert fits(page), (name, look, size)
        looks.reverse()


def show(page: Page, look: str) -> None:
    """Have a window be light or dark, as large as it first is in that look."""
    page.emulate_media(**LOOKS[look])
    page.set_viewport_size(SIZES[look][0])


def test_nothing_lies_over_anything_else(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    """What is on the task page stays in its place, also where the screen is low."""
    site = new_site(team=example_team, own_server=True)
    scene = SCENES["task-revealed"]
    path = scene.path.format(project=site.team.project_id)
    page = open_page(site, scene.person, path)
    scene.prepare(page)
    for width, height in ((1280, 800), (1024, 660), (1920, 1080), (900, 640), (360, 740)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(OVERLAPS) == [], (width, height)
        assert fits(page)

    become(page, site, "max")  # whose bar holds the most: a row for pages, one for the page's tools
    page.goto(site.url + SCENES["task"].path.format(project=site.team.project_id))
    ready(page)
    for width, height in ((1720, 49), (1280, 82), (1024, 82), (820, 82)):
        page.set_viewport_size({"width": width, "height": 800})
        wait_until(page, "most => document.querySelector('.bar').offsetHeight <= most", height)
        assert fits(page), width
        # The page below is as high as what the bar leaves.
        if width > 900:
            wait_until(
                page,
                "document.querySelector('.task').getBoundingClientRect().bottom === innerHeight",
            )
