"""An elaboration told while it is written, without the statement that follows it."""

from __future__ import annotations

from judge.infer.engine import Listener
from judge.verdict import may_become_statement

_HALF_A_CHARACTER = "\ufffd"


class Telling:
    """Tells ``listener`` an elaboration that grows; what was told is never taken back.

    Held back until more is known: white space at the end, for an elaboration ends with text; a
    character whose bytes are not all there; a last line that may yet become the statement.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._told = 0

    def written(self, completion: str) -> None:
        """Take the text so far, statement and white space included."""
        text = completion.rstrip(_HALF_A_CHARACTER)
        before, newline, last = text.rpartition("\n")
        self._tell((before if newline and may_become_statement(last) else text).strip())

    def ended(self, elaboration: str) -> None:
        """Take the whole elaboration, as the verdict has it."""
        self._tell(elaboration)

    def _tell(self, text: str) -> None:
        if len(text) > self._told:
            self._listener(text[self._told :])
            self._told = len(text)
