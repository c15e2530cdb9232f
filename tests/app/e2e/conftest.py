"""A served project, a headless Chromium, and pages of people who are signed in."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    TimeoutError,
    expect,
    sync_playwright,
)

from app.live import LiveJudge
from app.main import create_app
from app.options import Options
from app.service import Service
from app.store.database import Store
from app.web.session import COOKIE
from tests.app.made import PASSWORD, Clock, Team, quick_hasher

PATIENCE = 60_000
"""Milliseconds: only a machine that is busy elsewhere needs more than a second."""
expect.set_options(timeout=PATIENCE)


def chromium() -> str | None:
    """Return where Chromium is; the one without a window of its own takes half the time."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A headless Chromium (scripts/setup_services.sh installs it).

    It goes with the last test of this folder: while Playwright lives, an event loop runs in this
    thread, and no other test could call ``asyncio.run``.
    """
    path = chromium()
    if path is None and not os.environ.get("CI"):
        pytest.skip("Chromium is not installed: scripts/setup_services.sh")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@dataclass
class Site:
    """A project with its people, its clock and the address where its pages are served."""

    team: Team
    clock: Clock
    url: str
    sent: bytearray = field(default_factory=bytearray)
    """Every byte of every response, headers aside."""

    @property
    def service(self) -> Service:
        return self.team.service

    def session(self, name: str) -> str:
        """Return the token of a new session of that person."""
        return self.service.accounts.sign_in(name, PASSWORD)


class Recorder:
    """Keeps the bytes of all responses; nothing is compressed, so a text in them can be found."""

    def __init__(self, app: Any, sent: bytearray) -> None:
        self.app = app
        self.sent = sent

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]

        async def recording(message: Any) -> None:
            self.sent.extend(message.get("body", b""))
            await send(message)

        await self.app({**scope, "headers": kept}, receive, recording)


def serve(app: Any) -> tuple[uvicorn.Server, threading.Thread, str]:
    """Serve an application on a free port, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    return server, thread, f"http://127.0.0.1:{listener.getsockname()[1]}"


def stop(server: uvicorn.Server, thread: threading.Thread, seconds: float = 30) -> None:
    """Stop a server without waiting for the streams that pages have left open."""
    server.should_exit = server.force_exit = True
    thread.join(seconds)


class Current:
    """Stands for the services of the test that runs, so that one server can serve all tests."""

    service: Service

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service, name)


@dataclass
class Shared:
    """The server of all tests that want no other options than usual."""

    current: Current
    sent: bytearray
    url: str


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Shared]:
    """One server for the session: building Gradio's pages takes a second."""
    current, sent = Current(), bytearray()
    app = create_app(cast(Service, current), Options(), None)
    server, thread, url = serve(Recorder(app, sent))
    yield Shared(current, sent, url)
    stop(server, thread, 1)  # the last act of the process, with which the thread ends


@pytest.fixture
def new_site(
    tmp_path: Path, shared_server: Shared, sqlite_tables: Path
) -> Iterator[Callable[..., Site]]:
    """Returns a served project; keywords are its settings, ``pairs`` how many tasks it has.

    ``own_server``: what is kept in a server's memory must not come from another test. ``team``
    fills the database instead. ``url``: of a database with its tables; else a SQLite file.
    """
    running: list[tuple[uvicorn.Server, threading.Thread]] = []
    services: list[Service] = []

    def make(
        pairs: int = 6,
        options: Options | None = None,
        judge: LiveJudge | None = None,
        own_server: bool = False,
        team: Callable[[Service, Path, Clock], Team] | None = None,
        url: str | None = None,
        **settings: Any,
    ) -> Site:
        clock = Clock()
        # People's time goes on by itself here; tests move it further.
        started = time.monotonic()
        if url is None:
            shutil.copy(sqlite_tables, tmp_path / "review.sqlite")
        store = Store.open(url or f"sqlite:///{tmp_path}/review.sqlite")
        service = Service(
            store, lambda: clock() + timedelta(seconds=time.monotonic() - started), quick_hasher()
        )
        services.append(service)
        made = (
            team(service, tmp_path / "run", clock)
            if team
            else Team.made(service, tmp_path / "run", pairs, **settings)
        )
        if options is None and judge is None and not own_server:
            shared_server.sent.clear()
            shared_server.current.service = service
            return Site(made, clock, shared_server.url, shared_server.sent)
        sent = bytearray()
        app = create_app(service, options or Options(), judge)
        server, thread, url = serve(Recorder(app, sent))
        running.append((server, thread))
        return Site(made, clock, url, sent)

    yield make
    for server, thread in running:
        stop(server, thread)
    for service in services:
        service.close()


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    """A served project of six judged pairs: blind, three annotations a task."""
    return new_site()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Returns a page of a person who is signed in; fails afterwards where a page broke or asked
    another host for anything."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def make(
        site: Site,
        name: str | None,
        path: str | None = None,
        watched: bool = True,
        **context: Any,
    ) -> Page:
        options = {"viewport": {"width": 1280, "height": 800}, **context}
        made = browser.new_context(**options)
        contexts.append(made)
        made.set_default_timeout(PATIENCE)
        page = made.new_page()
        become(page, site, name)
        if watched:
            watch(page, site.url, lambda what: wrong.append(f"{name}: {what}"))
        address = path or f"/review/?project={site.team.project_id}"
        page.goto(site.url + address)
        return page

    yield make
    for made in contexts:
        made.close()
    assert wrong == []


def at(site: Site, page: str) -> str:
    """Return the path of a page of the site's project."""
    return f"/review/{page}?project={site.team.project_id}"


def become(page: Page, site: Site, name: str | None) -> None:
    """Have a window's next requests be those of this person, or of nobody."""
    page.context.clear_cookies()
    if name is not None:
        cookie = {"name": COOKIE, "value": site.session(name), "url": site.url}
        page.context.add_cookies([cookie])  # type: ignore[list-item]


def watch(page: Page, url: str, report: Callable[[str], None]) -> None:
    """Report errors of scripts, requests to other hosts, and what the policy kept from running."""

    def asked(request: Request) -> None:
        if not request.url.startswith((url, "data:", "blob:")):
            report(f"asked {request.url}")

    def said(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            report(message.text)

    page.on("pageerror", lambda error: report(str(error)))
    page.on("request", asked)
    page.on("console", said)


def ready(page: Page) -> None:
    """Wait for a task on the screen."""
    page.wait_for_selector(".task:not([hidden]) .options", state="visible")
    page.wait_for_selector(".responses .text")


def wait_until(page: Page, holds: str, arg: object = None) -> None:
    """Wait until a function of the page's says yes; asked from here, for the page's policy lets
    nothing be evaluated that waits inside it."""
    deadline = time.monotonic() + 60
    while not page.evaluate(holds, arg):
        assert time.monotonic() < deadline, holds
        page.wait_for_timeout(50)


def settled(page: Page) -> None:
    """Wait as a person does between two clicks.

    Gradio's server closes a session's stream with the answer to its last event. An event that is
    sent before the page has heard of it is never answered, and its button does nothing more.
    """
    page.wait_for_timeout(400)


def click_until(shown: Callable[[], bool], *buttons: Locator) -> None:
    """Click buttons of one of Gradio's pages, in turn, until they do something.

    On a busy machine a page shows its buttons before it listens to them, or fills a table anew
    between two clicks.
    """
    settled(buttons[0].page)
    deadline = time.monotonic() + 60
    while not shown():
        assert time.monotonic() < deadline, "the button does nothing"
        for button in buttons:
            button.click()
            settled(button.page)
        again = min(deadline, time.monotonic() + 5)
        while not shown() and time.monotonic() < again:
            buttons[0].page.wait_for_timeout(50)


def press(page: Page, *keys: str) -> None:
    """Press keys one after another."""
    for key in keys:
        page.keyboard.press(key)


def revealed(page: Page) -> None:
    """Wait for what the judge said."""
    try:
        page.wait_for_selector(".verdict .statement", state="visible")
    except TimeoutError:
        shown = page.locator(".problem, .status, dialog").all_inner_texts()
        raise AssertionError(f"nothing is revealed; the page says {shown}") from None


def shown(page: Page) -> tuple[str, str]:
    """Return the texts of both responses on the screen."""
    texts = page.locator(".responses .text").all_inner_texts()
    return texts[0].strip(), texts[1].strip()
