"""The server as ``judge review`` starts it, in a process of its own, reached over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path

import pytest

from app.review.project import Settings
from app.service import Service
from app.store.database import Store
from tests.app.made import judgment, made_run, pair_row, quick_hasher
from tests.app.people import Annotator, Habits, Ledger, Server, run_people, sessions, work, wrongs

HASTE = Habits(read=0.0, write=1.2, compare=0.0)
"""One draft a task."""


@pytest.fixture
def filled(store_url: str, tmp_path: Path) -> Callable[[int], tuple[Service, int]]:
    """Returns the services over a project with so many judged tasks, and its id."""
    service = Service(Store.open(store_url), hasher=quick_hasher())

    def fill(tasks: int) -> tuple[Service, int]:
        project_id = service.projects.create(None, Settings(name="load"))
        rows = [pair_row(n) for n in range(tasks)]
        run = made_run(tmp_path / "run", rows, [judgment(row["pair_id"]) for row in rows])
        service.importing.run(project_id, run)
        return service, project_id

    return fill


async def all_until_nothing_is_left(
    url: str, tokens: Sequence[str], project_id: int, ledger: Ledger, patient: bool = False
) -> list[int]:
    """Have everybody work; who found nothing looks again, for a disagreement wants two more."""
    done: list[int] = []
    while not done or any(done[-len(tokens) :]):
        people = [Annotator(url, one, ledger, patient) for one in tokens]
        done += await asyncio.gather(
            *(work(one, project_id, HASTE, inf, seed) for seed, one in enumerate(people))
        )
    return done


@pytest.mark.slow
def test_twenty_people_until_nothing_is_left(
    filled: Callable[[int], tuple[Service, int]], store_url: str
) -> None:
    service, project_id = filled(16)
    ledger = Ledger()

    async def all_work(url: str) -> list[int]:
        tokens = sessions(service, project_id, 20)
        return await all_until_nothing_is_left(url, tokens, project_id, ledger)

    with Server("--database", store_url) as server:
        done = run_people(all_work(server.url))
    assert wrongs(service, ledger) == []
    progress = service.figures.dashboard(None, project_id).progress
    assert progress.annotations == sum(done) == len(ledger.acknowledged) // 2
    assert progress.annotations == progress.annotations_wanted >= 3 * 16
    assert progress.finished + progress.to_adjudicate == 16
    service.close()


@pytest.mark.slow
def test_kill_9_under_load_loses_nothing_and_repeats_nothing(
    filled: Callable[[int], tuple[Service, int]], store_url: str
) -> None:
    """Whoever gets no answer presses again, with the same token, until the server is back."""
    service, project_id = filled(12)
    ledger = Ledger()

    async def all_work(server: Server) -> Server:
        tokens = sessions(service, project_id, 8)
        at_work = asyncio.create_task(
            all_until_nothing_is_left(server.url, tokens, project_id, ledger, patient=True)
        )
        while len(ledger.acknowledged) < 16:
            await asyncio.sleep(0.01)
        server.kill()
        assert wrongs_of_the_dead(service, ledger) == []
        again = await asyncio.to_thread(Server, "--database", store_url, "--port", server.port)
        await at_work
        return again

    with run_people(all_work(Server("--database", store_url))):
        pass
    assert ledger.repeated > 0
    assert wrongs(service, ledger) == []
    board = service.figures.dashboard(None, project_id)
    assert board.progress.annotations == board.progress.annotations_wanted
    service.close()


def wrongs_of_the_dead(service: Service, ledger: Ledger) -> list[str]:
    """Return what is wrong just after the kill: presses on their way may be stored or not."""
    return [wrong for wrong in wrongs(service, ledger) if "never sent" not in wrong]
