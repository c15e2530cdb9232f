"""The vLLM engine against bare vLLM in one run: rates, shared tokens, host work, compilations.

    python benchmarks/vllm_engine.py [--pairs 200] [--length 600] [--model mini] [--random-weights]

Every part runs on the same pairs, generated from English words: a prompt of a fifth of --length
tokens, two responses that share the rest. With --random-weights the model keeps its shape and gets
random weights; it never comes to a statement, so every elaboration has --max-new-tokens tokens.

(a) `verdict` mode against ``LLM.generate(max_tokens=1)`` on the same requests (each prompt followed
    by each of a statement's beginnings), and on the prompts alone, which tells one probability of
    the three that a verdict needs;
(b) `justify` mode against unconstrained ``LLM.generate`` of as many tokens for every prompt;
(c) prompt tokens of the second order that came from the cache, as vLLM counts them, among those
    that both orders begin with;
(d) the share of a whole run (`judge batch`: reading, rendering, tokenizing, parsing, writing) that
    is spent outside vLLM;
(e) how often the regex was compiled, and how many masks were built for how many tokens.

The ratios of the medians of --repeats interleaved rounds are gated, after one that does not count:
(a, same requests) and (b) at least 0.95, (c) 0.9, (d) at most 0.05, (e) one compilation. On a GPU
the clock is the wall's; on a CPU it is the processor's of this process, in which all of vLLM runs
on one thread, because there wall time says more of a machine's other work.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")

import torch

from judge.config import BatchConfig
from judge.infer.batch import run
from judge.infer.engines.protocol import Mode
from judge.infer.engines.registry import load_engine
from judge.infer.engines.transformers.decode import common_prefix
from judge.infer.engines.vllm import constraint as vllm_constraint
from judge.infer.engines.vllm.engine import VllmEngine
from judge.infer.pairwise import PairwiseJudge
from judge.judgment import Judgment
from judge.pair import Pair, parse_prompt
from judge.prompt import load_template

EXAMPLES = Path(__file__).parent.parent / "examples" / "pairs.jsonl"
TEMPLATE = load_template("pairwise_justifier.v1")
COMPILED = [0]
CLOCK = time.perf_counter if torch.cuda.is_available() else time.process_time


def generated_rows(count: int, length: int) -> list[dict[str, str]]:
    """Return pairs of about ``length`` words, drawn from those of the example pairs."""
    rows = map(json.loads, EXAMPLES.read_text(encoding="utf-8").splitlines())
    words = [w for row in rows for name in ("response_1", "response_2") for w in row[name].split()]
    draw = random.Random(7)

    def some(mean: float) -> str:
        return " ".join(draw.choices(words, k=max(4, round(mean * draw.uniform(0.5, 1.5)))))

    return [
        {
            "pair_id": str(number),
            "prompt": some(length / 5),
            "response_1": some(length * 2 / 5),
            "response_2": some(length * 2 / 5),
        }
        for number in range(count)
    ]


class Bench:
    """An engine and its pairs, and bare calls of the same ``vllm.LLM``."""

    def __init__(self, engine: VllmEngine, rows: Sequence[dict[str, str]], repeats: int) -> None:
        self.engine = engine
        self.repeats = repeats
        self.pairs = [
            (line, Pair.model_validate({**row, "prompt": parse_prompt(row["prompt"])}))
            for line, row in enumerate(rows, start=1)
        ]
        orders = [order for _, pair in self.pairs for order in (pair, pair.flipped())]
        self.ids = [prompt.ids for prompt in engine.builder.build(orders)]
        self.forks = [fork.path for fork in engine.reader.reading.forks]
        modes: tuple[Mode, ...] = ("verdict", "justify")
        self.judges = {mode: PairwiseJudge(engine.bound(TEMPLATE), mode) for mode in modes}

    def judge(self, mode: Mode) -> list[Judgment]:
        """Judge the pairs in one window."""
        results = self.judges[mode].judge(self.pairs)
        return [result for result in results if isinstance(result, Judgment)]

    def generate(self, ids: Sequence[Sequence[int]], tokens: Sequence[int]) -> None:
        """Let bare vLLM write so many tokens after each prompt, its prefix cache empty at first."""
        from vllm import SamplingParams

        params = [
            SamplingParams(temperature=0, max_tokens=n, ignore_eos=True, detokenize=False)
            for n in tokens
        ]
        llm = self.engine.llm
        llm.reset_prefix_cache()
        prompts = [{"prompt_token_ids": list(one)} for one in ids]
        llm.generate(prompts, params, use_tqdm=False, lora_request=self.engine.lora)

    def seconds(self, *ways: Callable[[], object]) -> list[list[float]]:
        """Return the seconds of each way, run in turn after a round that does not count."""
        taken: list[list[float]] = [[] for _ in ways]
        for number in range(self.repeats + 1):
            for way, seconds in zip(ways, taken, strict=True):
                began = CLOCK()
                way()
                if number:
                    seconds.append(CLOCK() - began)
        return taken

    def rates(self) -> dict[str, float]:
        """Return (a) and (b): pairs a second, and the engine's as a share of bare vLLM's."""
        branches = [[*ids, *path] for ids in self.ids for path in self.forks]
        ours, same, alone = self.seconds(
            lambda: self.judge("verdict"),
            lambda: self.generate(branches, [1] * len(branches)),
            lambda: self.generate(self.ids, [1] * len(self.ids)),
        )
        said = self.judge("justify")
        verdicts = [verdict for judgment in said for verdict in judgment.orders.values()]
        written = [verdict.completion_tokens + 1 for verdict in verdicts]
        justified, free = self.seconds(
            lambda: self.judge("justify"), lambda: self.generate(self.ids, written)
        )
        count = len(self.pairs)
        return {
            "prompt_tokens": sum(map(len, self.ids)) / len(self.ids),
            "written_tokens": sum(written) / len(written),
            "verdict_pairs_per_s": count / statistics.median(ours),
            **_compared("verdict_to_same_requests", same, ours),
            **_compared("verdict_to_one_request_a_prompt", alone, ours),
            "justify_pairs_per_s": count / statistics.median(justified),
            **_compared("justify_to_free", free, justified),
        }

    def shared(self) -> dict[str, float]:
        """Return (c): of what both orders of a pair begin with, the share that ran once."""
        cached: dict[int, int] = {}
        first = self.engine._asked + 1
        step = self.engine.llm.llm_engine.step

        def watched() -> list[Any]:
            outputs: list[Any] = step()
            cached.update((int(o.request_id) - first, o.num_cached_tokens or 0) for o in outputs)
            return outputs

        self.engine.llm.llm_engine.step = watched
        self.judge("verdict")
        self.engine.llm.llm_engine.step = step
        second = range(1, len(self.ids), 2)
        possible = [common_prefix(self.ids[place - 1], self.ids[place]) for place in second]
        block = self.engine.identity["block_size"]
        found = sum(cached[place * len(self.engine._chains)] for place in second)
        return {
            "shared_tokens": sum(possible) / len(possible),
            "saved": found / sum(possible),
            "saved_of_whole_blocks": found / sum(tokens // block * block for tokens in possible),
        }

    def host(self, rows: Sequence[dict[str, str]], mode: Mode) -> dict[str, float]:
        """Return (d) for a run of `judge batch`, and its share of vLLM's own host work."""
        inside = [0.0]
        with tempfile.TemporaryDirectory() as folder, timed(self.engine.llm, inside):
            source = Path(folder) / "pairs.jsonl"
            source.write_text("".join(json.dumps(row) + "\n" for row in rows))
            config = BatchConfig(
                input=str(source), out=f"{folder}/run", model="mini", engine="vllm", mode=mode
            )
            began = CLOCK()
            run(config, lambda: self.engine)
            seconds = CLOCK() - began
        return {"pairs_per_s": len(rows) / seconds, "host": 1 - inside[0] / seconds}

    def compilations(self) -> dict[str, int]:
        """Return (e), from the start of this process on."""
        core: Any = self.engine.llm.llm_engine.engine_core
        backend = core.engine_core.structured_output_manager.backend
        return {
            "compiled": COMPILED[0],
            "masks_built": sum(map(len, backend.masks.values())),
            "tokens_constrained": self.engine.counts.completion_tokens,
        }


def _compared(name: str, bare: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """Return a rate as a share of bare vLLM's: of the medians, and the extremes of a round."""
    rounds = [b / o for b, o in zip(bare, ours, strict=True)]
    return {
        name: statistics.median(bare) / statistics.median(ours),
        f"{name}_least": min(rounds),
        f"{name}_most": max(rounds),
    }


def count_compilations() -> None:
    """Count in ``COMPILED`` how often a regex is compiled from now on."""
    plain = vllm_constraint.Index

    def counted(*args: Any) -> Any:
        COMPILED[0] += 1
        return plain(*args)

    vllm_constraint.Index = counted


@contextmanager
def timed(llm: Any, inside: list[float]) -> Iterator[None]:
    """Add the seconds spent in vLLM to ``inside[0]``."""

    def counting(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            began = CLOCK()
            try:
                return call(*args, **kwargs)
            finally:
                inside[0] += CLOCK() - began

        return counted

    engine = llm.llm_engine
    add_request, step = engine.add_request, engine.step
    engine.add_request, engine.step = counting(add_request), counting(step)
    try:
        yield
    finally:
        engine.add_request, engine.step = add_request, step


def main() -> None:
    """Print every part as a line of JSON; fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--length", type=int, default=600, help="words of a pair")
    parser.add_argument("--host-pairs", type=int, default=2000)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--random-weights", action="store_true")
    parser.add_argument("--max-new-tokens", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    config = BatchConfig(
        input="-",
        out="-",
        engine="vllm",
        model=options.model,
        max_new_tokens=options.max_new_tokens,
    )
    others = {"load_format": "dummy"} if options.random_weights else {}
    count_compilations()
    engine = load_engine(config, **others)
    bench = Bench(engine, generated_rows(options.pairs, options.length), options.repeats)
    print(json.dumps(engine.describe()), flush=True)
    rates = bench.rates()
    print(json.dumps(rounded(rates)), flush=True)
    shared = bench.shared()
    print(json.dumps(rounded(shared)), flush=True)
    bars = [
        ("(a) verdict to the same requests", rates["verdict_to_same_requests"] >= 0.95),
        ("(b) justify to free generation", rates["justify_to_free"] >= 0.95),
        ("(c) shared prefix", shared["saved"] >= 0.9),
    ]
    if options.host_pairs:
        rows = generated_rows(options.host_pairs, options.length)
        for mode in ("verdict", "justify"):
            host = bench.host(rows, mode)
            print(json.dumps({"mode": mode, **rounded(host)}), flush=True)
            bars.append((f"(d) host work, {mode}", host["host"] <= 0.05))
    compilations = bench.compilations()
    print(json.dumps(compilations), flush=True)
    bars.append(("(e) one compilation", compilations["compiled"] == 1))
    missed = [name for name, met in bars if not met]
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


if __name__ == "__main__":
    main()
