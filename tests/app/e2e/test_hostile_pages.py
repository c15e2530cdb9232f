"""Texts of strangers in a real browser, under the page's own policy: nothing runs, loads, hides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.render import render_markdown
from tests.app.e2e.conftest import Site, become, press, ready, revealed
from tests.app.hostile import EVIL, PAYLOADS, RUN
from tests.app.made import judgment, made_run, pair_row, token

SHOW = """async ({ htmls }) => {
    const { PairView } = await import('/static/js/pair.js');
    const pair = new PairView(async () => null);
    document.querySelector('.pair').replaceWith(pair.element);
    const wrong = [];
    for (const [i, html] of htmls.entries()) {
        pair.set({ prompt: [{ role: 'user', html }], response_1: html, response_2: html });
        await new Promise(requestAnimationFrame);
        if (window.pwned) wrong.push([i, 'ran']);
        const found = pair.element.querySelectorAll(
            'script,iframe,object,embed,form,img,video,audio,link,meta,base,style,.text input,' +
            '.text button,.text svg,.text dialog,.text [id],.text [style],.text [name]');
        if (found.length) wrong.push([i, found[0].outerHTML.slice(0, 100)]);
        const outer = pair.bodies[0].getBoundingClientRect();
        for (const element of pair.bodies[0].querySelectorAll('*')) {
            const { position, zIndex } = getComputedStyle(element);
            if (position !== 'static') wrong.push([i, position]);
        }
        // What is beside the panel is what one sees and clicks there.
        const beside = document.elementFromPoint(outer.left + 5, outer.bottom + 30);
        if (beside?.closest('.text')) wrong.push([i, 'covers']);
        if (document.documentElement.scrollWidth > innerWidth) wrong.push([i, 'widens the page']);
    }
    return wrong;
}"""


def test_the_corpus_in_a_browser(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site, "ann")
    ready(page)
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    htmls = [render_markdown(payload) for payload in PAYLOADS]
    assert len(htmls) >= 120
    assert page.evaluate(SHOW, {"htmls": htmls}) == []
    assert page.url.endswith(f"?project={site.team.project_id}")
    # `open_page` fails afterwards had any of it asked another host for anything.


def test_the_check_finds_what_it_looks_for(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site, "ann", watched=False)
    ready(page)
    htmls = [
        "<form></form>",
        "<div style='position:fixed'>x</div>",
        "<b id=x>x</b>",
        f"<img src=data:, onerror={RUN}>",
    ]
    wrong = page.evaluate(SHOW, {"htmls": htmls})
    assert {index for index, _ in wrong} == {0, 1, 2, 3}
    # Even then the policy keeps scripts of texts from running.
    assert page.evaluate("window.pwned") is None


def test_a_hostile_task_from_beginning_to_end(
    new_site: Callable[..., Site], open_page: Callable[..., Page], tmp_path: Path
) -> None:
    site = new_site(pairs=1, annotations=1)
    nasty = "\n\n".join(PAYLOADS[:60])
    rows = [
        pair_row(
            50, prompt=nasty, response_1=nasty, response_2=f"<script>{RUN}</script> [x]({EVIL})"
        )
    ]
    said: dict[str, Any] = {"elaboration": f"<img src=x onerror={RUN}> ![x]({EVIL}/x.png) **bold**"}
    run = made_run(tmp_path / "nasty", rows, [judgment("pair-50", **said)])
    site.service.importing.run(site.team.project_id, run)
    page = open_page(site, "ann")
    for done in (1, 2):
        ready(page)
        press(page, "d", "d", "v", "v", "2", "j")
        page.keyboard.type(f"<script>{RUN}</script>")
        press(page, "Control+Enter")
        revealed(page)
        assert page.evaluate("window.pwned") is None
        press(page, "w", "Enter")
        expect(page.locator(".progress")).to_contain_text(f"{done} done")
    press(page, "ArrowLeft")
    expect(page.locator(".verdict strong")).to_have_text("bold")
    assert page.evaluate("window.pwned") is None


def test_what_people_write_is_as_hostile_to_the_pages_of_others(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    """Reasons, flags, names: on the adjudicator's, the manager's and everyone's pages."""
    nasty = " ".join([*PAYLOADS[:12], f"[x](javascript:{RUN})", f"![x]({EVIL}/x.png)", "| |"])
    site = new_site(pairs=1, annotations=3, more_on_disagreement=0, own_server=True)
    service, project = site.service, site.team.project_id
    named = f"<img src=x onerror={RUN}>"
    site.team.change(name=named, guidelines=nasty)
    site.team.add(f"<script>{RUN}</script> ![x]({EVIL}/y.png)")
    for name, strength in (("ben", 3), ("cem", 3), ("dora", -3)):
        (task,) = site.team.take(name)
        shown = strength if task.response_1.startswith("There are") else -strength
        site.team.choose(name, task, shown, nasty)
        site.team.finish(name, task, shown, elaboration=nasty)
        service.annotating.flag(site.team.people[name], task.assignment_id, nasty[:900], token())
    page = open_page(site, None, "/sign-in")
    for person, path, sign in (
        ("ann", f"/review/?project={project}", ".notice:visible"),
        ("ada", f"/review/adjudicate?project={project}", ".opinion"),
        ("max", f"/review/dashboard?project={project}", ".js-plotly-plot"),
        ("max", f"/review/manage?project={project}", "text=onerror"),
        ("max", "/?all", "h1"),
    ):
        become(page, site, person)
        page.goto(site.url + path)
        expect(page.locator(sign).first).to_be_visible()
        expect(page.get_by_text(named).first).to_be_visible()
        left = "main img, .opinion img, .prose img, .prose form, .prose svg, [href^=javascript]"
        assert page.locator(left).count() == 0, path
        assert page.evaluate("window.pwned") is None, path
