"""People who annotate over HTTP, as the script of the task page does, and the server they reach."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from sqlalchemy import func, select

from app.service import Service
from app.store.schema import assignment, event, task
from app.web.session import COOKIE
from tests.app.made import token

Result = TypeVar("Result")

ROOT = Path(__file__).parents[2]
_PAGES = re.compile(r"the pages: (http://\S+)/")
DECIDING = ("choice", "final")


class Server:
    """``judge review`` in a process of its own, without a live judge.

    Args:
        words: the arguments of the command; its port is a free one unless they say otherwise.
    """

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "judge.cli", "review", "--judge", "none", "--port", "0"]
        self._process = subprocess.Popen(
            [*command, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.said = ""
        for line in self._process.stdout:
            self.said += line
            if found := _PAGES.search(line):
                self.url = found[1]
                return
        raise AssertionError(f"the server did not start: {self.said}")

    @property
    def port(self) -> str:
        """The port of its URL."""
        return self.url.rpartition(":")[2]

    def kill(self) -> None:
        """End it without a word (``kill -9``)."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def processor_seconds(self) -> float:
        """Return the processor time that it used so far (Linux)."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(30)


@dataclass
class Ledger:
    """What was sent, what was acknowledged, and how long each answer took."""

    sent: dict[str, str] = field(default_factory=dict)
    """The kind of decision of each press."""
    acknowledged: set[str] = field(default_factory=set)
    waited: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds by kind of request."""
    repeated: int = 0
    """Requests that were sent again because no answer came."""


class Annotator:
    """One person's browser, signed in.

    Args:
        session: the token of a session; None: :meth:`sign_in` begins one.
        patient: whether a request is sent again, the same, until an answer comes.
    """

    def __init__(
        self,
        url: str,
        session: str | None = None,
        ledger: Ledger | None = None,
        patient: bool = False,
    ) -> None:
        cookies = {} if session is None else {COOKIE: session}
        self._http = httpx.AsyncClient(base_url=url, cookies=cookies, timeout=60, trust_env=False)
        self._headers = {"Origin": url}
        self._patient = patient
        self.ledger = ledger or Ledger()

    async def sign_in(self, name: str, password: str) -> None:
        """Begin a session as the form does."""
        form = {"name": name, "password": password}
        answer = await self._http.post("/sign-in", data=form, headers=self._headers)
        assert answer.status_code == 303, answer.text

    async def open(self, project_id: int) -> dict[str, Any]:
        """Open the task page; return what it starts with."""
        self.project_id = project_id
        me = await self._ask("open", "GET", "/api/me")
        self._headers["X-CSRF-Token"] = me["csrf"]
        started = await self._ask("open", "GET", f"/api/projects/{project_id}/annotating")
        self.known = {entry["task"]["assignment_id"]: entry for entry in started["tasks"]}
        self.order: list[int] = started["order"]
        return started

    async def refill(self) -> None:
        """Ask for the tasks that come next."""
        have = [("have", number) for number in self.known]
        path = f"/api/projects/{self.project_id}/tasks"
        work = await self._ask("next", "GET", path, params=have)
        self.known |= {entry["task"]["assignment_id"]: entry for entry in work["tasks"]}
        self.order = work["order"]
        self.known = {number: self.known[number] for number in self.order}

    async def begin(self, number: int) -> None:
        """Say that the task is on the screen."""
        await self._ask("begin", "POST", f"/api/tasks/{number}/begin")

    async def draft(self, number: int, sequence: int, text: str) -> None:
        """Save what stands in the field."""
        body = {"sequence": sequence, "justification": text}
        await self._ask("draft", "PUT", f"/api/tasks/{number}/draft", json=body)

    async def choose(self, number: int, strength: int, reason: str) -> dict[str, Any]:
        """Make the first choice; return the task with what is revealed."""
        choice = {"strength": strength, "justification": reason}
        return await self._press("choice", f"/api/tasks/{number}/choose", {"choice": choice})

    async def complete(self, number: int, strength: int, **final: Any) -> dict[str, Any]:
        """Complete a task after the reveal; an elaboration is edited words, none one's own."""
        words = "edited" if final.get("elaboration") else "own"
        said = {"strength": strength, "explanation": "right", "words": words, **final}
        body = {"final": said}
        return await self._press("final", f"/api/tasks/{number}/complete", body)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _press(self, kind: str, path: str, said: dict[str, Any]) -> dict[str, Any]:
        press = token()
        self.ledger.sent[press] = kind
        answer = await self._ask(kind, "POST", path, json={**said, "token": press})
        self.ledger.acknowledged.add(press)
        return answer

    async def _ask(self, kind: str, method: str, path: str, **body: Any) -> Any:
        began = time.perf_counter()
        while True:
            try:
                answer = await self._http.request(method, path, headers=self._headers, **body)
                break
            except httpx.TransportError:
                if not self._patient:
                    raise
                self.ledger.repeated += 1
                await asyncio.sleep(0.1)
        self.ledger.waited[kind].append(time.perf_counter() - began)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


@dataclass(frozen=True)
class Habits:
    """How a person works; seconds are means, each drawn between half and one and a half of it."""

    read: float
    """Before the first key."""
    write: float
    """Of a reason, with a draft every 1.2 s, as the page saves it."""
    compare: float
    """With the judge's explanation, before completing."""

    @property
    def a_task(self) -> float:
        """Seconds a task takes."""
        return self.read + self.write + self.compare


async def work(person: Annotator, project_id: int, habits: Habits, until: float, seed: int) -> int:
    """Annotate until a moment of ``time.monotonic``, or until nothing is left; return how many
    tasks. Nobody leaves a task half done.

    ``submit to next`` of the ledger is from a completion to the task after the next one, which the
    page loads while the next one is on the screen: longer than what a person waits.
    """
    drawn = random.Random(seed)
    await asyncio.sleep(drawn.random() * habits.a_task)  # nobody comes on the stroke
    await person.open(project_id)
    done = 0
    while person.order and time.monotonic() < until:
        number, strength = person.order[0], drawn.choice((-3, -2, -1, 1, 2, 3))
        text = "Since it says more and says it better"
        await person.begin(number)
        if person.known[number]["task"]["state"] == "open":
            await _think(drawn, habits.read)
            for sequence in range(1, 1 + int(habits.write / 1.2)):
                await _think(drawn, 1.2)
                await person.draft(number, sequence, text[: 8 * sequence])
            answer = await person.choose(number, strength, text)
            assert answer["reveal"] is not None
        await _think(drawn, habits.compare)
        began = time.perf_counter()
        await person.complete(number, strength, elaboration=text)
        await person.refill()
        person.ledger.waited["submit to next"].append(time.perf_counter() - began)
        done += 1
    await person.close()
    return done


def run_people(all_of_them: Coroutine[Any, Any, Result]) -> Result:
    """Run what people do to its end, in a thread: the browser's tests leave this one a loop."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, all_of_them).result()


async def _think(drawn: random.Random, mean: float) -> None:
    if mean:
        await asyncio.sleep(mean * drawn.uniform(0.5, 1.5))


def wrongs(service: Service, ledger: Ledger) -> list[str]:
    """Return what is wrong with the database after the presses of the ledger: decisions lost,
    stored twice or never sent, tasks with more annotations than wanted or a wrong count."""
    with service.store.reading() as tx:
        stored = Counter(tx.scalars(select(event.c.token).where(event.c.kind.in_(DECIDING))).all())
        held = dict(
            tx.execute(
                select(assignment.c.task_id, func.count())
                .where(assignment.c.state.in_(("open", "chosen", "complete")))
                .group_by(assignment.c.task_id)
            ).all()
        )
        places = tx.execute(select(task.c.id, task.c.taken, task.c.wanted)).all()
    found = [f"lost: {press}" for press in ledger.acknowledged - set(stored)]
    found += [f"stored {n} times: {press}" for press, n in stored.items() if n > 1]
    found += [f"never sent: {press}" for press in set(stored) - set(ledger.sent)]
    for number, taken, wanted in places:
        if taken > wanted or held.get(number, 0) != taken:
            found.append(f"task {number}: {held.get(number, 0)} people, {taken} of {wanted} places")
    return found


def sessions(service: Service, project_id: int, people: int) -> list[str]:
    """Make so many annotators; return the token of a session of each."""
    found = []
    for number in range(people):
        name, password = f"annotator {number}", token()
        service.accounts.create(None, name, password)
        service.projects.set_role(None, project_id, name, "annotator")
        found.append(service.accounts.sign_in(name, password))
    return found
