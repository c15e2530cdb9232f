"""How long an annotator waits for the service: `python benchmarks/review_service.py --people 50`.

Threads stand for people who read, save drafts, choose, look at the judge and complete. Printed is
how long a draft takes, and a final annotation until the next task is there, for SQLite and, where
it is installed, PostgreSQL; both on the disk, both synced. Pages and network come on top.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

sys.path.insert(0, str(Path(__file__).parent.parent))

from app.review.project import Person, Settings
from app.review.task import Choice, Draft, Final
from app.service import Service
from app.store.database import Store
from tests.app import postgres
from tests.app.made import judgment, made_run, pair_row, quick_hasher, token

WORDS = 300
"""Of each response."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--think", type=float, default=25.0, help="Seconds a task, on average.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tasks", type=int, default=5000)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        measure("sqlite", f"sqlite:///{folder}/review.sqlite", asked)
    with postgres.server(sync=True) if postgres.binaries() else nullcontext() as url:
        if url is not None:
            measure("postgresql", url, asked)


def measure(name: str, url: str, asked: argparse.Namespace) -> None:
    """Fill a project, let everybody work, print what they waited."""
    service = Service(Store.open(url), hasher=quick_hasher())
    project_id = service.projects.create(None, Settings(name="load"))
    text = " word" * WORDS
    rows = [
        pair_row(n, response_1=f"{n}{text}", response_2=f"{n + 1}{text}")
        for n in range(asked.tasks)
    ]
    with TemporaryDirectory() as folder:
        run = made_run(Path(folder) / "run", rows, [judgment(row["pair_id"]) for row in rows])
        service.importing.run(project_id, run)
    waited: defaultdict[str, list[float]] = defaultdict(list)
    people = []
    for n in range(asked.people):
        account_id = service.accounts.create(None, f"p{n}")
        service.projects.set_role(None, project_id, f"p{n}", "annotator")
        people.append(Person(account_id=account_id, name=f"p{n}"))
    end = time.monotonic() + asked.seconds
    threads = [
        Thread(target=work, args=(service, project_id, who, asked.think, end, waited))
        for who in people
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for what, times in waited.items():
        times.sort()
        shown = "  ".join(f"p{q} {1e3 * times[len(times) * q // 100]:6.1f}" for q in (50, 95, 99))
        print(f"{name:10}  {asked.people} people  {what:14}  {shown} ms  n={len(times)}")
    service.close()


def work(
    service: Service,
    project_id: int,
    who: Person,
    think: float,
    end: float,
    waited: defaultdict[str, list[float]],
) -> None:
    """Annotate until the end."""
    drawn = random.Random(who.account_id)
    annotating = service.annotating
    time.sleep(drawn.random() * think)
    while time.monotonic() < end:
        task = annotating.take(who, project_id, 2)[0]
        number = task.assignment_id
        annotating.begin(who, number)
        for sequence in range(2):
            time.sleep(think * drawn.uniform(0.5, 1.5) / 4)
            before = time.perf_counter()
            annotating.save_draft(who, number, Draft(sequence=sequence, justification="Since"))
            waited["draft"].append(time.perf_counter() - before)
        if task.state == "open":
            annotating.choose(who, number, Choice(strength=1, justification="Since."), token())
        annotating.reveal(who, number)
        time.sleep(think * drawn.uniform(0.5, 1.5) / 2)
        before = time.perf_counter()
        final = Final(strength=1, explanation="right", elaboration="Since.")
        annotating.complete(who, number, final, token())
        annotating.take(who, project_id, 2)
        waited["submit to next"].append(time.perf_counter() - before)


if __name__ == "__main__":
    main()
