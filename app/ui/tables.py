"""The figures of the dashboard as markdown tables: what the plots show, for readers and for eyes
that no plot reaches."""

from __future__ import annotations

import re

from app.review.figures import Against, Agreement, AnnotatorFigures, Dashboard, Share

NONE = "\N{EN DASH}"
"""Stands where there is nothing to compute a figure of."""
_SPECIAL = re.compile(r"[^\w ]")


def escape_markdown(text: str) -> str:
    """Return text of a person, such as a name, so that markdown shows it as it is.

    As character references: behind a backslash an address would still become a link.
    """
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.split()))


def summary(board: Dashboard) -> str:
    """Return how far the project is as HTML: a card a figure; it holds no text of a person."""
    p = board.progress
    found = [
        ("Tasks finished", f"{p.finished:,}", f"of {p.tasks:,}"),
        ("Annotations", f"{p.annotations:,}", f"of {p.annotations_wanted:,}"),
        ("In progress", f"{p.in_progress:,}", f"{p.untouched:,} untouched"),
        ("To adjudicate", f"{p.to_adjudicate:,}", "annotations lie too far apart"),
        ("Flagged", f"{p.flagged:,}", f"{p.withdrawn:,} withdrawn"),
        ("Work left", duration(p.seconds_left), "for one person, at this pace"),
    ]
    return cards(found)


def cards(figures: list[tuple[str, str, str]]) -> str:
    """Return figures as HTML for markdown: name, figure, what it is of; no text of a person."""
    shown = "".join(
        f"<div><dt>{name}</dt><dd>{figure} <small>{more}</small></dd></div>"
        for name, figure, more in figures
    )
    return f'<dl class="cards">{shown}</dl>'


def agreement(board: Dashboard) -> str:
    """Return how far people agree with one another, and the judge with people."""
    people = table(
        ["People among themselves", "Tasks", "Kappa", "Alpha", "Same response"],
        [
            ["before the reveal", *_agreement(board.agreement_first)],
            ["after it", *_agreement(board.agreement_final)],
        ],
    )
    judge = table(
        ["Judge against people", "Choices", "Kappa", "Mean difference", "Same response"],
        [
            ["before the reveal", *_against(board.judge_before)],
            ["after it", *_against(board.judge_after)],
        ],
    )
    changed = board.anchoring
    reveal = table(
        ["What the reveal changed", "Share"],
        [
            ["the choice (anchoring rate)", _share(changed.changed)],
            ["the preferred response", _share(changed.changed_response)],
            ["of the changes, towards the judge", _share(changed.towards_judge)],
            ["choices of the response shown first", _share(board.position)],
        ],
    )
    called = {"right": "right", "partly_right": "partly right", "wrong": "wrong"}
    explanations = table(
        ["The judge's explanation was called", "Times"],
        [[text, str(board.explanations.get(key, 0))] for key, text in called.items()],
    )
    return "\n\n".join((people, judge, reveal, explanations))


def annotators(board: Dashboard) -> str:
    """Return a line for each annotator."""
    names = (
        "Annotator|Done|An hour|Median s|Too fast|Same as consensus|Kappa|Shown first|Changed"
        "|Checks right|Skipped|Flagged"
    )
    return table(names.split("|"), [_annotator(person) for person in board.annotators])


def _annotator(person: AnnotatorFigures) -> list[str]:
    return [
        escape_markdown(person.name),
        str(person.completed),
        number(person.per_hour, 1),
        number(person.median_seconds, 0),
        share(person.too_fast),
        share(person.against_consensus.same_response),
        number(person.against_consensus.kappa, 2),
        share(person.shown_first),
        share(person.changed),
        share(person.checks),
        str(person.skipped),
        str(person.flagged),
    ]


def _agreement(found: Agreement) -> list[str]:
    kappa, alpha = number(found.kappa, 2), number(found.alpha, 2)
    return [str(found.tasks), kappa, alpha, _share(found.same_response)]


def _against(found: Against) -> list[str]:
    kappa, difference = number(found.kappa, 2), number(found.mean_difference, 2)
    return [str(found.tasks), kappa, difference, _share(found.same_response)]


def _share(share: Share) -> str:
    if share.share is None or share.low is None or share.high is None:
        return NONE
    return f"{share.share:.0%} ({share.low:.0%} to {share.high:.0%}, n = {share.total})"


def share(found: Share) -> str:
    """Return a share and of how many it is."""
    return NONE if found.share is None else f"{found.share:.0%} of {found.total}"


def number(value: float | None, digits: int) -> str:
    """Return a figure, or a dash where there is none."""
    return NONE if value is None else f"{value:.{digits}f}"


def duration(seconds: float | None) -> str:
    """Return a time of work in words."""
    if seconds is None:
        return NONE
    minutes = seconds / 60
    if minutes < 1:
        return "under a minute" if seconds else "nothing"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def table(names: list[str], rows: list[list[str]]) -> str:
    """Return a markdown table; its cells are markdown."""
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
