"""What is being written survives a reload, a new sign-in and the death of the server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.service import Service
from app.store.database import Store
from tests.app.e2e.conftest import Site, press, ready, revealed, shown
from tests.app.made import Clock, Team, quick_hasher

SERVERS = """
import os, sys, uvicorn
from app.main import create_app
from app.options import Options
from app.service import Service
for _ in sys.stdin:
    server = os.fork()
    if not server:
        app = create_app(Service.open(sys.argv[1]), Options())
        uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
        os._exit(0)
    print(server, flush=True)
    os.waitpid(server, 0)
    print("gone", flush=True)
"""
"""Starts a server with each line that it reads, one after another: a process of its own, in which
Gradio need not be imported anew."""


class Killed:
    """A server in a process of its own, to be killed and started again on the same port."""

    def __init__(self, url: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        command = [sys.executable, "-c", SERVERS, url, str(self.port)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.servers = subprocess.Popen(command, cwd=Path(__file__).parents[3], text=True, **pipes)
        self.start()

    def start(self) -> None:
        assert self.servers.stdin and self.servers.stdout
        self.servers.stdin.write("start\n")
        self.servers.stdin.flush()
        self.process = int(self.servers.stdout.readline())
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5)
                return
            except OSError:
                os.kill(self.process, 0)  # it is still there
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        assert self.servers.stdout
        os.kill(self.process, signal.SIGKILL)
        assert self.servers.stdout.readline() == "gone\n"

    def close(self) -> None:
        """Kill the server, and what starts it."""
        self.kill()
        self.servers.communicate()


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[tuple[Killed, Site]]:
    """A server process to kill, and its project."""
    url = f"sqlite:///{tmp_path}/review.sqlite"
    clock = Clock()
    service = Service(Store.open(url), hasher=quick_hasher())
    team = Team.made(service, tmp_path / "run")
    server = Killed(url)
    yield server, Site(team, clock, f"http://127.0.0.1:{server.port}")
    server.close()
    service.close()


def draft_of(site: Site) -> str | None:
    task = site.team.take("ann")[0]
    return task.draft.justification if task.draft else None


@pytest.mark.slow
def test_the_server_is_killed_in_the_middle_of_a_sentence(
    killed: tuple[Killed, Site], open_page: Callable[..., Page]
) -> None:
    server, site = killed
    page = open_page(site, "ann")
    ready(page)
    texts = shown(page)
    press(page, "5", "j")
    page.keyboard.type("This half is saved,")
    for _ in range(600):
        if draft_of(site) == "This half is saved,":
            break
        page.wait_for_timeout(100)
    assert draft_of(site) == "This half is saved,"
    page.keyboard.type(" this one is typed")
    server.kill()
    page.keyboard.type(" while nobody listens")
    expect(page.locator(".status")).to_contain_text("Not saved")
    server.start()
    expect(page.locator(".status")).to_contain_text("Draft saved")
    whole = "This half is saved, this one is typed while nobody listens"
    assert draft_of(site) == whole
    page.reload()
    ready(page)
    assert shown(page) == texts
    expect(page.get_by_label("Your reason")).to_have_value(whole)
    expect(page.locator("input[value='2']")).to_be_checked()
    # The session is still good, and a decision taken while the server is away arrives once.
    server.kill()
    press(page, "Escape", "Enter")
    expect(page.locator(".status")).to_contain_text("no connection")
    server.start()
    revealed(page)
    service, who = site.service, site.team.people["ann"]
    done = [line for line in service.annotating.mine(who, 1) if line.state == "chosen"]
    assert len(done) == 1


def test_a_draft_is_on_the_server_within_two_seconds_while_typing_goes_on(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    # By a clock that stands still unless it is moved: a busy machine must not make the page late.
    page.clock.install()
    page.clock.pause_at(time.time() + 60)
    press(page, "j")
    written = ""
    for _ in range(20):
        page.keyboard.type("word ")
        written += "word "
        page.clock.run_for(100)
    # Two seconds, in which typing never paused for as long as the page waits.
    for _ in range(600):
        if stored := draft_of(site):
            break
        page.wait_for_timeout(100)
    assert stored and written.startswith(stored)


def test_a_draft_is_there_after_another_sign_in_elsewhere(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    texts = shown(page)
    press(page, "6", "j")
    page.keyboard.type("Begun at home")
    expect(page.locator(".status")).to_contain_text("Draft saved")
    other = open_page(site, "ann")
    ready(other)
    assert shown(other) == texts
    expect(other.get_by_label("Your reason")).to_have_value("Begun at home")
    expect(other.locator("input[value='3']")).to_be_checked()
    expect(other.locator(".status")).to_contain_text("Draft restored")


def test_what_is_written_after_the_reveal_is_kept_too(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    press(page, "3", "Enter")
    revealed(page)
    press(page, "5", "p", "j", "Control+a")
    page.keyboard.type("On second thoughts")
    expect(page.locator(".status")).to_contain_text("Draft saved")
    page.reload()
    ready(page)
    revealed(page)
    expect(page.get_by_label("Why, as it will be kept")).to_have_value("On second thoughts")
    expect(page.get_by_role("radio", name="Partly")).to_be_checked()
    expect(page.get_by_role("radio", name="Edit")).to_be_checked()
    expect(page.locator("input[value='2']")).to_be_checked()
    expect(page.locator(".options label", has_text="first")).to_contain_text("lightly better")


def test_what_the_server_never_got_is_there_in_another_window(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    page.context.set_offline(True)
    press(page, "2", "j")
    page.keyboard.type("Nobody heard this")
    expect(page.locator(".status")).to_contain_text("Not saved")
    page.close()
    assert draft_of(site) is None
    page.context.set_offline(False)
    other = page.context.new_page()
    other.goto(page.url)
    ready(other)
    expect(other.get_by_label("Your reason")).to_have_value("Nobody heard this")
    # Sent by this window, or by the last breath of the other one.
    deadline = time.monotonic() + 60
    while draft_of(site) is None and time.monotonic() < deadline:
        other.wait_for_timeout(50)
    assert draft_of(site) == "Nobody heard this"
    expect(other.locator(".status")).to_contain_text("Draft")
    assert other.evaluate("Object.keys(localStorage).filter(k => k.includes('draft'))") == []


def test_whoever_is_signed_out_keeps_what_stands_on_the_page(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(site, "ann")
    ready(page)
    site.service.accounts.set_active(None, "ann", False)
    press(page, "2", "j")
    page.keyboard.type("Do not lose this")
    expect(page.locator(".status")).to_contain_text("Not saved")
    press(page, "Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("Sign in again in another tab")
    expect(page.get_by_label("Your reason")).to_have_value("Do not lose this")
