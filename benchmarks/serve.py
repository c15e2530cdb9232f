"""Requests a second and latencies of `judge serve` against `judge batch`, in one run.

    python benchmarks/serve.py [--mode verdict|justify] [--clients 1,8,32] [--requests 160]
        [--repeats 3] [--alone]

A server with the mini judge runs in a process of its own. So many clients, each over one
connection, send one pair after another (the 40 example pairs, round and round); the next is sent
when the last was answered. `judge batch` judges as many pairs from a file; its rate leaves out the
loading. All of it is repeated in turn; the figures are medians. With `--alone` the server judges no
two requests together.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

EXAMPLES = Path(__file__).parent.parent / "examples" / "pairs.jsonl"
JUDGE = [sys.executable, "-m", "judge.cli"]


def some_pairs(count: int) -> list[dict[str, Any]]:
    """Return ``count`` pairs: the examples, round and round."""
    rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    names = ("prompt", "response_1", "response_2")
    return [
        {"pair_id": str(i), **{name: rows[i % len(rows)][name] for name in names}}
        for i in range(count)
    ]


def batch_rate(pairs: list[dict[str, Any]], options: list[str]) -> float:
    """Return the pairs a second of `judge batch`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.jsonl"
        file.write_text("".join(f"{json.dumps(pair)}\n" for pair in pairs), encoding="utf-8")
        command = [*JUDGE, "batch", str(file), "--out", f"{folder}/run", *options]
        subprocess.run(command, check=True, capture_output=True)
        summary = json.loads((Path(folder) / "run" / "summary.json").read_bytes())
    return float(summary["session"]["pairs_per_second"])


@contextmanager
def server(options: list[str]) -> Iterator[str]:
    """Start a server; yield its address."""
    command = [*JUDGE, "serve", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if found := re.search(r"listening on (\S+)", line):
                break
        else:
            raise SystemExit("the server did not start")
        # Whoever writes must be read, or a full pipe holds it up.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(process.stderr.read)
            try:
                yield found[1]
            finally:
                process.terminate()


def calls_of(address: str) -> tuple[float, float]:
    """Return how many calls of the engine there were, and of how many pairs."""
    text = httpx2.get(f"{address}/metrics").text
    count, pairs = (
        float(re.search(rf"^judge_call_pairs_{name} (\S+)$", text, re.M)[1])  # type: ignore[index]
        for name in ("count", "sum")
    )
    return count, pairs


def load(address: str, pairs: list[dict[str, Any]], clients: int) -> dict[str, Any]:
    """Send the pairs by so many clients; return the rate and the latencies."""
    calls = calls_of(address)

    def client(number: int) -> list[float]:
        seconds = []
        with httpx2.Client(timeout=600) as http:
            for pair in pairs[number::clients]:
                started = time.perf_counter()
                http.post(f"{address}/v1/judge", json=pair).raise_for_status()
                seconds.append(time.perf_counter() - started)
        return seconds

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        seconds = [s for of_client in pool.map(client, range(clients)) for s in of_client]
    whole = time.perf_counter() - started
    made, judged = (after - before for after, before in zip(calls_of(address), calls, strict=True))
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    return {
        "clients": clients,
        "requests_per_second": round(len(pairs) / whole, 2),
        "p50_seconds": round(cuts[9], 3),
        "p95_seconds": round(cuts[18], 3),
        "pairs_per_call": round(judged / made, 1),
    }


def main() -> None:
    """Print the rate of `judge batch`, then a line a number of clients."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mode", choices=("verdict", "justify"), default="verdict")
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--requests", type=int, default=160)
    parser.add_argument("--max-new-tokens", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    asked = [
        "--model",
        "mini",
        "--mode",
        options.mode,
        "--max-new-tokens",
        str(options.max_new_tokens),
    ]
    pairs = some_pairs(options.requests)
    clients = [int(number) for number in options.clients.split(",")]
    rates, rows = [], []
    with server([*asked, *(["--alone"] if options.alone else [])]) as address:
        load(address, pairs[:8], 4)  # warm-up, and the constraint's compilation
        for _ in range(options.repeats):
            rates.append(batch_rate(pairs, asked))
            rows.append([load(address, pairs, number) for number in clients])
    batch = statistics.median(rates)
    print(
        json.dumps({"mode": options.mode, "alone": options.alone, "batch_pairs_per_second": batch})
    )
    for of_clients in zip(*rows, strict=True):
        names = of_clients[0].keys()
        median = {name: statistics.median(row[name] for row in of_clients) for name in names}
        share = round(median["requests_per_second"] / batch, 2)
        print(json.dumps({**median, "of_batch": share}))


if __name__ == "__main__":
    main()
