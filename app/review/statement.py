"""Statements and reasons: the statement follows from the option, the reason is a person's."""

from __future__ import annotations

from collections.abc import Iterable

from app.review.project import Settings
from judge.data.justification import split_justification
from judge.verdict import NEITHER_VALID, render_statement


def lacks_reason(settings: Settings, strength: int, texts: Iterable[str]) -> bool:
    """Return whether the project wants a reason and none of the texts is one."""
    return (
        settings.require_justification
        and strength != NEITHER_VALID
        and not any(text.strip() for text in texts)
    )


def statement_of(strength: int) -> str:
    """Return the option in words; empty where neither response is valid."""
    return "" if strength == NEITHER_VALID else render_statement(strength)


def justification_of(strength: int, elaboration: str) -> str:
    """Return statement and elaboration as one text that ``judge data prepare`` splits again.

    The elaboration follows on the same line, as annotators of HelpSteer2 wrote; where it has its
    own first or last statement of the same response, that one serves.
    """
    elaboration = elaboration.strip()
    chosen = None if strength == NEITHER_VALID else 1 if strength < 0 else 2
    if elaboration and split_justification(elaboration).better == chosen:
        return elaboration
    return " ".join(text for text in (statement_of(strength), elaboration) if text)
