"""Every page in a good state, with the example pairs and people at work: for looking at them, for
axe, and for the screenshots of the docs.

    python -m tests.app.e2e.scenes FOLDER      writes FOLDER/SCENE-LOOK.png for each scene and look
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from app.review.project import Settings
from app.review.task import Choice, Final, TaskView
from app.service import Service
from judge.judgment import Judgment, reconcile
from judge.verdict import Verdict, render_statement
from tests.app.made import PASSWORD, Clock, Team, made_run, token

EXAMPLES = Path(__file__).parents[3] / "examples/pairs.jsonl"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}
"""Options of a browser context."""
ORDER = (1, 10, 23, 5, 34, 3, 2, 16, 6, 13, 9, 20, 40, 14, 17, 30)
"""The examples that become tasks; the fifth is the one on the pictures."""
FIRST = "It's sales.csv"


def example_team(service: Service, folder: Path, clock: Clock) -> Team:
    """Fill a database: ``ann`` has four tasks behind her, three others have more, one task is to
    be adjudicated, one is flagged. People say what the examples' annotations say."""
    rows = _examples()
    run = made_run(
        folder, [_pair(row) for row in rows], [_judged(row) for row in rows], model="example-judge"
    )
    settings = Settings(name="Support answers", seed=3, annotations=4, more_on_disagreement=0)
    team = Team(service, service.projects.create(None, settings))
    service.importing.run(team.project_id, run)
    for name in ("ann", "ben", "cem", "dora"):
        team.add(name)
    team.add("ada", "adjudicator")
    team.add("max", "manager")
    said = {row["prompt"][-60:]: row["all_preferences_unprocessed"] for row in rows}
    for name, place, count in (("ann", 0, 4), ("ben", 0, 13), ("cem", 1, 9), ("dora", 2, 11)):
        for number in range(count):
            clock.move(minutes=2.5)
            _annotate(team, clock, name, said, place, number)
    (task,) = team.take("dora")
    reason = "The request makes no sense"
    service.annotating.flag(team.people["dora"], task.assignment_id, reason, token())
    return team


def _examples() -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    by_id = {row["id"]: row for row in rows}
    return [by_id[f"example-{number:03}"] for number in ORDER]


def _pair(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "prompt", "response_1", "response_2")}


def _judged(row: dict[str, Any]) -> Judgment:
    strength = row["preference_strength"]
    verdict = Verdict(
        strength=strength,
        statement=render_statement(strength),
        elaboration=row["preference_elaboration"],
        finish_reason="stop",
    )
    return reconcile(row["id"], {"given": verdict}).model_copy(
        update={
            "probability": 0.5 - 0.15 * strength,
            "consistent": abs(strength) > 1,
            "rewards": {"bt": [-0.4 * strength, 0.5 * strength]},
        }
    )


def _annotate(
    team: Team, clock: Clock, name: str, said: dict[str, Any], place: int, number: int
) -> None:
    """Choose as the examples' annotator of that place did; every fifth time, think again."""
    service, who = team.service, team.people[name]
    (task,) = team.take(name)
    service.annotating.begin(who, task.assignment_id)
    clock.move(seconds=35 + 7 * (number % 5) + 6 * place)
    opinions = said[task.prompt[-1].content[-60:]]
    opinion = opinions[place % len(opinions)]
    sign = 1 if _given(task) else -1
    strength = sign * opinion["strength"]
    if name == "dora" and number == 1:
        strength = -strength  # the task to be adjudicated
    first = -1 if number % 5 == 4 and strength > 0 else strength
    reason = "It does what was asked for."
    service.annotating.choose(
        who, task.assignment_id, Choice(strength=first, justification=reason), token()
    )
    service.annotating.reveal(who, task.assignment_id)
    right = "wrong" if number == 1 and name == "dora" else "partly_right" if place else "right"
    final = Final(strength=strength, explanation=right, words="edited", elaboration=reason)
    service.annotating.complete(who, task.assignment_id, final, token())


def _given(task: TaskView) -> bool:
    return any(task.response_1 == row["response_1"] for row in _examples())


@dataclass(frozen=True)
class Scene:
    """A page as someone sees it, and what is done there first."""

    person: str | None
    path: str
    """``{project}`` stands for the project's number."""
    prepare: Callable[[Page], None]


def _wait(selector: str) -> Callable[[Page], None]:
    return lambda page: expect(page.locator(selector).first).to_be_visible()


def _task(page: Page) -> None:
    page.wait_for_selector(".task:not([hidden]) .options", state="visible")
    expect(page.locator(".conversation")).to_contain_text(FIRST)


def _differences(page: Page) -> None:
    _task(page)
    page.keyboard.press("d")
    _wait(".responses mark")(page)


def _revealed(page: Page) -> None:
    _task(page)
    better = page.locator(".responses .panel").nth(1).inner_text()
    page.keyboard.press("6" if "DictReader" in better else "2")
    page.keyboard.press("j")
    page.keyboard.type("It reads quoted fields and adds money up exactly.")
    page.keyboard.press("Control+Enter")
    _wait(".verdict .statement")(page)
    page.keyboard.press("r")


def _marking(page: Page) -> None:
    _task(page)
    page.locator(".responses .text").first.select_text()
    page.keyboard.press("h")
    page.keyboard.press("u")
    _wait(".foot .marked")(page)
    page.keyboard.press("h")
    page.get_by_role("dialog").wait_for()


def _keys(page: Page) -> None:
    _task(page)
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()


def _skip(page: Page) -> None:
    _task(page)
    page.keyboard.press("k")
    page.get_by_role("dialog").wait_for()


def _ask(page: Page) -> None:
    _wait(".bar")(page)
    page.get_by_label("Prompt").fill("Should schools serve breakfast?")
    page.get_by_label("Response 1").fill("Yes: hungry children learn worse, and it costs little.")
    page.get_by_label("Response 2").fill("No.")


def _refused(page: Page) -> None:
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill("a guess")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()


_REVIEW = "/review/{page}?project={{project}}"
TASK = _REVIEW.format(page="")
SCENES: dict[str, Scene] = {
    "sign-in": Scene(None, "/sign-in", _wait("h1")),
    "sign-in-refused": Scene(None, "/sign-in", _refused),
    "projects": Scene("max", "/?all", _wait("h1")),
    "new-project": Scene("max", "/projects/new", _wait("h1")),
    "add-tasks": Scene("max", "/projects/{project}/add", _wait("h1")),
    "password": Scene("max", "/password", _wait("h1")),
    "not-found": Scene("max", "/nowhere", _wait("h1")),
    "task": Scene("ann", TASK, _task),
    "task-differences": Scene("ann", TASK, _differences),
    "marking": Scene("ann", TASK, _marking),
    "keyboard": Scene("ann", TASK, _keys),
    "skip": Scene("ann", TASK, _skip),
    "adjudicate": Scene("ada", _REVIEW.format(page="adjudicate"), _wait(".opinion")),
    "dashboard": Scene("max", _REVIEW.format(page="dashboard"), _wait(".js-plotly-plot")),
    "tasks": Scene("max", _REVIEW.format(page="tasks"), _wait("text=16 tasks.")),
    "manage": Scene("max", _REVIEW.format(page="manage"), _wait("text=Take away")),
    "ask": Scene("max", _REVIEW.format(page="ask"), _ask),
    # Changes the task, so it comes last.
    "task-revealed": Scene("ann", TASK, _revealed),
}


def main(folder: Path) -> None:
    """Write a picture of every scene in every look."""
    from tempfile import TemporaryDirectory

    from playwright.sync_api import sync_playwright

    from app.live import LiveJudge
    from app.main import create_app
    from app.options import Options
    from app.store.database import Store
    from app.web.session import COOKIE
    from tests.app.e2e.conftest import chromium, serve, stop
    from tests.app.made import quick_hasher

    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for look, options in LOOKS.items():
            clock = Clock()
            url = f"sqlite:///{temporary}/{look}.sqlite"
            service = Service(Store.open(url), clock, quick_hasher())
            team = example_team(service, Path(temporary) / look / "run", clock)
            server, thread, address = serve(
                create_app(service, Options(), LiveJudge("http://127.0.0.1:9"))
            )
            for name, scene in SCENES.items():
                context = browser.new_context(
                    **{"viewport": {"width": 1280, "height": 800}, **options}
                )
                if scene.person is not None:
                    value = service.accounts.sign_in(scene.person, PASSWORD)
                    context.add_cookies([{"name": COOKIE, "value": value, "url": address}])
                page = context.new_page()
                page.goto(address + scene.path.format(project=team.project_id))
                scene.prepare(page)
                page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
                context.close()
            stop(server, thread)
            service.close()
        browser.close()


if __name__ == "__main__":
    import sys

    main(Path(sys.argv[1]))
