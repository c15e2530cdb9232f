"""An elaboration told while it is written, without the statement that follows it."""

from __future__ import annotations

from judge.infer.engines.protocol import Listener
from judge.thinking import Marks, may_open, part
from judge.verdict import may_become_statement

_HALF_A_CHARACTER = "\ufffd"


class Telling:
    """Tells ``listener`` an elaboration that grows; what was told is never taken back.

    Held back until more is known: white space at the end, for an elaboration ends with text; a
    character whose bytes are not all there; a last line that may yet become the statement; what may
    yet be thinking. Thinking is not told.

    Args:
        opened: the marks of a block of thinking that the prompt leaves open.
    """

    def __init__(self, listener: Listener, opened: Marks | None = None) -> None:
        self._listener = listener
        self._opened = opened
        self._told = 0

    def written(self, completion: str) -> None:
        """Take the text so far, statement and white space included."""
        text = part(completion.rstrip(_HALF_A_CHARACTER), self._opened).answer
        if may_open(text):
            return
        before, newline, last = text.rpartition("\n")
        self._tell((before if newline and may_become_statement(last) else text).strip())

    def ended(self, elaboration: str) -> None:
        """Take the whole elaboration, as the verdict has it."""
        self._tell(elaboration)

    def _tell(self, text: str) -> None:
        if len(text) > self._told:
            self._listener(text[self._told :])
            self._told = len(text)
