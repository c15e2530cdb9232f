"""What the command line shows: progress on stderr, tables on stdout."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from judge.lookalikes import told_apart
from judge.metrics.label_agreement import TITLE
from judge.report.tables import Table, listing, shown

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from judge.data.manifest import PreparedManifest
    from judge.infer.dryrun import DryRun
    from judge.infer.score import ScoreDryRun
    from judge.runs.summary import Summary

EVERY = 5.0
"""Seconds between two lines of progress where there is no terminal."""


class Screen:
    """Shows a run's progress: a bar on a terminal, else a line every few seconds.

    Args:
        console: where to, usually on stderr.
        doing: what is done with a row, before the bar.
    """

    def __init__(self, console: Console, doing: str = "judging") -> None:
        self._console = console
        self._total: int | None = None
        self._start = self._done = self._failed = 0
        self._began = self._told = time.monotonic()
        self._bar = Bar(
            TextColumn(doing),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failed]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(doing, total=None, start=False, failed="")

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def start(self, total: int | None, done: int, failed: int) -> None:
        """Begin to count at ``done`` of ``total`` rows."""
        self._total, self._start, self._done, self._failed = total, done, done, failed
        self._began = self._told = time.monotonic()
        if done:
            self.note(f"going on after {done:,} finished rows")
        self._bar.start()
        self._bar.start_task(self._task)
        self._bar.update(self._task, total=total, completed=done)

    def advance(self, rows: int, failed: int) -> None:
        """Count ``rows`` more, ``failed`` of them failures."""
        self._done += rows
        self._failed += failed
        shown = f"{self._failed:,} failed" if self._failed else ""
        self._bar.update(self._task, advance=rows, failed=shown)
        if not self._console.is_terminal and time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            self.note(self._line())

    def note(self, text: str) -> None:
        """Show one line of text as it is."""
        self._console.print(Text(text), soft_wrap=True)

    def _line(self) -> str:
        rate = (self._done - self._start) / (self._told - self._began)
        of = f" of {self._total:,}" if self._total is not None else ""
        left = ""
        if self._total is not None and rate:
            left = f", {duration((self._total - self._done) / rate)} left"
        return f"{self._done:,}{of} rows, {self._failed:,} failed, {rate:.1f} rows/s{left}"


class _Rate(ProgressColumn):
    """Rows a second; the finished rows of an earlier session do not count."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} rows/s" if speed else "", style="progress.data.speed")


def duration(seconds: float) -> str:
    """Return ``seconds`` as people say it: ``45 s``, ``12 min``, ``3 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def summary_table(summary: Summary) -> RichTable:
    """Return the table that ends a run."""
    table = listing()
    table.add_row("rows", f"{summary.rows:,}")
    table.add_row("scored" if summary.reward_alone else "judged", f"{summary.judged:,}")
    table.add_row("failed", f"{summary.failed:,}")
    for reason, count in summary.failures.items():
        table.add_row(f"  {reason}", f"{count:,}")
    for name, label in (
        ("response_1", "Response 1 preferred"),
        ("response_2", "Response 2 preferred"),
        ("none", "undecided"),
    ):
        table.add_row(label, f"{summary.wins[name]:,}  ({share(summary.win_shares[name])})")
    if summary.reward_alone:
        for scorer in summary.scorers.values():
            table.add_row("mean margin", number(scorer.mean_margin))
            table.add_row("mean difference of rewards", number(scorer.mean_difference))
    else:
        table.add_row("order-consistent", share(summary.order_consistency))
        table.add_row("first shown preferred", share(summary.first_slot_rate))
        table.add_row("mean margin", number(summary.mean_margin))
        table.add_row("neutralised names", f"{summary.neutralised:,}")
    for flag, found in summary.flagged.items():
        preferred = f"{found.preferred:,} of {found.compared:,} preferred"
        table.add_row(f"flagged: {flag}", f"{found.responses:,}  ({preferred})")
    for reason, count in summary.finish_reasons.items():
        table.add_row(f"verdicts: {reason}", f"{count:,}")
    session = summary.session
    if session is not None and session.pairs_per_second is not None:
        table.add_row("pairs/s (last session)", f"{session.pairs_per_second:.2f}")
        table.add_row("time (last session)", duration(session.seconds))
    return table


def scorers_table(summary: Summary) -> RichTable:
    """Return the table of a judge and the reward models beside it, one column each."""
    scorers = list(summary.scorers.values())
    rows: list[tuple[str, ...]] = []
    for key, label in (
        ("response_1", "Response 1 preferred"),
        ("response_2", "Response 2 preferred"),
        ("none", "no preference"),
    ):
        wins = (summary.win_shares, *(s.win_shares for s in scorers))
        rows.append((label, *(share(of[key]) for of in wins)))
    rows.append(("agrees with the judge", "", *(share(s.agreement) for s in scorers)))
    rows.append(("  pairs compared", "", *(f"{s.compared:,}" for s in scorers)))
    margins = (summary.mean_margin, *(s.mean_margin for s in scorers))
    rows.append(("mean margin", *map(number, margins)))
    rows.append(("failed", f"{summary.failed:,}", *(f"{s.failed:,}" for s in scorers)))
    for reason in sorted({reason for s in scorers for reason in s.failures}):
        counts = (summary.failures, *(s.failures for s in scorers))
        rows.append((f"  {reason}", *(f"{found.get(reason, 0):,}" for found in counts)))
    columns = ("", "judge", *summary.scorers)
    return shown(Table("", "judge and reward models", columns, tuple(rows)))


def labels_table(summary: Summary, both_orders: bool) -> RenderableType | None:
    """Return the table of a run beside the labels in its input; None where it has none."""
    if summary.labels is None:
        return None
    columns, rows = summary.labels.table()
    table = shown(Table("", TITLE.lower(), columns, tuple(rows)))
    # Text, not markup: a label may be "[red]".
    notes = (Text(note) for note in summary.labels.notes(both_orders))
    return Group(table if rows else Text(TITLE.lower(), style="table.title"), *notes)


def score_dry_run_table(found: ScoreDryRun) -> RichTable:
    """Return the table of a dry run of a reward model."""
    table = listing("dry run: nothing was written")
    table.add_row("rows", f"{found.rows:,}")
    table.add_row("would be scored", f"{found.scored:,}")
    table.add_row("would fail", f"{found.failures.total():,}")
    for reason, count in sorted(found.failures.items()):
        table.add_row(f"  {reason}", f"{count:,}")
    tokens = found.tokens
    mean = "-" if tokens.mean is None else f"{tokens.mean:,.0f}"
    limit = f"mean {mean}, most {tokens.longest:,} (limit {found.limit:,})"
    table.add_row("tokens of a conversation", limit)
    if found.seconds is not None:
        table.add_row("estimated time", duration(found.seconds))
    return table


def dry_run_table(found: DryRun) -> RichTable:
    """Return the table of a dry run."""
    table = listing("dry run: nothing was written")
    table.add_row("rows", f"{found.rows:,}")
    table.add_row("would be judged", f"{found.judged:,}")
    table.add_row("would fail", f"{found.failures.total():,}")
    for reason, count in sorted(found.failures.items()):
        table.add_row(f"  {reason}", f"{count:,}")
    for order, tokens in found.tokens.items():
        mean = "-" if tokens.mean is None else f"{tokens.mean:,.0f}"
        label = f"prompt tokens, {order} order"
        table.add_row(label, f"mean {mean}, most {tokens.longest:,} (limit {found.limit:,})")
    too_long = found.failures["prompt_too_long"]
    table.add_row("over-length rows", f"{too_long:,}")
    if found.seconds is not None:
        table.add_row("estimated time", f"{duration(found.seconds)}")
        table.caption = found.basis
    return table


def prepared_table(manifest: PreparedManifest) -> RichTable:
    """Return the table of ``judge data prepare``: what was kept, what dropped by which rule."""
    table = listing()
    for side, rows in manifest.sides.items():
        names = told_apart(rows.pairs)
        for source, pairs in rows.pairs.items():
            table.add_row(Text(f"{side}, {names[source]}: read"), f"{pairs.read:,}")
            for rule, dropped in pairs.dropped.items():
                table.add_row(f"  dropped: {rule}", f"{dropped:,}")
            table.add_row("  kept", f"{pairs.kept:,}")
        for kind, examples in rows.table("examples").items():
            table.add_row(f"{side}, examples {kind}", f"{examples:,}")
        for attribute, rated in rows.table("rated").items():
            table.add_row(f"{side}, rated {attribute}", f"{rated:,}")
    listed = manifest.outputs.get("disagreements.jsonl")
    if listed is not None:
        table.add_row("differ from the released consensus", f"{listed.rows:,}")
    for reason, problems in manifest.problems.counts.items():
        table.add_row(f"problems: {reason}", f"{problems:,}")
    return table


@contextmanager
def counting(console: Console, doing: str) -> Iterator[Callable[[int], None]]:
    """Show how many rows were read so far, on a terminal only; yields what is told the number."""
    with console.status(doing) as status:
        told = time.monotonic()

        def tell(rows: int) -> None:
            nonlocal told
            if time.monotonic() - told >= 0.2:
                told = time.monotonic()
                status.update(f"{doing}: {rows:,} rows")

        yield tell


def share(value: float | None) -> str:
    """Return a share of 0 to 1 in per cent, a dash for None."""
    return "-" if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    """Return a number to three places, a dash for None."""
    return "-" if value is None else f"{value:.3f}"
