"""Rating HelpSteer2's five attributes in the browser, by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.service import Service
from tests.app.e2e.conftest import Site, press, ready, shown
from tests.app.made import Clock, Team
from tests.app.test_rating import SCORER, made


def both(service: Service, folder: Path, clock: Clock) -> Team:
    return made(service, folder)


def each(service: Service, folder: Path, clock: Clock) -> Team:
    return made(service, folder, pairs=1, responses="each", annotations=1)


def stored(site: Site) -> list[dict[str, object]]:
    who, annotating = site.team.people["ann"], site.service.annotating
    views = [
        annotating.view(who, line.assignment_id)
        for line in annotating.mine(who, site.team.project_id)
    ]
    return [view.model_dump() for view in views if view.ratings]


@pytest.mark.slow
def test_two_responses_by_keyboard_blind_then_the_models_values(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    site = new_site(team=both, own_server=True)
    page = open_page(site, "ann")
    ready(page)
    texts = shown(page)
    expect(page.locator(".ratings")).to_have_count(2)
    expect(page.locator(".meaning")).to_contain_text("Helpfulness: How well the response serves")
    expect(page.locator(".meaning")).to_contain_text("of great use")
    press(page, "4", "3", "Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Rate the coherence of response 1 first (keys 0 to 4).")
    press(page, "4", "1", "2", "1", "2", "3", "0")
    expect(page.locator(".cell.at")).to_contain_text("Verbosity")
    expect(page.locator(".status")).to_contain_text("Draft saved")
    page.reload()
    ready(page)
    expect(page.get_by_role("radiogroup", name="Coherence of response 1")).to_be_visible()
    assert page.locator(".cell input:checked").count() == 9
    assert SCORER not in page.content() and SCORER.encode() not in site.sent
    press(page, "Enter")
    expect(alert).to_contain_text("Rate the verbosity of response 2 first")
    press(page, "4", "j")
    page.keyboard.type("The second one rambles.")
    press(page, "Control+Enter")
    models = page.get_by_role("region", name="The models' values")
    expect(models.locator("tbody tr")).to_have_count(5)
    expect(models).to_contain_text(SCORER)
    side = 1 if "There are" in texts[0] else 2
    cells = models.locator("tbody tr").first.locator("td")
    expect(cells.nth(side - 1)).to_contain_text("3.5")
    (view,) = stored(site)
    first = {"helpfulness": 4, "correctness": 3, "coherence": 4, "complexity": 1, "verbosity": 2}
    assert view["ratings"]["response_1"] == first  # type: ignore[index]
    assert (view["remark"], view["final_ratings"]) == ("The second one rambles.", None)
    expect(page.get_by_role("button", name="Keep mine, go on")).to_be_visible()
    violations = [
        f"{found['id']}: {found['nodes'][0]['html']}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in ("serious", "critical")
    ]
    assert violations == []
    page.get_by_role("radiogroup", name="Helpfulness of response 1").get_by_text("3").click()
    expect(page.get_by_role("button", name="Store the change, go on")).to_be_visible()
    press(page, "Enter")
    expect(page.locator(".progress")).to_contain_text("1 done")
    (view,) = [one for one in stored(site) if one["final_ratings"]]
    assert view["final_ratings"]["response_1"] == {**first, "helpfulness": 3}  # type: ignore[index]
    press(page, "u")
    expect(page.locator(".cell label.was")).to_have_count(10)
    page.goto(f"{site.url}/review/?project={site.team.project_id}")
    manager = open_page(site, "max", f"/review/dashboard?project={site.team.project_id}")
    expect(manager.get_by_role("gridcell", name="correctness", exact=True)).to_be_visible()
    expect(manager.get_by_role("heading", name="Agreement by attribute")).to_be_visible()
    expect(manager.locator(".js-plotly-plot")).to_have_count(4)
    manager.goto(f"{site.url}/review/manage?project={site.team.project_id}")
    with manager.expect_download() as taken:
        manager.get_by_role("link", name="ratings", exact=True).click()
    assert taken.value.suggested_filename == "ratings-ratings.zip"


def test_one_response_alone(new_site: Callable[..., Site], open_page: Callable[..., Page]) -> None:
    site = new_site(team=each, own_server=True)
    page = open_page(site, "ann")
    ready(page)
    for response, model in (("There are 0 of them.", "3.5"), ("I count 1, and", "1.5")):
        expect(page.locator(".responses .panel").first).to_contain_text(response)
        expect(page.locator(".responses .panel").nth(1)).to_be_hidden()
        press(page, "4", "3", "2", "1", "0", "Enter")
        expect(page.locator(".models td").first).to_contain_text(model)
        press(page, "Enter")
    expect(page.get_by_role("heading", name="No task is left for you")).to_be_visible()
    assert len(stored(site)) == 2
