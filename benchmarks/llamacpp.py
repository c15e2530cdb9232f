"""Pairs a second of the transformers engine and of llama.cpp's own server, with the same GGUF file.

    python benchmarks/llamacpp.py [--modes verdict,justify] [--pairs 40] [--rounds 5] [--threads 2]
        [--slots 2] [--gguf FILE] [--server llama-server]

The base of the small models is a GGUF file that a package carries: the server runs the file, our
engine the same weights, unpacked. Both judge the same prompts, token by token, in both orders: ours
in this process, the server behind `--engine server` in one of its own, on as many threads. They
take turns, and while one works the other waits; the figures are medians over the rounds, the ratio
is that of each round. Without a cache in memory (`--cache-ram 0`), or the server would remember the
prompts of the round before.

`prefill` is what the server can read at most: each prompt for itself, nothing taken from its slots,
by its own timings; `pairs/s` are then as if reading a pair's two prompts were all there is to do.

`others` is how many cores other processes kept busy meanwhile: seconds with more than 0.6 say
little. Processor seconds, of this process and the server's together, bear it better: `pairs a
processor second` and the second ratio are of those. The server is taken from --server, LLAMA_SERVER
or the PATH; the file from --gguf or the package (`judge models fetch` unpacks it for our engine).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from judge.config import BatchConfig
from judge.errors import RowError
from judge.infer.engines.registry import load_engine
from judge.models.base import BASES
from judge.models.fetch import packed
from judge.pair import Pair, parse_prompt
from judge.prompt import Prompt, load_template
from judge.verdict import Verdict

EXAMPLES = Path(__file__).parent.parent / "examples" / "pairs.jsonl"
CONTEXT = 4096
"""Tokens of a slot."""


@dataclass
class Round:
    """What one way did with all pairs once."""

    seconds: float
    """Its own: of the prefill what the server says."""
    others: float
    """Cores that other processes kept busy."""
    processor: float
    """Processor seconds of this process and of the server's."""
    written: int = 0
    verdicts: Sequence[Verdict | RowError] = ()


def some_pairs(count: int) -> list[Pair]:
    """Return ``count`` pairs: the examples, round and round."""
    rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    return [
        Pair(
            pair_id=str(i),
            prompt=parse_prompt(rows[i % len(rows)]["prompt"]),
            response_1=rows[i % len(rows)]["response_1"],
            response_2=rows[i % len(rows)]["response_2"],
        )
        for i in range(count)
    ]


@contextmanager
def server(command: list[str]) -> Iterator[tuple[str, int]]:
    """Start a server; yield its address and the id of its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--port", str(port)], **silent) as process:  # type: ignore[call-overload]
        try:
            while not answers(address):
                if process.poll() is not None:
                    raise SystemExit(f"{command[0]} ended with {process.returncode}")
                time.sleep(0.2)
            yield address, process.pid
        finally:
            process.terminate()


def answers(address: str) -> bool:
    """Say whether the server has loaded its model."""
    try:
        return httpx2.get(f"{address}/health", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def busy(pids: Sequence[int]) -> tuple[float, float]:
    """Return the processor seconds of the whole machine so far, and those of the processes."""
    ticks = os.sysconf("SC_CLK_TCK")
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    own = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own += int(fields[11]) + int(fields[12])
    return (int(user) + int(nice) + int(system)) / ticks, own / ticks


def timed(work: Callable[[], Any], pids: Sequence[int]) -> tuple[Any, float, float, float]:
    """Return what ``work`` gives, its seconds, the cores of others, and its processor seconds."""
    before, started = busy(pids), time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    whole, own = (after - was for after, was in zip(busy(pids), before, strict=True))
    return result, seconds, max(0.0, whole - own) / seconds, own


def judged(engine: Any, prompts: list[Prompt], mode: Any, pids: Sequence[int]) -> Round:
    """Let an engine judge all prompts once."""
    before = engine.counts.completion_tokens
    verdicts, seconds, others, own = timed(lambda: engine.judge(prompts, mode), pids)
    failed = sum(isinstance(verdict, RowError) for verdict in verdicts)
    if failed:
        raise SystemExit(f"{failed} of {len(prompts)} prompts failed: {verdicts}")
    return Round(seconds, others, own, engine.counts.completion_tokens - before, verdicts)


def prefill(address: str, prompts: list[Prompt], pids: Sequence[int]) -> Round:
    """Let the server read every prompt anew."""

    def work() -> float:
        seconds = 0.0
        with httpx2.Client(timeout=600) as http:
            for prompt in prompts:
                body = {"prompt": prompt.ids, "n_predict": 1, "cache_prompt": False}
                timings = http.post(f"{address}/completion", json=body).json()["timings"]
                assert timings["prompt_n"] == len(prompt.ids)
                seconds += timings["prompt_ms"] / 1000
        return seconds

    seconds, _, others, own = timed(work, pids)
    return Round(seconds, others, own)


def same_preferences(ours: Round, theirs: Round) -> int:
    """Return how many prompts have the same response preferred."""
    pairs = zip(ours.verdicts, theirs.verdicts, strict=True)
    return sum(
        (one.strength > 0) == (other.strength > 0)
        for one, other in pairs
        if isinstance(one, Verdict) and isinstance(other, Verdict)
    )


def line(name: str, rounds: list[Round], pairs: int, tokens: int) -> str:
    """Return a row of the table."""
    seconds = statistics.median(r.seconds for r in rounds)
    written = statistics.median(r.written for r in rounds)
    others = max(r.others for r in rounds)
    own = statistics.median(r.processor for r in rounds)
    return (
        f"| {name} | {pairs / seconds:.2f} | {tokens / seconds:,.0f} | {written:,.0f}"
        f" | {pairs / own:.2f} | {others:.2f} |"
    )


def ratios(ours: list[Round], theirs: list[Round]) -> str:
    """Return the medians of the rounds' ratios of rates, and their extremes."""
    said = []
    for name in ("seconds", "processor"):
        found = sorted(
            getattr(b, name) / getattr(a, name) for a, b in zip(ours, theirs, strict=True)
        )
        said.append(f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})")
    return f"{said[0]} by time, {said[1]} by processor seconds"


def compare(
    options: argparse.Namespace, mode: str, engines: tuple[Any, Any], address: str, pid: int
) -> None:
    """Run all ways in turn in one mode, and print the table."""
    pairs = some_pairs(options.pairs)
    both = [p for pair in pairs for p in (pair, pair.flipped())]
    ours, theirs = (e.bound(load_template(options.template)).builder.build(both) for e in engines)
    assert [p.ids for p in ours] == [p.ids for p in theirs]
    tokens = sum(len(prompt.ids) for prompt in ours)
    pids = (os.getpid(), pid)
    for engine in engines:  # warm-up, and the constraint's compilation
        engine.judge(ours[:4], mode)
    rows: dict[str, list[Round]] = {"ours": [], "llama.cpp": [], "prefill": []}
    for _ in range(options.rounds):
        rows["ours"].append(judged(engines[0], ours, mode, pids))
        rows["llama.cpp"].append(judged(engines[1], ours, mode, pids))
        if mode == "verdict":
            rows["prefill"].append(prefill(address, ours, pids))
    print(f"\n{mode}: {len(pairs)} pairs, both orders, {tokens:,} prompt tokens\n")
    print("| | pairs/s | prompt tokens/s | tokens written | pairs a processor second | others |")
    print("|---|---|---|---|---|---|")
    for name, rounds in rows.items():
        if rounds:
            print(line(name, rounds, len(pairs), tokens))
    print(f"\nours to llama.cpp: {ratios(rows['ours'], rows['llama.cpp'])}")
    if rows["prefill"]:
        print(f"ours to its prefill: {ratios(rows['ours'], rows['prefill'])}")
    same = same_preferences(rows["ours"][-1], rows["llama.cpp"][-1])
    print(f"the same response preferred for {same} of {len(ours)} prompts", flush=True)


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--modes", default="verdict,justify")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--max-new-tokens", type=int, default=48)
    parser.add_argument("--template", default="guided.v1")
    parser.add_argument("--base", default="small-base")
    parser.add_argument("--gguf", type=Path)
    parser.add_argument(
        "--server", default=os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
    )
    options = parser.parse_args()
    if options.server is None:
        parser.error("no llama-server: --server, LLAMA_SERVER or the PATH names one")
    return options


def main() -> None:
    """Compare the two in every mode."""
    options = parsed()
    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        file = options.gguf or packed(BASES[options.base], Path(folder))
        command = [options.server, "-m", str(file), "--alias", options.base, "--cache-ram", "0"]
        command += ["-np", str(options.slots), "-c", str(CONTEXT * options.slots)]
        command += ["-t", str(options.threads), "-ngl", "0"]
        with server(command) as (address, pid):
            build = httpx2.get(f"{address}/props").json().get("build_info")
            cores = f"{options.threads} threads of {os.cpu_count()} cores"
            print(f"{options.base}, {file.name}, {cores}, torch {torch.__version__}, {build}")
            for mode in options.modes.split(","):
                common: dict[str, Any] = {"input": "-", "out": "-", "mode": mode}
                common |= {"model": options.base, "template": options.template}
                common |= {"max_new_tokens": options.max_new_tokens}
                ours = load_engine(BatchConfig(**common))
                theirs = load_engine(BatchConfig(**common, engine="server", url=address))
                compare(options, mode, (ours, theirs), address, pid)


if __name__ == "__main__":
    main()
