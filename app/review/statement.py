"""Statements that people write: which response they name, and whether that fits the strength."""

from __future__ import annotations

from collections.abc import Iterable

from app.review.project import Settings
from judge.data.justification import split_justification
from judge.verdict import NEITHER_VALID, render_statement


def contradiction(strength: int, statement: str) -> str | None:
    """Return what is wrong where a statement names another response as better than the strength.

    A text that names none is fine.
    """
    named = split_justification(statement).better
    if named is None:
        return None
    if strength == NEITHER_VALID:
        return (
            f"the statement says that Response {named} is better, the choice that neither is valid"
        )
    chosen = 1 if strength < 0 else 2
    if named == chosen:
        return None
    return (
        f"the statement says that Response {named} is better, the choice that Response {chosen} is"
    )


def lacks_reason(settings: Settings, strength: int, texts: Iterable[str]) -> bool:
    """Return whether the project wants a reason and none of the texts is one."""
    return (
        settings.require_justification
        and strength != NEITHER_VALID
        and not any(text.strip() for text in texts)
    )


def statement_of(strength: int, statement: str) -> str:
    """Return the statement of an annotation: the person's own, else the option in words."""
    if statement.strip() or strength == NEITHER_VALID:
        return statement.strip()
    return render_statement(strength)


def justification_of(strength: int, statement: str, elaboration: str) -> str:
    """Return statement and elaboration as one text that ``judge data prepare`` splits again.

    The elaboration follows on the same line, as annotators of HelpSteer2 wrote; where it has its
    own first or last statement of the same response, that one serves.
    """
    statement, elaboration = statement.strip(), elaboration.strip()
    chosen = None if strength == NEITHER_VALID else 1 if strength < 0 else 2
    if not statement and elaboration and split_justification(elaboration).better == chosen:
        return elaboration
    return " ".join(text for text in (statement_of(strength, statement), elaboration) if text)
