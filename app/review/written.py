"""Texts that people type."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from judge.pair import Text

LONGEST_TEXT = 20_000
"""Characters of a justification, an elaboration or a reason."""
LONGEST_NOTE = 1_000


def _without_nul(text: str) -> str:
    return text.replace("\0", "")


Written = Annotated[Text, AfterValidator(_without_nul), Field(max_length=LONGEST_TEXT)]
"""Text that a person typed: it has a UTF-8 form and holds no NUL, which PostgreSQL refuses."""
Note = Annotated[Text, AfterValidator(_without_nul), Field(max_length=LONGEST_NOTE)]
