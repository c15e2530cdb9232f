"""Projects made and filled in a browser, and what is refused on the way."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import gettempdir

import httpx
import pytest
from playwright.sync_api import Page, expect

from app.options import Options
from tests.app.e2e.conftest import Site, click_until
from tests.app.e2e.test_guard import client
from tests.app.made import judgment, made_run, pair_row


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [pair_row(n) for n in range(50, 54)]
    return made_run(tmp_path / "more", rows, [judgment(row["pair_id"]) for row in rows])


def test_a_project_is_made_and_filled(
    site: Site, open_page: Callable[..., Page], run: Path
) -> None:
    page = open_page(site, "max", "/?all")
    page.get_by_role("link", name="New project").click()
    page.get_by_label("Name").fill("demo")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("alert")).to_contain_text("a project called 'demo' already")
    page.get_by_label("Name").fill("Fresh")
    page.get_by_label("Annotations a task").fill("2")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("Fresh is made. Now give it tasks.")).to_be_visible()
    missing = page.get_by_role("alert").filter(has_text="Choose files or a folder first.")
    add = page.get_by_role("button", name="Add", exact=True)
    click_until(lambda: missing.count() > 0, add)

    damaged = run.parent / "broken.jsonl"
    damaged.write_text(json.dumps({"prompt": "x"}) + "\n" + json.dumps(pair_row(60)) + "\n")
    page.get_by_label("Files", exact=True).set_input_files(damaged)
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".said")).to_contain_text("1 task added, 1 row refused.")
    expect(page.locator(".said li")).to_contain_text("broken.jsonl, line 1: missing_field")

    page.get_by_label("or a run folder").set_input_files(run)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("the pairs that the run judged, more.jsonl")
    expect(page.locator(".said")).to_be_hidden()
    page.get_by_label("Files", exact=True).set_input_files(run.parent / "more.jsonl")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".said")).to_contain_text("4 tasks added.")
    page.get_by_role("link", name="See the tasks").click()
    expect(page.get_by_text("5 tasks.", exact=True)).to_be_visible()
    project = site.service.projects.find("Fresh")
    assert site.service.projects.settings(project).annotations == 2
    assert site.service.projects.get(site.team.people["max"], project).role == "manager"


@pytest.fixture
def manager(new_site: Callable[..., Site]) -> Iterator[tuple[Site, httpx.Client]]:
    """A site that takes 2 MiB at once, and its manager's connection."""
    site = new_site(options=Options(max_upload=2))
    with client(site, "max", Origin=site.url) as http:
        http.headers["X-CSRF-Token"] = http.get("/api/me").json()["csrf"]
        yield site, http


def test_uploads_over_http(manager: tuple[Site, httpx.Client]) -> None:
    site, http = manager
    path = f"/api/projects/{site.team.project_id}/upload"
    pairs = ("p.jsonl", json.dumps(pair_row(70)).encode())
    good = http.post(path, files={"files": pairs}, data={"content": "tasks"})
    assert good.status_code == 200 and good.json()["said"] == "1 task added."
    for data, files, status in (
        ({"content": "secrets"}, {"files": pairs}, 409),
        ({"content": "gold", "evaluation": "yes"}, {"files": pairs}, 409),
        ({"content": "tasks"}, None, 409),
        ({"content": "tasks"}, {"files": ("p.zip", b"x")}, 409),
        ({"content": "tasks"}, [("files", ("p.csv", b""))] * 201, 400),
        ({"content": "tasks"}, {"files": ("p.jsonl", b"x" * (2 << 20))}, 413),
    ):
        answer = http.post(path, data=data, files=files)
        assert answer.status_code == status and answer.json()["error"], answer.text
    torn = http.post(path, content=b"--x\r\ntorn", headers={"Content-Type": "multipart/form-data"})
    assert torn.status_code == 400
    # No length given: counted as it comes.
    pieces = (b"x" * 65536 for _ in range(40))
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert http.post(path, content=pieces, headers=kind).status_code in (400, 413)
    # Only uploads may be so large.
    assert http.post("/projects/new", content=b"x" * (1 << 20 | 1)).status_code == 413
    for token in ("", "x"):
        answer = http.post(path, files={"files": pairs}, headers={"X-CSRF-Token": token})
        assert answer.status_code == 403
    assert http.post("/projects/new", data={"name": "new", "csrf": "x"}).status_code == 403
    assert site.service.projects.names() == ["demo"]
    for name in ("ann", "ada"):
        with client(site, name, Origin=site.url) as other:
            other.headers["X-CSRF-Token"] = other.get("/api/me").json()["csrf"]
            assert other.post(path, files={"files": pairs}).status_code == 403
            assert other.get("/projects/new").status_code == 403
            assert other.get(f"/projects/{site.team.project_id}/add").status_code == 403


def test_half_an_upload_leaves_nothing(manager: tuple[Site, httpx.Client]) -> None:
    site, http = manager
    before = len(site.service.projects.sources(None, site.team.project_id))
    host, port = site.url.removeprefix("http://").split(":")
    head = (
        f"POST /api/projects/{site.team.project_id}/upload HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Origin: {site.url}\r\nX-CSRF-Token: {http.headers['X-CSRF-Token']}\r\n"
        f"Cookie: review_session={http.cookies['review_session']}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1900000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="files"; filename="p.jsonl"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + json.dumps(pair_row(80)).encode() + b"\n" * 1_500_000)
        time.sleep(0.3)
    time.sleep(0.3)
    assert http.get("/health").status_code == 200
    assert len(site.service.projects.sources(None, site.team.project_id)) == before
    assert list(Path(gettempdir()).glob("review-upload-*")) == []


def test_a_link_is_no_page_for_robots_and_none_for_the_curious(site: Site) -> None:
    token = site.service.inviting.invite(None, site.team.project_id, "<b>zoe", "annotator")
    with client(site, Origin=site.url) as http:
        for _ in range(2):
            page = http.get(f"/invite/{token}")
            assert page.status_code == 200 and "<b>zoe" not in page.text and "demo" in page.text
            assert page.headers["cache-control"] == "no-store"
        form = {"new": "a long password", "again": "a long password"}
        foreign = http.post(
            f"/invite/{token}", data=form, headers={"Origin": "http://evil.example"}
        )
        assert foreign.status_code == 403
        assert http.post(f"/invite/{token}", data={"new": "x", "again": "x"}).status_code == 403
        assert http.get(f"/invite/{'x' * 43}").status_code == 404
        assert http.get("/invite/short").status_code == 401
        done = http.post(f"/invite/{token}", data=form)
        assert done.status_code == 303 and "HttpOnly" in done.headers["set-cookie"]
        assert http.get("/api/me").json()["name"] == "<b>zoe"
        assert http.post(f"/invite/{token}", data=form).status_code == 404
