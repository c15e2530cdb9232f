"""A comparison as tables of texts: the same ones on the screen and on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from judge.compare.accuracy import SystemAccuracy
from judge.compare.calibration import CalibrationFigures
from judge.compare.comparison import Comparison
from judge.compare.matching import RunMatch
from judge.compare.slices import Slice
from judge.metrics.estimate import Estimate
from judge.metrics.formatting import (
    DASH,
    decimal,
    number,
    p_value,
    points,
    share,
    share_and_interval,
)
from judge.report.tables import Table

_QUEUED = 5
_SELDOM = ("by_content", "exchanged", "unchecked", "other_content", "repeated")


def tables(found: Comparison) -> Iterator[Table]:
    """Yield the tables of a comparison in the order in which they are read."""
    yield _systems(found)
    if any(_odd(match) for match in found.matches[1:]):
        yield _matches(found.matches)
    if found.labelled:
        yield _accuracy(found)
        if found.asked.weights is not None:
            yield _weighted(found)
        if found.tests:
            yield _tests(found)
    yield _agreement(found)
    if found.labelled:
        yield from (_slice(of) for of in found.slices)
        yield _calibration(found)
    if found.explanations:
        yield _explanations(found)
    yield _disagreements(found)


def _systems(found: Comparison) -> Table:
    rows = [
        (
            s.name,
            s.kind.replace("_", " "),
            f"{s.asked:,}",
            f"{s.response_1:,}",
            f"{s.response_2:,}",
            f"{s.ties:,}",
            f"{s.failed:,}",
            number(s.prompt_tokens, 0),
            number(s.completion_tokens, 0),
            number(s.seconds, 3) + (" *" if s.seconds_with else ""),
        )
        for s in found.systems
    ]
    notes = []
    for s in found.systems:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in s.failures.items())
        what = "without a label" if s.kind == "people" else "failed"
        notes += [f"{s.name}, {what}: {reasons}."] if reasons else []
        if s.stray_failures:
            strays = ", ".join(f"{n:,} {reason}" for reason, n in s.stray_failures.items())
            notes.append(f"{s.name}, failed rows that are not pairs: {strays}.")
        if s.unasked:
            notes.append(f"{s.name} was not given {s.unasked:,} pairs that the judge failed on.")
        if s.seconds_with:
            notes.append(f"* {s.name}: together with {', '.join(s.seconds_with)}.")
    columns = (
        "system", "kind", "pairs", "Response 1", "Response 2", "ties", "failed",
        "prompt tokens a pair", "written", "s a pair",
    )  # fmt: skip
    return Table("systems", "Systems", columns, tuple(rows), " ".join(notes))


def _odd(match: RunMatch) -> bool:
    """Say whether there is more to tell of a match than that the pairs are the same."""
    names = ("exchanged", "other_content") if match.labels else ("only_here", *_SELDOM)
    return any(getattr(match, name) for name in ("only_before", *names))


def _matches(matches: Sequence[RunMatch]) -> Table:
    there = [name for name in _SELDOM if any(getattr(m, name) for m in matches)]
    names = ("pairs", "matched", *there, "only_here", "only_before")
    rows = tuple((m.name, *(f"{getattr(m, name):,}" for name in names)) for m in matches)
    notes = []
    for m in matches[1:]:
        only_here = [] if m.labels else [("only there", m.only_here_ids, m.only_here)]
        for what, ids, count in (*only_here, ("not there", m.only_before_ids, m.only_before)):
            if ids:
                more = f" and {count - len(ids):,} more" if count > len(ids) else ""
                notes.append(f"{m.name}, {what}: {', '.join(ids)}{more}.")
    columns = ("run or labels", *(name.replace("_", " ") for name in names))
    return Table("matches", "Which pairs are the same", columns, rows, " ".join(notes))


def _accuracy(found: Comparison) -> Table:
    accuracy = found.accuracy
    columns: dict[str, Callable[[SystemAccuracy], str]] = {
        "labelled pairs": lambda a: f"{a.accuracy.n:,}",
        "accuracy, 95 %": lambda a: share_and_interval(a.accuracy),
    }
    if any(a.ties for a in accuracy):
        columns["ties wrong"] = lambda a: share(a.ties_wrong)
    if any(a.failed for a in accuracy):
        columns["failures half"] = lambda a: share(a.failures_half)
        columns["failures left out"] = lambda a: share(a.failures_left_out)
    if any(a.common.n != a.accuracy.n for a in accuracy):
        columns["on common pairs"] = lambda a: share_and_interval(a.common)
    columns["right / wrong / tie / failed"] = lambda a: (
        f"{a.right:,} / {a.wrong:,} / {a.ties:,} / {a.failed:,}"
    )
    note = "A tie counts half and a failure as wrong, but where a column says otherwise."
    if found.undecided:
        note += f" {found.undecided:,} pairs on which people have no preference do not count."
    return Table(
        "accuracy",
        f"Accuracy against {found.reference} ({found.labels})",
        ("system", *columns),
        tuple((a.system, *(write(a) for write in columns.values())) for a in accuracy),
        _with_reasons(note, [a.accuracy for a in accuracy]),
    )


def _weighted(found: Comparison) -> Table:
    rows = [(a.system, *_cells(a.weighted), DASH) for a in found.accuracy]
    rows += [
        (
            f"{t.first} - {t.second}",
            *_cells(t.weighted_difference, points),
            p_value(t.weighted_p),
        )
        for t in found.tests
    ]
    estimates = [a.weighted for a in found.accuracy] + [t.weighted_difference for t in found.tests]
    return Table(
        "accuracy",
        f"Accuracy and differences weighted by {found.asked.weights}",
        ("system", "pairs", "accuracy, 95 %", "p"),
        tuple(rows),
        _with_reasons("Intervals by bootstrap, p by permutation.", estimates),
    )


def _tests(found: Comparison) -> Table:
    rows = tuple(
        (
            f"{t.first} - {t.second}",
            *_cells(t.difference, points),
            f"{t.first_better:,} / {t.second_better:,}",
            p_value(t.p),
            p_value(t.p_holm),
        )
        for t in found.tests
    )
    columns = ("", "pairs", "difference in points, 95 %", "better on", "p", "p, Holm")
    note = "Exact McNemar test on the pairs that both were given; Holm: adjusted for all tests."
    reasons = _with_reasons(note, [t.difference for t in found.tests])
    return Table("tests", "Is the difference real?", columns, rows, reasons)


def _agreement(found: Comparison) -> Table:
    cells = found.agreement.cells
    rows = [
        (
            f"{c.first} and {c.second}",
            f"{c.percent.n:,}",
            share_and_interval(c.percent),
            decimal(c.kappa),
            decimal(c.kappa_strengths),
            decimal(c.alpha),
        )
        for c in cells
    ]
    every = found.agreement
    rows.append(
        (
            "all but the baseline",
            f"{every.alpha.n:,}",
            DASH,
            DASH,
            DASH,
            decimal(every.alpha),
        )
    )
    columns = ("", "pairs", "same answer, 95 %", "kappa", "kappa of strengths", "alpha")
    note = (
        "A tie is an answer of its own. kappa: Cohen's; of strengths: quadratic-weighted;"
        " alpha: Krippendorff's, nominal."
    )
    estimates = [e for c in cells for e in (c.percent, c.kappa, c.alpha)] + [every.alpha]
    return Table("agreement", "Agreement", columns, tuple(rows), _with_reasons(note, estimates))


def _slice(of: Slice) -> Table:
    names = list(of.levels[0].accuracy) if of.levels else []
    rows = tuple(
        (
            level.name,
            f"{level.labelled:,}",
            *(share_and_interval(e) for e in level.accuracy.values()),
        )
        for level in of.levels
    )
    note = of.why_not or (f"{of.without:,} labelled pairs have none." if of.without else "")
    return Table("slices", f"Accuracy by {of.name}", (of.name, "labelled", *names), rows, note)


def _calibration(found: Comparison) -> Table:
    rows = []
    notes = [
        "By chance: the ECE of a system whose probabilities are exactly right."
        " With a temperature: cross-validated in five folds."
    ]
    for c in found.calibration:
        raw, fitted = c.raw, c.fitted
        rows.append(
            (
                c.system,
                f"{c.temperature.n:,}",
                _ece(raw),
                decimal(raw.brier) if raw else DASH,
                decimal(raw.log_loss) if raw else DASH,
                decimal(c.temperature, 2),
                _ece(fitted),
                decimal(fitted.brier) if fitted else DASH,
                decimal(fitted.log_loss) if fitted else DASH,
            )
        )
        reasons = dict.fromkeys(r for r in (c.why_not, c.temperature.why_not) if r)
        notes += [f"{c.system}: {'; '.join(reasons)}."] if reasons else []
    columns = (
        "system", "pairs", "ECE (by chance)", "Brier", "log loss",
        "temperature", "ECE with it", "Brier", "log loss",
    )  # fmt: skip
    return Table("calibration", "Calibration", columns, tuple(rows), " ".join(notes))


def _explanations(found: Comparison) -> Table:
    rows = tuple(
        (
            e.system,
            *_cells(e.contrary),
            ", ".join(c.pair_id for c in e.pairs[:_QUEUED]) or DASH,
        )
        for e in found.explanations
    )
    note = (
        "Read by rule from names and polarity. Of what people wrote of arguments, 1.9 % are flagged"
        " by mistake, and 42 % where the statement was exchanged (docs/compare.md)."
    )
    columns = ("judge", "explained", "for the other response, 95 %", "the first")
    return Table("explanations", "Do explanations fit their statements?", columns, rows, note)


def _disagreements(found: Comparison) -> Table:
    counts = found.disagreements
    note = (
        f"{counts['all']:,} pairs: a judge differs between its orders on {counts['order_flip']:,},"
        f" models differ on {counts['models']:,}, people and models on {counts['people']:,}."
    )
    rows = tuple((f"{d.rank}", d.pair_id, f"{d.score:.3f}", d.why) for d in found.queue[:_QUEUED])
    columns = ("", "pair", "bits", "who says what")
    return Table("disagreements", "Disagreements to look at first", columns, rows, note)


def _with_reasons(note: str, estimates: Sequence[Estimate | None]) -> str:
    """Return the note with the reasons why estimates are missing, each once."""
    reasons = dict.fromkeys(e.why_not for e in estimates if e is not None and e.why_not)
    return f"{note} Missing: {'; '.join(map(str, reasons))}." if reasons else note


def _cells(
    estimate: Estimate | None, write: Callable[[Estimate], str] = share_and_interval
) -> tuple[str, str]:
    """Return the number of pairs and the figure."""
    return (DASH, DASH) if estimate is None else (f"{estimate.n:,}", write(estimate))


def _ece(reading: CalibrationFigures | None) -> str:
    """Return the calibration error, and what chance alone would make."""
    if reading is None:
        return DASH
    return f"{decimal(reading.ece)} ({reading.ece_by_chance[0]:.3f})"
