"""The report of ``judge arena``: one page of one result or of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from judge.compare.arena.examples import gallery
from judge.compare.arena.mt_bench.examples import gallery as mt_gallery
from judge.compare.arena.mt_bench.scores import MtBenchResult
from judge.compare.arena.mt_bench.tables import mean_and_interval
from judge.compare.arena.mt_bench.tables import tables as mt_tables
from judge.compare.arena.paper_table import judge_of, paper_table
from judge.compare.arena.read import AnyResult
from judge.compare.arena.result import ArenaResult
from judge.compare.arena.tables import tables, win_rate
from judge.compare.arena.win_rate import Lengths
from judge.metrics.estimate import Estimate
from judge.metrics.formatting import decimal, share
from judge.report.page import Gallery, Page, write
from judge.report.plots import ONE, TWO, Plot, heat, labels, level, line, marks, shares
from judge.report.table_files import write_tables
from judge.report.tables import Table

_TITLES = {
    "pairs": "Win rates",
    "alpaca-eval": "AlpacaEval",
    "arena-hard": "Arena-Hard",
    "mt-bench": "MT-bench",
}
Found = Sequence[tuple[AnyResult, Path]]
"""Results, each with its folder."""


def write_report(found: Found, folder: Path) -> list[Path]:
    """Write ``report.html`` and the tables as files; return the page and the tables' folder.

    The same results, the same bytes.

    Raises:
        UsageError: when the folder cannot be written to, or a result's run is damaged.
    """
    results = [result for result, _ in found]
    own = [(n, table) for n, result in enumerate(results) for table in _tables(result)]
    paper = paper_table(results)
    said = [f"{_TITLES[r.rule]}: {sentence(r)}" if results[1:] else sentence(r) for r in results]
    page = Page(
        title=_title(results),
        about=[
            *(f"{_TITLES[r.rule]}: judge {judge_of(r)}, {_digest(r)}" for r in results),
            f"Pairwise Justifier {results[0].version}",
        ],
        sentence=" ".join(said),
        tiles=list(_tiles(results[0])),
        sections=dict(_sections(found)),
        tables=[paper, *(replace(table, section=_section(n)) for n, table in own)],
        plots=[plot for i, (result, _) in enumerate(found) for plot in plots(result, i)],
        galleries=list(_galleries(found)),
        notes=list(dict.fromkeys(note for result in results for note in result.notes)),
    )
    named = {
        table.section if len(results) == 1 else f"{n + 1}_{results[n].rule}_{table.section}": table
        for n, table in own
    }
    files = write_tables({"paper": paper, **named}, folder)
    return [write(page, folder), files]


def sentence(result: AnyResult) -> str:
    """Return what was found in plain words."""
    if isinstance(result, MtBenchResult):
        return " ".join(
            f"{one.model}: {mean_and_interval(one.mean)} of 10 from {one.mean.n:,} turns."
            for one in result.models
        )
    words = []
    for one in result.results:
        if one.win_rate.value is None:
            words.append(f"{one.model} has no win rate: {one.win_rate.why_not}.")
            continue
        ends = one.win_rate.interval
        sure = ends is not None and not ends[0] <= 0.5 <= ends[1]
        which = "more" if one.win_rate.value > 0.5 else "less"
        said = f"preferred {which} often than {result.baseline}" if sure else "not told apart"
        words.append(
            f"{one.model}: {share(one.win_rate)} of {one.win_rate.n:,} games over"
            f" {result.baseline} ({said if sure else f'{said} from it'})."
        )
    return " ".join(words)


def plots(result: AnyResult, number: int = 0) -> Iterator[Plot]:
    """Yield the win rates, the matrix, and the win rates (or grades) against length."""
    section = _section(number)
    if isinstance(result, MtBenchResult):
        means = [(one.model, one.mean) for one in result.models]
        caption = "Mean grade, 1 to 10, against the mean length of the answers."
        axis = {"range": [0.5, 10.9], "title": {"text": "mean grade"}}
        yield _by_length(means, result.lengths, section, number, caption, axis)
        return
    names = [r.model for r in result.results]
    traces = [marks(names, [r.win_rate for r in result.results], ONE, "win rate")]
    if result.controlled:
        rates = [result.controlled[name].win_rate for name in names]
        traces.append(marks(names, rates, TWO, "length-controlled"))
    if result.graded is not None:
        rates = [result.graded.models[name].controlled for name in names]
        traces.append(marks(names, rates, TWO, "at the same style"))
    there = [trace for trace in traces if trace["x"]]
    if there:
        caption = f"Win rate over {result.baseline} with 95 % intervals."
        yield shares(section, f"rates_{number}", there, caption, names)
    if len(names) > 1:
        yield _matrix(result, section, number)
    caption = f"Win rate against the mean length of the answers; dotted: {result.baseline}."
    rates_of = [(r.model, r.win_rate) for r in result.results]
    axis = {"tickformat": ".0%", "range": [-0.05, 1.1]}
    base = result.lengths[result.baseline].characters
    lines = [level(0.5), *([] if base is None else [line(base)])]
    yield _by_length(rates_of, result.lengths, section, number, caption, axis, lines)


def _matrix(result: ArenaResult, section: str, number: int) -> Plot:
    names = [*(r.model for r in result.results), result.baseline]
    rates = {(r.model, r.other): r.win_rate.value for r in (*result.results, *result.meetings)}
    rates |= {(b, a): None if v is None else 1 - v for (a, b), v in rates.items()}
    cells = [
        [
            None if value is None or one == two else Estimate.of(value, 0)
            for two in names
            for value, _ in [win_rate(one, two, rates, result.baseline)]
        ]
        for one in names
    ]
    caption = (
        "Win rate of the row against the column, ties half; of models that never met by their"
        f" strengths against {result.baseline}."
    )
    return heat(section, f"matrix_{number}", names, cells, caption)


def _by_length(
    values: Sequence[tuple[str, Estimate]],
    lengths: Mapping[str, Lengths],
    section: str,
    number: int,
    caption: str,
    axis: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]] = (),
) -> Plot:
    """Return each model's figure against the mean length of its answers."""
    there = [
        (name, estimate, estimate.value, length)
        for name, estimate in values
        if estimate.value is not None and (length := lengths[name].characters) is not None
    ]
    ends = [estimate.interval or (value, value) for _, estimate, value, _ in there]
    trace = {
        "type": "scatter",
        "mode": "markers+text",
        "x": [length for *_, length in there],
        "y": [value for _, _, value, _ in there],
        "text": labels([name for name, *_ in there]),
        "textposition": "middle right",
        "hovertemplate": "%{text}: %{y:.3g}, %{x:.0f} characters<extra></extra>",
        "marker": {"color": ONE, "size": 10},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [high - v for (_, high), (_, _, v, _) in zip(ends, there, strict=True)],
            "arrayminus": [v - low for (low, _), (_, _, v, _) in zip(ends, there, strict=True)],
            "color": ONE,
        },
    }
    layout = {
        "xaxis": {"title": {"text": "mean characters"}, "showgrid": True},
        "yaxis": dict(axis),
        "shapes": list(lines),
        "margin": {"b": 60, "r": 80},
    }
    return Plot(section, f"length_{number}", (trace,), layout, caption)


def _tables(result: AnyResult) -> Iterator[Table]:
    return mt_tables(result) if isinstance(result, MtBenchResult) else tables(result)


def _title(results: Sequence[AnyResult]) -> str:
    baselines = dict.fromkeys(r.baseline for r in results if isinstance(r, ArenaResult))
    return f"Answers judged against {', '.join(baselines)}" if baselines else "Answers graded"


def _digest(result: AnyResult) -> str:
    return "no run" if result.judge is None else f"run {result.judge.digest}"


def _section(number: int) -> str:
    return f"result{_letter(number)}"


def _letter(number: int) -> str:
    """Return a name for a place on the page: places are named by letters alone."""
    return chr(ord("a") + number % 26) * (1 + number // 26)


def _sections(found: Found) -> Iterator[tuple[str, tuple[str, str]]]:
    yield "paper", ("All rules", "")
    for number, (result, folder) in enumerate(found):
        asked = result.questions if isinstance(result, MtBenchResult) else result.prompts
        lead = f"{asked:,} prompts; {folder.name}" if len(found) > 1 else ""
        yield _section(number), (_TITLES[result.rule], lead)


def _galleries(found: Found) -> Iterator[Gallery]:
    for number, (result, folder) in enumerate(found):
        name = f"examples{_letter(number)}"
        if isinstance(result, MtBenchResult):
            shown = mt_gallery(result, folder, name)
        else:
            shown = gallery(result, folder, name)
        if len(found) > 1:
            shown = replace(shown, title=f"{shown.title}: {_TITLES[result.rule]}")
        yield shown


def _tiles(result: AnyResult) -> Iterator[tuple[str, str, str]]:
    if isinstance(result, MtBenchResult):
        for model in result.models[:4]:
            yield decimal(model.mean, 2), model.model, "mean grade, 1 to 10"
        lost = sum(sum(model.failures.values()) for model in result.models)
        yield f"{lost:,}", "failures", "turns without a grade; in both bounds"
        return
    for one in result.results[:4]:
        yield share(one.win_rate), one.model, f"win rate over {result.baseline}"
    failed = sum(sum(one.failures.values()) for one in result.results)
    yield f"{failed:,}", "failures", "games without a verdict; in both bounds"
