"""The whole review server under simulated annotators: `python benchmarks/review_load.py`.

`judge review` runs in a process of its own, over an SQLite file on the disk or a PostgreSQL that
syncs; people reach it over the loopback as the script of the task page does: begin, drafts every
1.2 s while they write, choose, compare with the judge, complete, ask for the task after the next.
"submit" is from a completion to its answer, when the page shows the next task, which it has
already; "submit to next" goes on until the one after it has come as well. Afterwards the database
is checked: no acknowledged decision is missing or there twice, no task has too many annotations.

The bar: with 50 people "submit to next" is under 300 ms at the 95th percentile. The exit status is
1 where it is missed or something is wrong in the database. It takes --seconds for each number of
people and database, and a minute to fill them; the people's side uses the same processor.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent.parent))

from app.review.project import Settings
from app.service import Service
from app.store.database import Store
from tests.app import postgres
from tests.app.made import judgment, made_run, pair_row, quick_hasher
from tests.app.people import Annotator, Habits, Ledger, Server, sessions, work, wrongs

BAR_PEOPLE, BAR_SECONDS = 50, 0.3
WORDS = 300
"""Of each response."""
SHOWN = ("draft", "choice", "final", "submit to next")
"""What is printed; ``final`` is "submit"."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--read", type=float, default=8.0, help="Seconds before the first key.")
    parser.add_argument("--write", type=float, default=9.6, help="Seconds of writing.")
    parser.add_argument("--compare", type=float, default=7.4, help="Seconds with the judge.")
    parser.add_argument("--tasks", type=int, default=3000)
    asked = parser.parse_args()
    habits = Habits(read=asked.read, write=asked.write, compare=asked.compare)
    print(f"{habits.a_task:.0f} s a task; load of the machine {os.getloadavg()[0]:.1f}")
    good = True
    for people in asked.people:
        with TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/review.sqlite"
            good &= measure("sqlite", url, people, asked.seconds, habits, asked.tasks)
        with postgres.server(sync=True) if postgres.binaries() else nullcontext() as url:
            if url is not None:
                good &= measure("postgresql", url, people, asked.seconds, habits, asked.tasks)
    return 0 if good else 1


def measure(name: str, url: str, people: int, seconds: float, habits: Habits, tasks: int) -> bool:
    """Fill a project, let everybody work, print what they waited; return whether all is well."""
    service = Service(Store.open(url), hasher=quick_hasher())
    project_id = fill(service, tasks)
    ledger = Ledger()
    with Server("--database", url) as server:
        tokens = sessions(service, project_id, people)
        before, began = server.processor_seconds(), time.monotonic()
        done = asyncio.run(all_work(server.url, tokens, project_id, habits, seconds, ledger))
        took = time.monotonic() - began
        used = (server.processor_seconds() - before) / took
    wrong = wrongs(service, ledger)
    service.close()
    head = f"{name:10}  {people:3} people"
    print(
        f"{head}  {sum(done)} tasks in {took:.0f} s, {used:.0%} of a core for the server,"
        f" {len(ledger.acknowledged):,} decisions, {len(wrong)} wrong"
    )
    for line in wrong[:5]:
        print(f"{head}  {line}")
    for what in SHOWN:
        times = sorted(ledger.waited[what])
        shown = "  ".join(f"p{q} {1e3 * percentile(times, q):6.1f}" for q in (50, 95, 99))
        print(f"{head}  {what:14}  {shown} ms  n={len(times)}")
    slow = percentile(sorted(ledger.waited["submit to next"]), 95) >= BAR_SECONDS
    return not wrong and not (slow and people <= BAR_PEOPLE)


def fill(service: Service, tasks: int) -> int:
    """Make a project of judged tasks; return its id."""
    project_id = service.projects.create(None, Settings(name="load"))
    text = " word" * WORDS
    rows = [pair_row(n, response_1=f"{n}{text}", response_2=f"{n + 1}{text}") for n in range(tasks)]
    with TemporaryDirectory() as folder:
        run = made_run(Path(folder) / "run", rows, [judgment(row["pair_id"]) for row in rows])
        service.importing.run(project_id, run)
    return project_id


async def all_work(
    url: str,
    tokens: Sequence[str],
    project_id: int,
    habits: Habits,
    seconds: float,
    ledger: Ledger,
) -> list[int]:
    """Let everybody work at the same time; return how many tasks each completed."""
    until = time.monotonic() + seconds
    people = [Annotator(url, one, ledger) for one in tokens]
    return await asyncio.gather(
        *(work(one, project_id, habits, until, seed) for seed, one in enumerate(people))
    )


def percentile(times: Sequence[float], share: int) -> float:
    """Return the nearest-rank percentile of sorted times."""
    return times[min(len(times) * share // 100, len(times) - 1)]


if __name__ == "__main__":
    sys.exit(main())
