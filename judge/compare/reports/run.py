"""The report of a run folder: of ``judge batch`` and ``judge score``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count, islice
from pathlib import Path
from typing import Any

from judge.compare.disagreements import Disagreement, Queue, disagreements
from judge.compare.reports.pairs import MOST, SIDES, gallery
from judge.compare.reports.reward_figure import write_figure
from judge.compare.reports.run_labels import RunLabels
from judge.compare.reports.run_plots import distributions, plots
from judge.compare.reports.run_tables import SHOWN, tables
from judge.compare.reports.run_texts import InputTexts, read_texts
from judge.compare.systems import read_run
from judge.errors import UsageError
from judge.formats.records import Source
from judge.judgment import Judgment
from judge.metrics.formatting import number
from judge.metrics.label_agreement import TITLE
from judge.report.page import Gallery, Page, Said, Shown, write
from judge.runs.folder import CONFIG, JUDGMENTS, read_failures
from judge.runs.jsonlines import read_rows
from judge.runs.summary import Summary, read_summary

SECTIONS = {
    "labels": (
        TITLE,
        "How often each system prefers the response that the label prefers. No label reaches a"
        " judge: they are read when all is judged.",
    ),
    "preferences": ("Preferences", ""),
    "scorers": ("Judge and reward models", ""),
    "strength": ("Strength", "Negative prefers Response 1, positive Response 2."),
    "position": (
        "Position",
        "Whether where a response stands matters. First slot: what the judge was shown first.",
    ),
    "length": (
        "Length",
        "How often the longer response is chosen; without labels no bias is shown.",
    ),
    "rewards": ("Rewards", ""),
    "verdicts": ("Verdicts", ""),
    "failures": ("Failures", "Rows without a usable verdict: no ties, no guesses."),
}


DRAWN = 20_000
"""Rows that plots and lists are drawn from; of a run with more, as many that lie evenly in it, so
that a page of a million rows takes no more memory than one of these."""


def write_report(folder: Path, source: Source | None = None) -> Path:
    """Write ``report.html`` from a run folder with a summary; return its path.

    Beside it goes ``rewards.svg``, where there are reward models and the input has labels.

    Everything that came from the input or a model is escaped, and the page's own policy lets it
    load nothing and run nothing but its own script. Without the session's timings, the same folder
    gives the same bytes.

    Args:
        source: the input that was judged, for texts and lengths; None where it is gone.

    Raises:
        UsageError: when the folder lacks a file of a finished run, or it cannot be written to.
    """
    summary, config = read_summary(folder), _read_object(folder / CONFIG)
    has_judge = "mode" in config["config"]
    labels = RunLabels(summary.labels, config["config"], _model_name(config))
    every = -(-summary.rows // DRAWN) or 1
    systems = read_run(folder, every)
    ids = list(dict.fromkeys(i for system in systems for i in system.decisions))
    queue = disagreements(ids, systems, MOST)
    judgments = {judgment.pair_id: judgment for judgment in _judgments(folder, queue)}
    labelled = summary.labels is not None and summary.labels.labelled > 0
    texts = read_texts(source, set(ids), judgments.keys(), config["config"], labelled)
    spread = distributions(systems, ids, texts.labels)
    write_figure(spread.rewards if texts.labels else [], folder)
    identity = {f"identity: {name}": value for name, value in config["identity"].items()}
    page = Page(
        title=f"{'Judgments' if has_judge else 'Rewards'}: {config['config']['input']}",
        about=list(_about(config, has_judge)),
        sentence=" ".join([sentence(summary, config, has_judge), *labels.sentences()]),
        tiles=[*labels.tiles(), *_tiles(summary, has_judge)],
        sections=SECTIONS,
        tables=[
            *labels.tables(),
            *tables(summary, islice(read_failures(folder), SHOWN), has_judge),
        ],
        plots=list(plots(summary, systems, ids, texts.lengths, spread)),
        galleries=[_queue(queue, judgments, texts), _first(summary, judgments, texts, has_judge)],
        settings={"digest": config["digest"], **config["config"], **identity},
        notes=list(_notes(summary, every)),
    )
    return write(page, folder)


def _judgments(folder: Path, queue: Queue) -> Iterator[Judgment]:
    """Return the first judgments and those of the queue."""
    wanted, index = {d.pair_id for d in queue.first}, count()

    def parse(row: dict[str, Any]) -> Judgment | None:
        shown = next(index) < SHOWN or row["pair_id"] in wanted
        return Judgment.from_json(row) if shown else None

    return filter(None, read_rows(folder / JUDGMENTS, parse))


def _notes(summary: Summary, every: int) -> Iterator[str]:
    if not summary.complete:
        yield "this run is not complete"
    for line in summary.adapted:
        yield f"the server refused a part of what it was asked: {line}"
    if every > 1:
        yield (
            f"plots and disagreements are drawn from one row in {every} of {summary.rows:,};"
            " counts and tables are of all"
        )


def _about(config: Mapping[str, Any], has_judge: bool) -> Iterator[str]:
    asked = config["config"]
    if has_judge:
        orders = "both orders" if asked["orders"] == "both" else "given order only"
        yield (
            f"Judge: {asked['model']}, mode {asked['mode']}, {orders},"
            f" template {config['identity']['template']}."
        )
    else:
        yield f"Reward model: {asked['model']}."
    yield f"Pairwise Justifier {config['version']}"


def sentence(summary: Summary, config: Mapping[str, Any], has_judge: bool) -> str:
    """Return what was found in plain words."""
    who = _model_name(config)
    if not summary.judged:
        return f"{who} judged none of {summary.rows:,} rows; every one of them failed."
    shares = summary.win_shares
    one, two = _share(shares["response_1"]), _share(shares["response_2"])
    failed = f"; {summary.failed:,} rows failed" if summary.failed else ""
    words = (
        f"Of {summary.judged:,} pairs, {who} prefers Response 1 in {one} and Response 2 in"
        f" {two}{failed}."
    )
    if has_judge and summary.order_consistency is not None:
        words += (
            f" It keeps its choice when the responses change places on"
            f" {_share(summary.order_consistency)} of them, and chooses what it is shown first"
            f" in {_share(summary.first_slot_rate)} of its verdicts."
        )
    for name, scorer in summary.scorers.items() if has_judge else ():
        if scorer.agreement is not None:
            words += (
                f" {name} agrees with it on {_share(scorer.agreement)} of"
                f" {scorer.compared:,} pairs."
            )
    return words


def _tiles(summary: Summary, has_judge: bool) -> Iterator[tuple[str, str, str]]:
    wins, shares = summary.wins, summary.win_shares
    yield f"{summary.judged:,}", "pairs judged", f"of {summary.rows:,} rows"
    yield f"{summary.failed:,}", "rows failed", "listed below, with reasons"
    yield _share(shares["response_1"]), "Response 1 preferred", f"{wins['response_1']:,} pairs"
    yield _share(shares["response_2"]), "Response 2 preferred", f"{wins['response_2']:,} pairs"
    yield _share(shares["none"]), "undecided", f"{wins['none']:,} pairs"
    if has_judge:
        yield _share(summary.order_consistency), "order-consistent", "same choice in both orders"
        yield (
            _share(summary.first_slot_rate),
            "first shown preferred",
            "50 %: no position bias",
        )
    yield number(summary.mean_margin, 3), "mean margin", "|P(1 better) - P(2 better)|, 0 to 1"


def _model_name(config: Mapping[str, Any]) -> str:
    return Path(str(config["config"]["model"])).name or "the model"


def _queue(queue: Queue, judgments: Mapping[str, Judgment], texts: InputTexts) -> Gallery:
    thinking = {judgment.pair_id: thinking_of(judgment) for judgment in judgments.values()}
    found = [_with_texts(d, judgments, texts) for d in queue.first]
    return gallery(found, queue.counts["all"], thinking)


def _with_texts(
    found: Disagreement, judgments: Mapping[str, Judgment], texts: InputTexts
) -> Disagreement:
    judgment = judgments.get(found.pair_id)
    why = judgment and judgment.elaboration
    choices = [
        choice.model_copy(update={"elaboration": why if choice.kind == "judge" else None})
        for choice in found.choices
    ]
    return found.model_copy(update={"choices": choices, "pair": texts.pairs.get(found.pair_id)})


def _first(
    summary: Summary, judgments: Mapping[str, Judgment], texts: InputTexts, has_judge: bool
) -> Gallery:
    title = f"The first {SHOWN} judgments" if summary.judged > SHOWN else "Judgments"
    shown = [
        Shown(j.pair_id, "", list(_said(j, has_judge)), texts.pairs.get(j.pair_id))
        for j in islice(judgments.values(), SHOWN)
    ]
    return Gallery("judgments", title, "", shown, folded=True)


def thinking_of(judgment: Judgment) -> list[tuple[str, str]]:
    """Return what the judge wrote before its answers, in the names of the given order."""
    orders = [(o, v if o == "given" else v.flipped()) for o, v in judgment.orders.items()]
    return [(f"thinking, {o} order", v.thinking) for o, v in orders if v.thinking is not None]


def _said(judgment: Judgment, has_judge: bool) -> Iterator[Said]:
    if has_judge:
        side, words = SIDES[judgment.preference]
        parts = [f"strength {judgment.strength}"]
        if judgment.probability is not None:
            parts.append(f"P(1 better) {judgment.probability:.3f}")
        if judgment.consistent is False:
            parts.append("another choice in the other order")
        why = "\n".join(text for text in (judgment.elaboration, judgment.statement) if text)
        yield Said("judge", side, words, ", ".join(parts), why, thinking_of(judgment))
    for name, scored in judgment.scorers.items():
        if scored.failure is not None:
            yield Said(name, "none", f"failed: {scored.failure.reason}", scored.failure.detail)
            continue
        side, words = SIDES[scored.preference]
        one, two = judgment.rewards[name]
        parts = [f"rewards {number(one, 3)} and {number(two, 3)}"]
        if scored.probability is not None:
            parts.append(f"P(1 better) {scored.probability:.3f}")
        parts += [
            f"{attribute} {number(first, 3)} and {number(second, 3)}"
            for attribute, (first, second) in scored.attributes.items()
        ]
        yield Said(name, side, words, ", ".join(parts))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{path} is damaged") from None
    if not isinstance(value, dict):
        raise UsageError(f"{path} is damaged")
    return value
