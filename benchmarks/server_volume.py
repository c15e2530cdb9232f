"""`judge batch --engine server` at volume: pairs a second, peak memory, time to resume.

    python benchmarks/server_volume.py [--rows 1000000] [--judged N] [--folder DIR] [--mode verdict]
        [--orders both]

Short generated pairs (a question, two answers of a few words) go through `judge batch` against the
scripted server of `tests/fault_server.py`, both processes on this machine, in both orders or the
given one. The run is stopped by `--limit` a thousand rows before the end and started again: the
time until it says where it goes on is the resume time, imports and the look at the server included.
Afterwards every line is checked: the ids are those of the input, in order, none missing, none
twice. Peak memory is the larger resident set of the two `judge` processes. A million rows need
about 1.5 GB of disk.

With --judged the first start judges so many rows only, and the lines of the others are made of
theirs under other ids: for a machine where judging a million would take hours. The second start,
the check and the page of the run then see a million rows all the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
REST = 1000
"""Rows that the second start judges."""


_WATCH = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
"""Runs a command and tells its peak memory: a child's starts at that of whoever forked it, so this
small process stands between."""


@dataclass
class Done:
    """What one `judge` process took."""

    seconds: float
    going_on: float | None
    """Seconds until it said where it goes on; None when it began anew."""
    memory: float
    """Peak megabytes."""


def pair(number: int) -> dict[str, str]:
    return {
        "pair_id": f"pair-{number:07}",
        "prompt": f"What is {number} plus {number % 97}?",
        "response_1": f"It is {number + number % 97}.",
        "response_2": f"About {number}, I would say, or a little more.",
    }


def write_pairs(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            file.write(json.dumps(pair(number)) + "\n")


def judge(source: Path, out: Path, url: str, mode: str, *options: str) -> Done:
    """Run `judge batch` in a process of its own."""
    command = [
        *(sys.executable, "-c", _WATCH),
        *(sys.executable, "-m", "judge.cli", "batch", str(source), "--out", str(out)),
        *("--engine", "server", "--url", url, "--model", "judge", "--tokenizer", "mini"),
        *("--mode", mode, *options),
    ]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stderr is not None
    going_on, peak = None, 0
    for line in process.stderr:
        if line.startswith("peak "):
            peak = int(line.split()[1])
            continue
        print(f"  {line.rstrip()}", file=sys.stderr, flush=True)
        if line.startswith("going on after"):
            going_on = time.perf_counter() - started
    if process.wait():
        raise SystemExit("judge batch failed")
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return Done(time.perf_counter() - started, going_on, peak / scale)


def check(out: Path, rows: int) -> None:
    """Stop unless the run folder holds every row once, in order, and no failure."""
    expected = 0
    with (out / "judgments.jsonl").open(encoding="utf-8") as file:
        for line in file:
            found = json.loads(line)
            if found["pair_id"] != f"pair-{expected:07}" or found["probability"] is None:
                raise SystemExit(f"line {expected + 1} holds {found['pair_id']}")
            expected += 1
    if expected != rows or (out / "failures.jsonl").stat().st_size:
        raise SystemExit(f"{expected} judgments of {rows}, or failures beside them")


@dataclass
class Measured:
    """What a run and its second start took."""

    pairs_per_second: float
    seconds: float
    memory: float
    """Peak megabytes of a `judge` process."""
    going_on: float
    """Seconds from the second start until it said where it goes on."""
    size: float
    """Megabytes of the run folder."""


def copy_lines(out: Path, judged: int, rows: int) -> None:
    """Lengthen the judgments of a run folder to ``rows`` lines, by those that it has."""
    file = out / "judgments.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    with file.open("ab") as longer:
        for number in range(judged, rows):
            own, other = (f'"pair-{n:07}"'.encode() for n in (number, number % judged))
            longer.write(lines[number % judged].replace(other, own, 1))


@contextmanager
def scripted_server() -> Iterator[str]:
    """Run the scripted server in a process of its own; give its address."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fault_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert server.stdout is not None and server.stdin is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait()


def measure(
    rows: int, folder: Path, mode: str, judged: int | None = None, orders: str = "both"
) -> Measured:
    """Judge ``rows`` pairs in two starts, check every line, and return what it took.

    Args:
        judged: rows that the first start judges; None: all but :data:`REST`.
    """
    source, out = folder / "pairs.jsonl", folder / "run"
    first = rows - REST if judged is None else judged
    write_pairs(source, rows)
    with scripted_server() as url:
        asked = ("--orders", orders)
        whole = judge(source, out, url, mode, *asked, "--limit", str(first))
        copy_lines(out, first, rows - REST)
        rest = judge(source, out, url, mode, *asked)
    check(out, rows)
    assert rest.going_on is not None
    return Measured(
        pairs_per_second=first / whole.seconds,
        seconds=whole.seconds,
        memory=max(whole.memory, rest.memory),
        going_on=rest.going_on,
        size=sum(file.stat().st_size for file in out.iterdir()) / 1e6,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--judged", type=int, help="rows that the first start judges")
    parser.add_argument("--folder", help="where the files go (default: the temporary folder)")
    parser.add_argument("--mode", choices=("verdict", "justify"), default="verdict")
    parser.add_argument("--orders", choices=("both", "given"), default="both")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = measure(
            arguments.rows, Path(folder), arguments.mode, arguments.judged, arguments.orders
        )
    print("| rows | judged | seconds | pairs/s | peak memory | ready to go on after | run folder |")
    print("|---|---|---|---|---|---|---|")
    judged = arguments.judged or arguments.rows
    print(
        f"| {arguments.rows:,} | {judged:,} | {found.seconds:.0f} | {found.pairs_per_second:,.0f} "
        f"| {found.memory:.0f} MB | {found.going_on:.1f} s | {found.size:,.0f} MB |"
    )


if __name__ == "__main__":
    main()
