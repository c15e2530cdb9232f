"""The benchmarks by name."""

from __future__ import annotations

from judge.compare.benches import judgebench, llmbar, rewardbench, rewardbench2, rm_bench, rmb
from judge.compare.benches.benchmark import Benchmark
from judge.errors import UsageError

BENCHMARKS: dict[str, Benchmark] = {
    module.BENCHMARK.name: module.BENCHMARK
    for module in (rewardbench, rewardbench2, rm_bench, rmb, judgebench, llmbar)
}


def find(name: str) -> Benchmark:
    """Return the benchmark called ``name``.

    Raises:
        UsageError: when there is none.
    """
    if name not in BENCHMARKS:
        raise UsageError(f"no benchmark {name!r}; expected one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
