"""Results of several rules as one table: the shape of the paper's Table 4.

HelpSteer2-Preference (Wang et al., 2024), Table 4: MT-Bench, mean length of its answers, AlpacaEval
2 LC (SE), Arena Hard (CI).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from judge.compare.arena.result import ArenaResult
from judge.compare.arena.tables import judge_of, reach
from judge.metrics.estimate import Estimate
from judge.metrics.formatting import DASH, number, share, share_and_interval
from judge.report.tables import Table

Cell = Callable[[ArenaResult, str], str]


def paper_table(results: Sequence[ArenaResult]) -> Table:
    """Return everybody's figures by every rule, a row a model, the baselines last."""
    models = list(dict.fromkeys(r.model for result in results for r in result.results))
    models += [b for b in dict.fromkeys(r.baseline for r in results) if b not in models]
    columns = [(_head(result, results), _CELLS[result.rule], result) for result in results]
    rows = tuple(
        (
            model,
            *(_own(cell, result, model) for _, cell, result in columns),
            number(_length(results, model), 1),
        )
        for model in models
    )
    heads = ("model", *(head for head, _, _ in columns), "mean length, characters")
    return Table("paper", "The models by every rule", heads, rows, "\n".join(_notes(results)))


def _own(cell: Cell, result: ArenaResult, model: str) -> str:
    if model == result.baseline:
        return "baseline"
    there = any(r.model == model for r in result.results)
    return cell(result, model) if there else DASH


def _head(result: ArenaResult, results: Sequence[ArenaResult]) -> str:
    """Return a column's head, with the judge and the baseline where others of its rule differ."""
    name = {
        "pairs": "win rate, 95 %",
        "alpaca-eval": "AlpacaEval LC (SE)",
        "arena-hard": "Arena Hard (CI)",
    }[result.rule]
    others = [r for r in results if r is not result and r.rule == result.rule]
    if not others:
        return name
    return f"{name}, {judge_of(result)}, over {result.baseline}"


def _win_rate(result: ArenaResult, model: str) -> str:
    return share_and_interval(next(r.win_rate for r in result.results if r.model == model))


def _alpaca(result: ArenaResult, model: str) -> str:
    found = result.controlled[model]
    return with_error(found.win_rate, found.standard_error)


def _hard(result: ArenaResult, model: str) -> str:
    assert result.graded is not None
    return reach(result.graded.models[model].published)


_CELLS: dict[str, Cell] = {"pairs": _win_rate, "alpaca-eval": _alpaca, "arena-hard": _hard}


def with_error(estimate: Estimate, error: float | None) -> str:
    """Return a rate with its standard error, as AlpacaEval writes it."""
    if estimate.value is None or error is None:
        return share(estimate)
    return f"{100 * estimate.value:.1f} ({100 * error:.2f})"


def _length(results: Sequence[ArenaResult], model: str) -> float | None:
    lengths = [result.lengths[model] for result in results if model in result.lengths]
    return lengths[0].characters if lengths else None


def _notes(results: Sequence[ArenaResult]) -> list[str]:
    judges = list(dict.fromkeys(judge_of(result) for result in results))
    return [
        f"judged by {', '.join(judges)}: these are not figures of GPT-4, and no column can be"
        " compared with published ones",
        f"length: of the answers of the first result ({results[0].rule}) that has the model",
    ]
