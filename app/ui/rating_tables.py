"""The figures of a project that rates as tables."""

from __future__ import annotations

from app.review.rating_figures import RatingBoard
from app.ui.tables import Cells, cards, duration, number, share, table


def summary(board: RatingBoard) -> str:
    """Return how far the project is: a card a figure."""
    p = board.progress
    return cards(
        [
            ("Tasks finished", f"{p.finished:,}", f"of {p.tasks:,}"),
            ("Ratings", f"{p.annotations:,}", f"of {p.annotations_wanted:,}"),
            ("In progress", f"{p.in_progress:,}", f"{p.untouched:,} untouched"),
            ("Too far apart", f"{board.dropped:,}", "finished responses that train nothing"),
            ("Flagged", f"{p.flagged:,}", f"{p.withdrawn:,} withdrawn"),
            ("Work left", duration(p.seconds_left), "for one person, at this pace"),
        ]
    )


def attributes(board: RatingBoard) -> Cells:
    """Return how far people agree in each attribute, and what the reveal changed."""
    names = "Attribute|Responses|Kappa before the reveal|Kappa|Alpha|Kappa of the three nearest"
    return table(
        f"{names}|Mean|Changed by the reveal|From the models' values",
        [
            [
                found.attribute,
                str(found.responses),
                number(found.kappa_first, 2),
                number(found.kappa, 2),
                number(found.alpha, 2),
                number(found.kept, 2),
                number(found.mean, 2),
                share(found.changed),
                number(found.model_difference, 2),
            ]
            for found in board.attributes
        ],
    )


def raters(board: RatingBoard) -> Cells:
    """Return a line for each annotator."""
    names = "Annotator|Done|An hour|Median s|Too fast|Helpfulness from the others|Skipped|Flagged"
    return table(
        names,
        [
            [
                one.name,
                str(one.completed),
                number(one.per_hour, 1),
                number(one.median_seconds, 0),
                share(one.too_fast),
                number(one.from_others, 2),
                str(one.skipped),
                str(one.flagged),
            ]
            for one in board.raters
        ],
    )
