"""The report of ``judge compare``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from judge.compare.accuracy import SystemAccuracy
from judge.compare.comparison import Comparison
from judge.compare.probes.figures import Figure
from judge.compare.probes.position import position
from judge.compare.reports.compare_plots import plots
from judge.compare.reports.pairs import gallery
from judge.compare.significance import Paired
from judge.compare.systems import read_run
from judge.compare.tables import tables
from judge.metrics.formatting import decimal, p_value, share
from judge.report.page import Page
from judge.report.page import write as write_page

SURE = 0.05
"""The p below which a difference is called more than chance."""
SECTIONS = {
    "systems": ("Systems", ""),
    "matches": ("Pairs", ""),
    "accuracy": ("Accuracy", "Who prefers what people prefer."),
    "tests": ("Differences", "Two systems on the pairs that both were given."),
    "agreement": ("Agreement", "Who says the same as whom, people among them."),
    "slices": ("Accuracy by kind of pair", ""),
    "calibration": (
        "Calibration",
        "Whether a system is right as often as its probabilities say.",
    ),
    "explanations": (
        "Explanations",
        "Whether what a judge writes speaks for the response that its statement names.",
    ),
    "position": (
        "Position",
        "Whether where a response stands matters. A judge's first slot is what it was shown first;"
        " a reward model reads one response at a time and has none.",
    ),
    "length": ("Length", "Whether the longer response wins for its length."),
    "rewards": (
        "Rewards",
        "How the rewards of preferred responses lie beside those of others, and their differences.",
    ),
}


def write_report(found: Comparison, folder: Path) -> Path:
    """Write ``report.html`` of a comparison; return its path. The same bytes each time.

    Raises:
        UsageError: when the folder cannot be written to.
    """
    page = Page(
        title="Judges, reward models and people",
        about=[", ".join(found.asked.runs), f"Pairwise Justifier {found.version}"],
        sentence=sentence(found),
        tiles=list(_tiles(found)),
        sections=SECTIONS,
        tables=[table for table in tables(found) if table.section != "disagreements"],
        plots=list(plots(found, _positions(found))),
        galleries=[gallery(found.queue, found.disagreements["all"])],
        settings=found.asked.model_dump(mode="json"),
        notes=found.notes,
    )
    return write_page(page, folder)


def _positions(found: Comparison) -> list[Figure]:
    """Return the position figures of the judges under the names that the comparison gives them."""
    figures = []
    for summary in found.systems:
        if summary.kind == "judge" and summary.folder is not None:
            judge = read_run(Path(summary.folder))[0]
            judge.name = summary.name
            figures += position(judge)
    return figures


def sentence(found: Comparison) -> str:
    """Return what was found in plain words."""
    models = {s.name for s in found.systems if s.kind in ("judge", "reward_model")}
    known = [a for a in found.accuracy if a.system in models and a.accuracy.value is not None]
    if not known:
        return (
            f"Of {found.pairs:,} pairs none has a label, so no accuracy is known; the systems"
            f" are compared with each other: on {found.disagreements['all']:,} pairs they differ."
            if not found.labelled
            else f"None of the {found.labelled:,} labelled pairs was given to any system."
        )
    best = max(known, key=lambda a: a.accuracy.value or 0.0)
    words = [f"On {best.accuracy.n:,} labelled pairs {_of(best)}."]
    others = [a for a in known if a is not best]
    if others:
        second = max(others, key=lambda a: a.accuracy.value or 0.0)
        words.append(_difference(found.tests, best.system, second.system))
    baselines = {s.name for s in found.systems if s.kind == "baseline"}
    for baseline in (a for a in found.accuracy if a.system in baselines):
        words.append(_difference(found.tests, best.system, baseline.system))
    return " ".join(word for word in words if word)


def _of(best: SystemAccuracy) -> str:
    low, high = best.accuracy.interval or (0.0, 1.0)
    return (
        f"{best.system} prefers what people prefer in {share(best.accuracy)}"
        f" (95 % interval {100 * low:.1f} to {100 * high:.1f})"
    )


def _difference(tests: list[Paired], best: str, other: str) -> str:
    """Return how much more accurate ``best`` is than ``other``, and whether that is chance."""
    test = next((t for t in tests if {t.first, t.second} == {best, other}), None)
    if test is None or test.difference.value is None or test.p_holm is None:
        return ""
    gain = 100 * (test.difference.value if test.first == best else -test.difference.value)
    p = f"p {p_value(test.p_holm)}" if test.p_holm < 0.001 else f"p = {p_value(test.p_holm)}"
    if test.p_holm >= SURE:
        return f"Its distance to {other} ({gain:+.1f} points) may well be chance ({p})."
    side = "above" if gain > 0 else "below"
    return f"It is {abs(gain):.1f} points {side} {other}, more than chance ({p})."


def _tiles(found: Comparison) -> Iterator[tuple[str, str, str]]:
    yield f"{found.pairs:,}", "pairs", "in all runs together"
    yield f"{found.labelled:,}", "labelled", f"by {found.labels or 'nobody'}"
    failed = sum(s.failed for s in found.systems if s.kind in ("judge", "reward_model"))
    yield f"{failed:,}", "failures", "of all systems, listed by reason"
    yield f"{found.disagreements['all']:,}", "disagreements", "pairs on which anyone differs"
    yield f"{found.disagreements['order_flip']:,}", "order flips", "a judge against itself"
    yield decimal(found.agreement.alpha), "Krippendorff's alpha", "1 is perfect agreement"
