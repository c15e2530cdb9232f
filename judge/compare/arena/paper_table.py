"""Results of several rules as one table: the shape of the paper's Table 4.

HelpSteer2-Preference (Wang et al., 2024), Table 4: MT-Bench, mean length of its answers, AlpacaEval
2 LC (SE), Arena Hard (CI).
"""

from __future__ import annotations

from collections.abc import Sequence

from judge.compare.arena.mt_bench.scores import MtBenchResult
from judge.compare.arena.read import AnyResult
from judge.compare.arena.result import ArenaResult
from judge.compare.arena.tables import reach
from judge.metrics.estimate import Estimate
from judge.metrics.formatting import DASH, number, share, share_and_interval
from judge.report.tables import Table

NAMES = {
    "mt-bench": "MT-Bench",
    "pairs": "win rate, 95 %",
    "alpaca-eval": "AlpacaEval LC (SE)",
    "arena-hard": "Arena Hard (CI)",
}


def paper_table(results: Sequence[AnyResult]) -> Table:
    """Return everybody's figures by every rule, a row a model, the baselines last."""
    models = list(dict.fromkeys(model for result in results for model in models_of(result)))
    baselines = [r.baseline for r in results if isinstance(r, ArenaResult)]
    models += [name for name in dict.fromkeys(baselines) if name not in models]
    rows = tuple(
        (
            model,
            *(_cell(result, model) for result in results),
            number(_length(results, model), 1),
        )
        for model in models
    )
    heads = ("model", *(_head(r, results) for r in results), "mean length, characters")
    return Table("paper", "The models by every rule", heads, rows, "\n".join(_notes(results)))


def models_of(result: AnyResult) -> list[str]:
    """Return the models that a result has a figure of."""
    if isinstance(result, MtBenchResult):
        return [one.model for one in result.models]
    return [one.model for one in result.results]


def judge_of(result: AnyResult) -> str:
    """Return the judge's name, or that there was none."""
    return "nobody: nothing needed a judge" if result.judge is None else result.judge.model


def with_error(estimate: Estimate, error: float | None) -> str:
    """Return a rate with its standard error, as AlpacaEval writes it."""
    if estimate.value is None or error is None:
        return share(estimate)
    return f"{100 * estimate.value:.1f} ({100 * error:.2f})"


def _cell(result: AnyResult, model: str) -> str:
    if isinstance(result, ArenaResult) and model == result.baseline:
        return "baseline"
    if model not in models_of(result):
        return DASH
    if isinstance(result, MtBenchResult):
        return number(next(m.mean.value for m in result.models if m.model == model), 2)
    if result.rule == "alpaca-eval":
        found = result.controlled[model]
        return with_error(found.win_rate, found.standard_error)
    if result.graded is not None:
        return reach(result.graded.models[model].published)
    return share_and_interval(next(r.win_rate for r in result.results if r.model == model))


def _head(result: AnyResult, results: Sequence[AnyResult]) -> str:
    """Return a column's head, with the judge and the baseline where others of its rule differ."""
    name = NAMES[result.rule]
    if not [other for other in results if other is not result and other.rule == result.rule]:
        return name
    over = f", over {result.baseline}" if isinstance(result, ArenaResult) else ""
    return f"{name}, {judge_of(result)}{over}"


def _length(results: Sequence[AnyResult], model: str) -> float | None:
    lengths = [r.lengths[model] for r in _by_length(results) if model in r.lengths]
    return lengths[0].characters if lengths else None


def _by_length(results: Sequence[AnyResult]) -> list[AnyResult]:
    """Return the results, MT-bench's first: the paper's lengths are those of its answers."""
    return sorted(results, key=lambda result: result.rule != "mt-bench")


def _notes(results: Sequence[AnyResult]) -> list[str]:
    judges = list(dict.fromkeys(judge_of(result) for result in results))
    return [
        f"judged by {', '.join(judges)}: these are not figures of GPT-4, and no column can be"
        " compared with published ones",
        f"length: of the answers of the first result ({_by_length(results)[0].rule}) that has the"
        " model",
    ]
