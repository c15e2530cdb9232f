"""The pictures of the guides, made of the real pages: `make screenshots` writes them anew.

A usual run makes them in a temporary folder and looks whether the guides' own are there.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.main import create_app
from app.options import Options
from app.review.project import Person, Settings
from app.review.task import Choice, Final, to_given
from app.service import Service
from app.store import queue
from app.store.database import Store
from judge.judgment import reconcile
from judge.verdict import Verdict, render_statement
from tests.app.e2e.conftest import Site, press, ready, revealed, serve, stop
from tests.app.made import Clock, Team, made_run, quick_hasher, token

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "docs" / "images"
NAMES = ("task", "reveal", "dashboard", "adjudicate", "manage")
MOST_BYTES = 150_000
SIZE = {"width": 1280, "height": 860}
PEOPLE = ("Ana", "Bela", "Chidi", "Dana", "Emre")


def example_rows(count: int) -> list[dict[str, str]]:
    """Return the first of the example pairs."""
    lines = (ROOT / "examples" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:count]]


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Site]:
    """A project of example pairs in which people have worked for a while."""
    clock = Clock()
    service = Service(Store.open(f"sqlite:///{tmp_path}/review.sqlite"), clock, quick_hasher())
    rows = example_rows(12)
    judged = []
    for row in rows:
        strength = int(row["preference_strength"])
        verdict = Verdict(
            strength=strength,
            statement=render_statement(strength),
            elaboration=str(row["preference_elaboration"]),
            finish_reason="stop",
        )
        judged.append(
            reconcile(row["id"], {"given": verdict}).model_copy(
                update={"rewards": {"mini-bt": (-0.5 * strength, 0.25 * strength)}}
            )
        )
    run = made_run(tmp_path / "demo", rows, judged, model="our-judge-70b")
    team = Team(service, service.projects.create(None, Settings(name="Example pairs")))
    service.importing.run(team.project_id, run)
    for name in PEOPLE:
        team.add(name)
    team.add("Ada", "adjudicator")
    team.add("Max", "manager")
    at_work(team, clock, {row["id"]: int(row["preference_strength"]) for row in rows})
    server, thread, url = serve(create_app(service, Options()))
    yield Site(team, clock, url)
    stop(server, thread)
    service.close()


def at_work(team: Team, clock: Clock, right: dict[str, int]) -> None:
    """Have everybody annotate some tasks, each with habits of their own; the same every time."""
    strengths = list(right.values())
    for turn in range(9):
        for place, name in enumerate(PEOPLE[:3] if turn < 7 else PEOPLE):
            who, tasks = team.people[name], team.take(name)
            if not tasks:
                continue
            clock.move(seconds=70 + 13 * place + 7 * turn)
            first = strengths[turn]
            if (turn + place) % 4 == 0:
                first = -1 if first > 0 else 1
            if turn in (2, 5) and place == 1:
                first = -3 if strengths[turn] > 0 else 3
            annotate(
                team, who, tasks[0].assignment_id, first, strengths[turn] if turn % 3 else first
            )


def annotate(team: Team, who: Person, number: int, first: int, final: int) -> None:
    """Choose, look at the judge, complete; strengths as the pair has them."""
    annotating = team.service.annotating
    with team.service.store.reading() as tx:
        held = queue.get(tx, number)
    assert held is not None
    choice = Choice(strength=first, justification="@Response 1 is the more careful of the two.")
    annotating.choose(who, number, to_given(choice, held.shown), token())
    annotating.reveal(who, number)
    said = Final(
        strength=final,
        explanation="right" if first == final else "partly_right",
        words="edited",
        elaboration="It answers what was asked, and nothing in it is made up.",
    )
    annotating.complete(who, number, to_given(said, held.shown), token())


def packed(picture: bytes) -> bytes:
    """Return a PNG with the 128 colours that serve it best: a third of the size."""
    out = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


@pytest.fixture
def shoot(tmp_path: Path) -> Callable[[Page, str], None]:
    """Keeps a picture of what a page shows under a name."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path / "images")
    folder.mkdir(parents=True, exist_ok=True)

    def keep(page: Page, name: str) -> None:
        picture = packed(page.screenshot(animations="disabled", caret="hide"))
        assert 5_000 < len(picture) < MOST_BYTES, f"{name}: {len(picture)} bytes"
        (folder / f"{name}.png").write_bytes(picture)
        shown = Image.open(IMAGES / f"{name}.png") if (IMAGES / f"{name}.png").exists() else None
        assert shown is not None, f"docs/images/{name}.png is missing: make screenshots"
        assert shown.size == (SIZE["width"], SIZE["height"])

    return keep


@pytest.mark.slow
def test_pictures_of_every_page(
    busy: Site, open_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    project = busy.team.project_id
    page = open_page(busy, "Dana", viewport=SIZE)
    ready(page)
    press(page, "6", "j")
    page.keyboard.type("@Response 2 is one sentence, as asked; @Response 1 still has two.")
    expect(page.locator(".status")).to_contain_text("Draft saved")
    shoot(page, "task")
    press(page, "Escape", "Enter")
    revealed(page)
    press(page, "r")
    shoot(page, "reveal")

    page = open_page(busy, "Ada", f"/review/adjudicate?project={project}", viewport=SIZE)
    expect(page.locator(".opinion").first).to_be_visible()
    shoot(page, "adjudicate")
    page.goto(f"{busy.url}/review/dashboard?project={project}")
    expect(page.locator(".js-plotly-plot")).to_have_count(6)
    page.wait_for_timeout(500)
    shoot(page, "dashboard")

    page = open_page(busy, "Max", f"/review/manage?project={project}", viewport=SIZE)
    expect(page.get_by_label("Annotations a task")).to_have_value("3")
    expect(page.get_by_role("gridcell", name="Dana", exact=True)).to_be_visible()
    shoot(page, "manage")
