"""The same pairs through every engine: do they prefer the same responses, with the same records?

    python benchmarks/engines_agree.py PAIRS [--limit 500] [--engines transformers,vllm,server,ray]

Runs where vLLM and Ray are installed (`make setup-vllm`). PAIRS is anything that `judge batch`
reads as a file of JSON lines; --limit rows that lie evenly in it are judged by the model in both
modes, each engine in a process of its own, the server being a `vllm serve` that this script
starts, Ray one that runs here with one replica. The first engine is what the others are compared
with: how many pairs have the same preference and the same elaborations, how far probabilities are
apart, whether every line has the same fields with values of the same types. Every pair with
another preference is listed with its probabilities. Fails where an engine agrees on fewer than 99
% of the pairs, or a record differs.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judge.models import resolve_model

ROOT = Path(__file__).parent.parent
ENGINES = ("transformers", "vllm", "server", "ray")
HEAD = "| engine | pairs/s | same preference | same elaborations | furthest apart | same fields |"
LEAST = 0.99
"""Share of the pairs on which an engine must prefer the same response."""
STARTS_WITHIN = 1800
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_REGEX_COMPILATION_TIMEOUT_S": "120",
}


@dataclass
class Agreement:
    """One engine's judgments beside the first one's."""

    pairs: int = 0
    same: int = 0
    elaborations: int = 0
    same_elaborations: int = 0
    furthest: float = 0.0
    """The largest difference of two probabilities."""
    shapes: int = 0
    """Lines with the same fields and types."""
    differences: list[dict[str, Any]] = field(default_factory=list)
    """Pairs with another preference, and both engines' probabilities."""

    def add(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        """Count a pair's lines."""
        self.pairs += 1
        self.shapes += shape(one) == shape(other)
        self.furthest = max(self.furthest, abs(one["probability"] - other["probability"]))
        for order, verdict in one["orders"].items():
            if verdict["elaboration"] is not None:
                self.elaborations += 1
                there = other["orders"].get(order, {}).get("elaboration")
                self.same_elaborations += verdict["elaboration"] == there
        if one["preference"] == other["preference"]:
            self.same += 1
        else:
            self.differences.append(
                {
                    "pair_id": one["pair_id"],
                    "preferences": [one["preference"], other["preference"]],
                    "probabilities": [one["probability"], other["probability"]],
                }
            )


def shape(value: Any) -> Any:
    """Return the names and types of a line."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value).__name__


def compare(one: Path, other: Path) -> Agreement:
    """Return how the judgments of run folder ``other`` agree with those of ``one``.

    Raises:
        ValueError: when they are not of the same pairs in the same order.
    """
    found = Agreement()
    lines = [(folder / "judgments.jsonl").read_bytes().splitlines() for folder in (one, other)]
    for first, second in zip(*lines, strict=True):
        of_one, of_other = json.loads(first), json.loads(second)
        if of_one["pair_id"] != of_other["pair_id"]:
            raise ValueError(f"{other} holds {of_other['pair_id']} where {one} has another pair")
        found.add(of_one, of_other)
    return found


def sample(source: Path, limit: int, target: Path) -> int:
    """Write ``limit`` lines that lie evenly in ``source``; return how many there are."""
    opened = gzip.open if source.suffix == ".gz" else open
    with opened(source, "rb") as file:
        lines = file.read().splitlines(keepends=True)
    count = min(limit, len(lines))
    target.write_bytes(b"".join(lines[i * len(lines) // count] for i in range(count)))
    return count


@contextlib.contextmanager
def server(model: str, folder: Path) -> Iterator[str]:
    """Run `vllm serve` with ``model`` under the name ``judge``; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--port", port]
    command += ["--model", resolve_model(model), "--served-model-name", "judge"]
    command += ["--host", "127.0.0.1", "--dtype", "float32", "--enforce-eager"]
    command += ["--structured-outputs-config", '{"backend": "outlines"}']
    url = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | ENVIRONMENT)
    try:
        end = time.monotonic() + STARTS_WITHIN
        while process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
                break
            time.sleep(1)
        else:
            raise SystemExit((folder / "server.log").read_text()[-3000:])
        yield url
    finally:
        process.terminate()
        process.wait(60)


def judge(engine: str, source: Path, out: Path, options: Sequence[str]) -> float:
    """Judge ``source`` in a process of its own; return the seconds of judging alone."""
    command = [sys.executable, "-m", "judge.cli", "batch", str(source), "--out", str(out)]
    command += ["--engine", engine, "--template", "pairwise_justifier.v1", *options]
    done = subprocess.run(
        command, env=os.environ | ENVIRONMENT, cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    seconds: float = json.loads((out / "summary.json").read_bytes())["session"]["seconds"]
    return seconds


def main() -> None:
    """Print a table a mode, and the differences; fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--modes", default="verdict,justify")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--max-new-tokens", default="64")
    options = parser.parse_args()
    engines, missed = options.engines.split(","), []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        work = Path(folder)
        source = work / "pairs.jsonl"
        count = sample(options.pairs, options.limit, source)
        own = {name: ["--dtype", "float32", "--model", options.model] for name in engines}
        if "server" in engines:
            url = stack.enter_context(server(options.model, work))
            own["server"] = ["--url", url, "--model", "judge", "--tokenizer", options.model]
        for mode in options.modes.split(","):
            print(f"\n{mode}, {count} pairs\n\n{HEAD}\n{'|---' * HEAD.count(' | ')}|---|")
            for name in engines:
                asked = ["--mode", mode, "--max-new-tokens", options.max_new_tokens, *own[name]]
                out = work / f"{name}-{mode}"
                seconds = judge(name, source, out, asked)
                found = compare(work / f"{engines[0]}-{mode}", out)
                texts = f"{found.same_elaborations} of {found.elaborations}"
                print(
                    f"| `{name}` | {found.pairs / seconds:.1f} | {found.same} of {found.pairs}"
                    f" | {texts} | {found.furthest:.2g} | {found.shapes} of {found.pairs} |",
                    flush=True,
                )
                for difference in found.differences:
                    print(f"  {json.dumps(difference)}", flush=True)
                if found.same < LEAST * found.pairs or found.shapes < found.pairs:
                    missed.append(f"{name} in {mode} mode")
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
