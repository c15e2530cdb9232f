"""The report of ``judge arena``: one page of one result or of several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from judge.compare.arena.examples import gallery
from judge.compare.arena.paper_table import paper_table
from judge.compare.arena.result import ArenaResult
from judge.compare.arena.tables import judge_of, tables, win_rate
from judge.metrics.estimate import Estimate
from judge.metrics.formatting import share, share_and_interval
from judge.report.page import Gallery, Page, write
from judge.report.plots import ONE, TWO, Plot, heat, labels, level, marks, shares
from judge.report.table_files import write_tables

_TITLES = {
    "pairs": "Win rates",
    "alpaca-eval": "AlpacaEval",
    "arena-hard": "Arena-Hard",
}
Found = Sequence[tuple[ArenaResult, Path]]
"""Results, each with its folder."""


def write_report(found: Found, folder: Path) -> list[Path]:
    """Write ``report.html`` and the tables as files; return the page and the tables' folder.

    The same results, the same bytes.

    Raises:
        UsageError: when the folder cannot be written to, or a result's run is damaged.
    """
    results = [result for result, _ in found]
    own = [(n, table) for n, result in enumerate(results) for table in tables(result)]
    paper = paper_table(results)
    page = Page(
        title=_title(results),
        about=[
            *(f"{_TITLES[r.rule]}: judge {judge_of(r)}, {_digest(r)}" for r in results),
            f"Pairwise Justifier {results[0].version}",
        ],
        sentence=" ".join(
            f"{_TITLES[result.rule]}: {sentence(result)}" if len(results) > 1 else sentence(result)
            for result in results
        ),
        tiles=[tile for result in results[:1] for tile in _tiles(result)],
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


def sentence(result: ArenaResult) -> str:
    """Return what was found in plain words."""
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


def plots(result: ArenaResult, number: int = 0) -> Iterator[Plot]:
    """Yield the win rates, the matrix, and the win rates against length."""
    section = _section(number)
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
    yield _by_length(result, section, number)


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


def _by_length(result: ArenaResult, section: str, number: int) -> Plot:
    """Return the win rate of each model against the mean length of its answers."""
    there = [
        (r, length)
        for r in result.results
        if r.win_rate.value is not None
        and (length := result.lengths[r.model].characters) is not None
    ]
    names = labels([r.model for r, _ in there])
    values = [r.win_rate.value or 0.0 for r, _ in there]
    ends = [r.win_rate.interval or (v, v) for (r, _), v in zip(there, values, strict=True)]
    trace = {
        "type": "scatter",
        "mode": "markers+text",
        "x": [length for _, length in there],
        "y": values,
        "text": names,
        "textposition": "middle right",
        "customdata": [share_and_interval(r.win_rate) for r, _ in there],
        "hovertemplate": "%{text}: %{customdata}, %{x:.0f} characters<extra></extra>",
        "marker": {"color": ONE, "size": 10},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [high - v for (_, high), v in zip(ends, values, strict=True)],
            "arrayminus": [v - low for (low, _), v in zip(ends, values, strict=True)],
            "color": ONE,
        },
    }
    base = result.lengths[result.baseline].characters
    lines = [level(0.5)]
    if base is not None:
        lines.append({**level(0.5), "x0": base, "x1": base, "xref": "x", "y0": 0, "y1": 1,
                      "yref": "paper"})  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "mean characters"}, "showgrid": True},
        "yaxis": {"tickformat": ".0%", "range": [-0.05, 1.1]},
        "shapes": lines,
        "margin": {"b": 60},
    }
    caption = f"Win rate against the mean length of the answers; dotted: {result.baseline}."
    return Plot(section, f"length_{number}", (trace,), layout, caption)


def _title(results: Sequence[ArenaResult]) -> str:
    baselines = dict.fromkeys(result.baseline for result in results)
    return f"Answers judged against {', '.join(baselines)}"


def _digest(result: ArenaResult) -> str:
    return "no run" if result.judge is None else f"run {result.judge.digest}"


def _section(number: int) -> str:
    return f"result{_letter(number)}"


def _letter(number: int) -> str:
    """Return a name for a place on the page: places are named by letters alone."""
    return chr(ord("a") + number % 26) * (1 + number // 26)


def _sections(found: Found) -> Iterator[tuple[str, tuple[str, str]]]:
    yield "paper", ("All rules", "")
    for number, (result, folder) in enumerate(found):
        lead = f"{result.prompts:,} prompts; {folder.name}" if len(found) > 1 else ""
        yield _section(number), (_TITLES[result.rule], lead)


def _galleries(found: Found) -> Iterator[Gallery]:
    for number, (result, folder) in enumerate(found):
        shown = gallery(result, folder, f"examples{_letter(number)}")
        if len(found) > 1:
            shown = replace(shown, title=f"{shown.title}: {_TITLES[result.rule]}")
        yield shown


def _tiles(result: ArenaResult) -> Iterator[tuple[str, str, str]]:
    for one in result.results[:4]:
        yield share(one.win_rate), one.model, f"win rate over {result.baseline}"
    failed = sum(sum(one.failures.values()) for one in result.results)
    yield f"{failed:,}", "failures", "games without a verdict; in both bounds"
