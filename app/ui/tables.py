"""Tables of the pages, and the figures of the dashboard in them: what the plots show, for readers
and for eyes that no plot reaches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.review.figures import Against, Agreement, AnnotatorFigures, Dashboard, Share

NONE = "\N{EN DASH}"
"""Stands where there is nothing to compute a figure of."""
Cells = dict[str, list[Any]]
"""Headers and rows of a table, as Gradio takes them."""
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


def agreement(board: Dashboard) -> list[Cells]:
    """Return how far people agree with one another and the judge with people; and what the reveal
    changed, and what the judge's explanations were called."""
    agree = table(
        "Who|When|Tasks or choices|Kappa|Alpha|Mean difference|Same response",
        [
            ["people among themselves", "before the reveal", *_agreement(board.agreement_first)],
            ["people among themselves", "after it", *_agreement(board.agreement_final)],
            ["the judge against people", "before the reveal", *_against(board.judge_before)],
            ["the judge against people", "after it", *_against(board.judge_after)],
        ],
    )
    changed = board.anchoring
    called = {"right": "right", "partly_right": "partly right", "wrong": "wrong"}
    reveal = table(
        "What the reveal changed, and how explanations were called|Share",
        [
            ["changed: the choice (anchoring rate)", _share(changed.changed)],
            ["changed: the preferred response", _share(changed.changed_response)],
            ["of the changes: towards the judge", _share(changed.towards_judge)],
            ["choices of the response shown first", _share(board.position)],
            *(
                [f"the judge's explanation called {text}", str(board.explanations.get(key, 0))]
                for key, text in called.items()
            ),
        ],
    )
    return [agree, reveal]


def annotators(board: Dashboard) -> Cells:
    """Return a line for each annotator."""
    names = (
        "Annotator|Done|An hour|Median s|Too fast|Same as consensus|Kappa|Shown first|Changed"
        "|Checks right|Skipped|Flagged"
    )
    return table(names, [_annotator(person) for person in board.annotators])


def _annotator(person: AnnotatorFigures) -> list[str]:
    return [
        person.name,
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
    return [str(found.tasks), kappa, alpha, NONE, _share(found.same_response)]


def _against(found: Against) -> list[str]:
    kappa, difference = number(found.kappa, 2), number(found.mean_difference, 2)
    return [str(found.tasks), kappa, NONE, difference, _share(found.same_response)]


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


def table(names: str, rows: Sequence[Sequence[str]]) -> Cells:
    """Return what a table shows.

    Args:
        names: the headers, a ``|`` between them.
    """
    return {"headers": names.split("|"), "data": [list(row) for row in rows]}


def frame(label: str | None = None, **more: Any) -> gr.Dataframe:
    """Return a table that shows texts as they are, those of people too."""
    return gr.Dataframe(
        datatype="str",
        type="array",
        interactive=False,
        label=label,
        show_label=label is not None,
        buttons=[],
        **{"wrap": True, "max_height": 560, **more},
    )
