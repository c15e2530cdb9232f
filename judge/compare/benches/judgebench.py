"""JudgeBench (Tan et al., 2024, arXiv 2410.12784): pairs whose better response is known for sure.

The rule, from ScalerLab/JudgeBench, ``utils/metrics.py`` and ``run_judge.py``: a judge decides in
both orders; a decision for the label counts +1, one for the other response -1, none 0; a pair is
right where the sum is above 0. Judged in one order (``--single_game``) it is right where the
decision is the label. A reward model decides for A only where A scores strictly higher, so equal
scores are a decision for B (``utils/judges.py``). Categories are the beginnings of ``source``; the
overall score is that of all pairs together. Published scores are of the pairs by GPT-4o (split
``gpt``); those by Claude are split ``claude``.

A statement always names a better response, so the sum is 2, 0 or -2: the rule is then the same as
our reading, that both orders must say so.
"""

from __future__ import annotations

from collections.abc import Sequence

from judge.compare.benches.benchmark import BenchFigures, Benchmark, text_of
from judge.compare.benches.figures import line, share
from judge.compare.benches.item import Item, Judged
from judge.formats import fields as checks
from judge.formats.benchmarks import JUDGEBENCH
from judge.formats.rows import Row, Unusable

CATEGORIES = {
    "mmlu-pro": "Knowledge",
    "livebench-reasoning": "Reasoning",
    "livebench-math": "Math",
    "livecodebench": "Coding",
}
"""How ``source`` begins, and what the paper calls it."""


def credit(row: Judged) -> float:
    """Return 1 for a pair that is right by the benchmark's rule, else 0."""
    comparison = row.comparison
    if comparison.failure is not None:
        return 0.0
    if row.rewards is not None:
        if comparison.preferred is None:  # the file's A wins only with a higher score
            return float(row.item.rejected_first is True)
        return float(comparison.preferred)
    return float(sum(1 if won else -1 for won in comparison.orders) > 0)


def parse(row: Row) -> Item:
    """Return a row; its better response is what ``label`` says."""
    source = text_of(row, "source")
    category = next((name for start, name in CATEGORIES.items() if source.startswith(start)), None)
    if category is None:
        raise Unusable(
            "bad_label",
            f"source is {checks.shown(source)}; expected one that starts with"
            f" {', '.join(CATEGORIES)}",
        )
    return Item.of(category, JUDGEBENCH.written(row))


def score(judged: Sequence[Judged], both: bool) -> BenchFigures:
    """Return the categories, all pairs together, and how often the orders disagree."""
    rows = {name: [r for r in judged if r.item.subset == name] for name in CATEGORIES.values()}
    overall = line("Overall", judged, map(credit, judged), both)
    answered = [row for row in judged if row.comparison.failure is None]
    split = sum(len(set(row.comparison.orders)) == 2 for row in answered)
    judge = any(row.comparison.orders for row in answered)
    return BenchFigures(
        columns=tuple(line(name, of, map(credit, of), both) for name, of in rows.items()),
        overall=overall,
        extra={"inconsistent": share(split, len(answered)).model_dump(mode="json")}
        if judge and both
        else {},
    )


BENCHMARK = Benchmark(
    name="judgebench",
    title="JudgeBench",
    layout="question, response_A, response_B, label, source (pair_id)",
    rows=350,
    parse=parse,
    score=score,
    hub="ScalerLab/JudgeBench",
    split="gpt",
)
