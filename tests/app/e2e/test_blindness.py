"""Nothing of the judge reaches the browser before the choice is stored: every byte is looked at.

Twice: as the server sends them, event streams included, and as they come to the browser.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page, Route, expect

from app.main import create_app
from app.options import Options
from app.review.project import Settings
from app.review.task import Choice
from app.web.session import COOKIE
from tests.app.e2e.conftest import Site, press, ready, revealed, shown, wait_until
from tests.app.e2e.endpoints import call_handler, filled, handlers, routes
from tests.app.made import SENTINEL, judgment, made_run, pair_row, token

PROBABILITY = 0.731973
REWARDS = (4.716253, -2.381947)
SECRETS = (SENTINEL, "0.731973", "0.268027", "4.716253", "2.381947", "sentinel-reward")


@pytest.fixture
def secretive(new_site: Callable[..., Site], tmp_path: Path) -> Site:
    """A site whose judge gave probabilities and rewards that stand nowhere else."""
    site = new_site(pairs=1, annotations=2, own_server=True)
    rows = [pair_row(n) for n in range(100, 106)]
    more: dict[str, Any] = {
        "probability": PROBABILITY,
        "rewards": {"sentinel-reward": list(REWARDS)},
    }
    run = made_run(tmp_path / "secret", rows, [judgment(row["pair_id"], **more) for row in rows])
    service, settings = site.service, Settings(name="secret", annotations=2)
    site.team.project_id = service.projects.create(None, settings)
    service.importing.run(site.team.project_id, run)
    for name, role in (("ann", "annotator"), ("ben", "annotator"), ("max", "manager")):
        service.projects.set_role(None, site.team.project_id, name, role)  # type: ignore[arg-type]
    return site


class Heard:
    """What a browser receives, taken on its way in."""

    def __init__(self, page: Page) -> None:
        self.received = bytearray()
        self._page = page
        page.route("**/*", self._pass_on)

    def _pass_on(self, route: Route) -> None:
        with suppress(Error):  # the page asked, and was left before the answer came
            response = route.fetch(max_redirects=0)
            self.received += response.body() + str(response.headers).encode()
            route.fulfill(response=response)

    def stop(self) -> None:
        """Let everything through again, once what is on its way has come."""
        self._page.unroute_all(behavior="wait")

    def everything(self) -> str:
        return self.received.decode("utf-8", "replace")


def found(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def test_nothing_before_the_choice_everything_after_it(
    secretive: Site, open_page: Callable[..., Page]
) -> None:
    site = secretive
    page = open_page(site, "ann", path="/?all")
    heard = Heard(page)
    page.goto(f"{site.url}/review/?project={site.team.project_id}")
    ready(page)
    # Whatever one can do before the choice.
    press(page, "d", "v", "v", "g", "?")
    page.get_by_role("dialog").wait_for()
    press(page, "Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    press(page, "l")
    page.get_by_role("dialog", name="My tasks").wait_for()
    press(page, "Escape", "4", "j")
    page.keyboard.type("Mine alone")
    expect(page.locator(".status")).to_contain_text("Draft saved")
    press(page, "Escape", "f")
    page.get_by_role("dialog").wait_for()
    press(page, "1", "Enter")
    expect(page.locator(".status")).to_contain_text("Flagged")
    press(page, "k")
    page.get_by_role("dialog").wait_for()
    press(page, "1", "Enter")
    expect(page.locator(".status")).not_to_contain_text("Flagged")
    press(page, "u")
    expect(page.locator(".status")).to_contain_text("Flagged")
    page.reload()
    ready(page)
    kept = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    assert found(kept) == []
    assert found(page.content()) == []
    assert found(heard.everything()) == []
    assert found(site.sent.decode("utf-8", "replace")) == []
    press(page, "4", "Control+Enter")
    revealed(page)
    assert found(page.content())  # the same look finds it once it may be there
    assert SENTINEL in heard.everything()
    assert SENTINEL.encode() in site.sent
    expect(page.locator(".verdict")).to_contain_text("sentinel-reward")
    expect(page.locator(".verdict")).to_contain_text(re.compile("73 %|27 %"))
    heard.stop()


def test_no_endpoint_tells_an_annotator_before_the_choice(secretive: Site) -> None:
    import httpx

    site = secretive
    ann = site.team.people["ann"]
    task, after = site.service.annotating.take(ann, site.team.project_id, 2)
    project, this = site.team.project_id, task.assignment_id
    with httpx.Client(base_url=site.url, cookies={"review_session": site.session("ann")}) as http:
        csrf = http.get("/api/me").json()["csrf"]
        headers = {"X-CSRF-Token": csrf, "Origin": site.url}
        answers = [
            http.post(f"/api/tasks/{this}/reveal", headers=headers),
            http.post(
                f"/api/tasks/{this}/complete",
                headers=headers,
                json={"token": token(), "final": {"strength": 1, "explanation": "right"}},
            ),
            *(
                http.get(path)
                for path in (
                    f"/api/projects/{project}/annotating",
                    f"/api/projects/{project}/tasks",
                    f"/api/projects/{project}/mine",
                    f"/api/projects/{project}/disputes",
                    f"/api/tasks/{this}",
                    f"/api/tasks/{this}/panels?view=source",
                    f"/api/tasks/{this}/sources",
                    f"/export/{project}/history",
                    f"/export/{project}/csv",
                    f"/review/dashboard?project={project}",
                    f"/review/manage?project={project}",
                    "/review/ask",
                    f"/review/?project={project}",
                    "/review/config",
                    "/review/gradio_api/info",
                )
            ),
        ]
        assert [found(answer.text) for answer in answers] == [[]] * len(answers)
        refused = [answer.status_code for answer in answers]
        assert refused[:2] == [409, 409] and refused[5] == 403 and set(refused[9:14]) == {403}
        # The choice of one task opens that one only.
        site.service.annotating.choose(ann, this, Choice(strength=2, justification="x"), token())
        assert found(http.post(f"/api/tasks/{this}/reveal", headers=headers).text)
        closed = http.post(f"/api/tasks/{after.assignment_id}/reveal", headers=headers)
        assert closed.status_code == 409 and found(closed.text) == []


def test_whatever_an_annotator_asks_for_before_the_choice(secretive: Site) -> None:
    """Every route of ours and of Gradio's, and every handler of its pages, with every stream."""
    import httpx

    site = secretive
    ann, project = site.team.people["ann"], site.team.project_id
    task = site.service.annotating.take(ann, project)[0].assignment_id
    app = create_app(site.service, Options())
    ways = [(method, filled(path, site)) for method, path in routes(app)]
    assert len(ways) > 80
    with httpx.Client(base_url=site.url, timeout=60) as http:
        http.cookies.set(COOKIE, site.session("ann"))
        http.headers["X-CSRF-Token"] = http.get("/api/me").json()["csrf"]
        http.headers["Origin"] = site.url
        answers = set()
        for method, path in ways:
            if path in ("/api/sign-out", "/sign-in"):
                continue
            path = path.replace("/tasks/1", f"/tasks/{task}")
            query = {"project": project, "view": "difference"}
            body = {"token": token()} if method in ("POST", "PUT") else None
            answer = http.request(method, path, params=query, json=body)
            assert found(answer.text) == [] and found(str(answer.headers)) == [], (method, path)
            answers.add(answer.status_code)
        assert {200, 204, 403, 404, 409, 422} <= answers  # some were answered, some refused
        for handler, inputs in handlers(app):
            call_handler(http, handler, inputs, project)
    assert found(site.sent.decode("utf-8", "replace")) == []
    assert site.service.annotating.view(ann, task).state == "open"


def test_an_open_project_shows_the_judge_at_once_and_says_so(
    new_site: Callable[..., Site], open_page: Callable[..., Page]
) -> None:
    site = new_site(blind=False)
    page = open_page(site, "ann")
    ready(page)
    revealed(page)
    expect(page.locator(".verdict")).to_contain_text(SENTINEL)
    expect(page.locator(".status")).to_contain_text("not blind")
    texts = shown(page)
    press(page, "6", "j")
    page.keyboard.type("Clear.")
    press(page, "Control+Enter")
    page.wait_for_selector("legend:text('And now?')")
    press(page, "r", "Enter")
    wait_until(
        page,
        "one => document.querySelector('.responses .text').innerText.trim() !== one",
        arg=texts[0],
    )
    revealed(page)
    (done,) = [
        site.service.annotating.view(site.team.people["ann"], line.assignment_id)
        for line in site.service.annotating.mine(site.team.people["ann"], site.team.project_id)
        if line.state == "complete"
    ]
    assert done.blind is False
