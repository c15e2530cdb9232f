"""The outlines constraint of ``justify`` mode: one automaton, one mask a state."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import torch

from judge.verdict import JUSTIFY_REGEX


class Constraint:
    """The automaton of a regex over one tokenizer's vocabulary.

    outlines' own processor for transformers walks the rows one by one and builds each row's mask
    anew; here a state's mask is built once and gathered by all rows in that state.

    Args:
        tokenizer: a transformers tokenizer.
        control_ids: tokens that free text may not hold either (chat markers are text to a regex).
        size: the width of the model's logits, which may exceed the vocabulary.
        device: where the masks are kept.
        regex: of all that is written.
    """

    def __init__(
        self,
        tokenizer: Any,
        control_ids: frozenset[int],
        size: int,
        device: torch.device,
        regex: str = JUSTIFY_REGEX,
    ) -> None:
        self._index = _build_index(tokenizer, regex)
        self._control = sorted(i for i in control_ids if i < size)
        self._size = size
        self._device = device
        self._masks: dict[int, torch.Tensor] = {}
        self.start: int = self._index.get_initial_state()
        """The state before the first token."""

    def forbidden(self, states: Iterable[int]) -> torch.Tensor:
        """Return a bool tensor ``[rows, size]``: the tokens each row may not write next."""
        states = list(states)
        distinct = sorted(set(states))
        table = torch.stack([self._mask(state) for state in distinct])
        if len(distinct) == 1:
            return table.expand(len(states), -1)
        position = {state: i for i, state in enumerate(distinct)}
        return table[torch.tensor([position[s] for s in states], device=self._device)]

    def advance(self, state: int, token: int) -> int:
        """Return the state after ``token``, which must be allowed in ``state``."""
        following = self._index.get_next_state(state, token)
        assert following is not None, "a forbidden token was chosen"
        return int(following)

    def finished(self, state: int) -> bool:
        """Say whether the text so far is an elaboration, a newline and a whole statement."""
        return bool(self._index.is_final_state(state))

    def _mask(self, state: int) -> torch.Tensor:
        if state not in self._masks:
            mask = torch.ones(self._size, dtype=torch.bool)
            allowed = torch.tensor(self._index.get_allowed_tokens(state))
            mask[allowed[allowed < self._size]] = False
            mask[self._control] = True
            self._masks[state] = mask.to(self._device)
        return self._masks[state]


@lru_cache(maxsize=4)
def _build_index(tokenizer: Any, regex: str) -> Any:
    """Compile the regex over the vocabulary (half a second for 128 k entries)."""
    from outlines.backends.outlines_core import OutlinesCoreBackend
    from outlines.models.transformers import TransformerTokenizer
    from outlines_core import Index

    words = TransformerTokenizer(tokenizer)
    vocabulary = OutlinesCoreBackend.create_outlines_core_vocabulary(
        words.get_vocab() if hasattr(words, "get_vocab") else tokenizer.get_vocab(),
        tokenizer.eos_token_id,
        tokenizer.eos_token,
        words.convert_token_to_string,
    )
    return Index(regex, vocabulary)
