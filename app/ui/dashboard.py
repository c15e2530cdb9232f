"""The dashboard: progress, agreement, anchoring, position bias and pace of a project, live."""

from __future__ import annotations

import time
from hashlib import sha256
from threading import Lock
from typing import Any

import gradio as gr

from app.review.figures import Dashboard
from app.review.project import Person
from app.review.rating_figures import RatingBoard
from app.service import Service
from app.ui import rating_tables, tables
from app.ui.handling import QUIETLY, asked, project_of
from app.ui.plots import plots, rating_plots

EVERY_SECONDS = 10
_OF_RATINGS = (
    "Progress",
    "Pace",
    "Agreement by attribute (quadratic kappa)",
    "Helpfulness: how far from the others",
)
_TITLES = (
    "Progress",
    "Pace",
    "Agreement of each two people (quadratic kappa)",
    "Each annotator against the consensus of the others",
    "The judge and the reveal",
    "Position bias of people",
)


class CachedFigures:
    """The figures of each project, computed at most once in :data:`EVERY_SECONDS` whoever looks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = Lock()
        self._kept: dict[int, tuple[float, Dashboard | RatingBoard]] = {}

    def of(self, who: Person, project_id: int) -> Dashboard | RatingBoard:
        """Return the figures of a project that the person may see."""
        with self._lock:
            computed, board = self._kept.get(project_id, (0.0, None))
            if board is None or time.monotonic() - computed > EVERY_SECONDS - 1:
                board = self._service.figures.board(who, project_id)
                self._kept[project_id] = (time.monotonic(), board)
            return board


def build(page: gr.Blocks, service: Service) -> None:
    """Add the dashboard to the page that is being built."""
    figures = CachedFigures(service)
    # A gr.State would make every page of ours, the task page too, hold a connection open for ever.
    seen = gr.Textbox("", visible=False)
    gr.Markdown("# Dashboard")
    summary = gr.Markdown()  # gr.HTML fills its templates by eval, which the policy forbids
    titles, shown = [], []
    for start in range(0, len(_TITLES), 2):
        with gr.Row():
            for title in _TITLES[start : start + 2]:
                with gr.Column(min_width=320):
                    titles.append(gr.Markdown(f"## {title}"))
                    shown.append(gr.Plot(show_label=False, container=False))
    gr.Markdown("## Agreement")
    # Two tables, not one a question: each costs time before the page is there.
    agreement = [tables.frame(), tables.frame()]
    gr.Markdown("## Annotators")
    annotators = tables.frame()
    computed = gr.Markdown()

    def refresh(before: str, request: gr.Request) -> list[Any]:
        with asked(service, request) as who:
            project = project_of(service, who, request, "see_figures")
            board = figures.of(who, project.project_id)
        now = f"Computed {board.computed_at:%Y-%m-%d %H:%M:%S} UTC; updates every 10 s."
        digest = sha256(board.model_dump_json(exclude={"computed_at"}).encode()).hexdigest()
        if digest == before:  # nothing is drawn again for nothing
            return [digest, *[gr.skip()] * (len(outputs) - 2), now]
        if isinstance(board, RatingBoard):
            heads = [f"## {title}" for title in _OF_RATINGS]
            hidden = [gr.update(visible=False)] * (len(shown) - len(heads))
            found = [rating_tables.attributes(board), gr.update(visible=False)]
            return [
                digest,
                rating_tables.summary(board),
                *found,
                rating_tables.raters(board),
                *heads,
                *hidden,
                *rating_plots(board),
                *hidden,
                now,
            ]
        found = [*tables.agreement(board), tables.annotators(board)]
        return [
            digest,
            tables.summary(board),
            *found,
            *[gr.skip()] * len(titles),
            *plots(board),
            now,
        ]

    outputs = [seen, summary, *agreement, annotators, *titles, *shown, computed]
    page.load(refresh, seen, outputs, **QUIETLY)
    gr.Timer(EVERY_SECONDS).tick(refresh, seen, outputs, **QUIETLY)
