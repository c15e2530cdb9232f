"""A reasoning model run here: what it may write, and what of that is its answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from judge.errors import RowError
from judge.prompt import PromptBuilder
from judge.thinking import USUAL, Marks, known_marks, part
from judge.verdict import thoughtful_regex

MOST_MARKS = 2
"""Kinds of marks in a regex: each makes it slower to compile than the last one did."""
ADVICE = (
    "--max-new-tokens holds thinking and elaboration; some models do not think with"
    """ --chat-template-kwargs '{"enable_thinking": false}'"""
)


@dataclass(frozen=True)
class Thought:
    """How one model thinks, as its tokenizer and its chat template say.

    Args:
        builder: of its prompts.
    """

    builder: PromptBuilder

    @property
    def opened(self) -> Marks | None:
        """The marks of the block that every prompt leaves open."""
        return self.builder.opened

    @cached_property
    def regex(self) -> str:
        """The regex of an elaboration and its statement, after any thinking."""
        return thoughtful_regex(self._marks, self.opened)

    @cached_property
    def forbidden(self) -> frozenset[int]:
        """The control tokens that free text may not hold: all but the marks of thinking."""
        return self.builder.control_ids - set(self._added.values())

    def parts(self, text: str, tokens: int) -> tuple[str | None, str]:
        """Return thinking and elaboration of what was written before the statement.

        Raises:
            RowError: ``truncated`` when the thinking did not end within ``tokens``.
        """
        reply = part(text, self.opened)
        if not reply.ended:
            raise unended(tokens)
        return reply.thinking, reply.answer.strip()

    def encode(self, text: str) -> list[int]:
        """Return the ids of what a model wrote: plain text, but for the marks of its thinking."""
        answer = part(text, self.opened).answer
        pieces = self._splits.split(text[: len(text) - len(answer)])
        pieces[-1] += answer
        plain = self.builder.encode(pieces)
        return [
            token
            for place, ids in enumerate(plain)
            for token in (ids if place % 2 == 0 else [self._added[pieces[place]]])
        ]

    @cached_property
    def _added(self) -> dict[str, int]:
        added: dict[str, int] = self.builder.tokenizer.get_added_vocab()
        return {t: added[t] for m in self._all for t in (m.opening, m.closing) if t in added}

    @cached_property
    def _splits(self) -> re.Pattern[str]:
        """What parts a text at the marks that are tokens, which it returns, too."""
        return re.compile(f"({'|'.join(map(re.escape, self._added)) or '(?!)'})")

    @property
    def _all(self) -> list[Marks]:
        return [*([] if self.opened is None else [self.opened]), *self._marks]

    @cached_property
    def _marks(self) -> list[Marks]:
        known = known_marks(self.builder.tokenizer.get_added_vocab())
        return list(dict.fromkeys([*known, USUAL]))[:MOST_MARKS]


def unended(tokens: int) -> RowError:
    """Return the failure of a row whose thinking filled its tokens."""
    return RowError("truncated", f"the thinking did not end within {tokens} tokens; {ADVICE}")


def thinks(tokenizer: Any) -> bool:
    """Say whether the model of a tokenizer may think before it answers."""
    return bool(known_marks(tokenizer.get_added_vocab()))
