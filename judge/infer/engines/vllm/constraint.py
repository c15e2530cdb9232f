"""vLLM's outlines constraint, made fit for a whole run: a mask a state, no control token in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from outlines_core import Index
from vllm.v1.structured_output import backend_outlines
from vllm.v1.structured_output.backend_outlines import OutlinesBackend, OutlinesGrammar


def constrain(llm: Any, forbidden: frozenset[int]) -> None:
    """Let ``llm`` constrain what it writes by outlines, without the tokens ``forbidden``.

    vLLM makes a request's automaton in another thread, and a request whose automaton is late joins
    a later batch: sums, and last digits, would depend on a race. Here it is made where the request
    is added; that is cheap, for the regex is compiled once. vLLM also parses each request's regex,
    some milliseconds, to see whether outlines can build it; what it found is remembered.

    Args:
        llm: a ``vllm.LLM`` whose engine runs in this process
            (``VLLM_ENABLE_V1_MULTIPROCESSING=0``).
        forbidden: ids that may not be written though they are text to a regex (chat markers).
    """
    if not hasattr(backend_outlines.validate_regex_is_buildable, "cache_info"):
        backend_outlines.validate_regex_is_buildable = cache(
            backend_outlines.validate_regex_is_buildable
        )
    manager = llm.llm_engine.engine_core.engine_core.structured_output_manager
    if isinstance(manager.backend, Constraint) and manager.backend.forbidden == forbidden:
        return
    manager._use_async_grammar_compilation = False
    manager.backend = Constraint(
        manager.vllm_config,
        tokenizer=manager.tokenizer,
        vocab_size=manager.vllm_config.model_config.get_vocab_size(),
        forbidden=forbidden,
    )


@dataclass
class Constraint(OutlinesBackend):
    """The outlines backend; what is allowed in a state of the automaton is worked out once.

    vLLM 0.32 builds the mask anew for every token of every request, and has outlines-core list all
    the tokens that may follow, 2.6 ms for a vocabulary of 128 k, to throw them away.
    """

    forbidden: frozenset[int] = frozenset()
    indices: dict[str, Index] = field(default_factory=dict)
    """The compiled automaton of each regex."""
    masks: dict[str, dict[int, torch.Tensor]] = field(default_factory=dict)
    """For each regex and state the allowed tokens, int32 ``[words]``, a bit a token."""

    def _compile_index(self, regex_string: str, vocabulary: Any) -> Index:
        # vLLM's own gives up after five seconds, which a busy machine needs for a large vocabulary.
        if regex_string not in self.indices:
            self.indices[regex_string] = Index(regex_string, vocabulary.inner)
        return self.indices[regex_string]

    def compile_grammar(
        self, request_type: Any, grammar_spec: str, stop_token_ids: set[int] | None = None
    ) -> _State:
        """Return a request's place in the automaton of the regex ``grammar_spec``."""
        made = super().compile_grammar(request_type, grammar_spec, stop_token_ids)
        return _State(
            vocab_size=made.vocab_size,
            eos_token_id=made.eos_token_id,
            guide=_Quiet(made.guide),
            masks=self.masks.setdefault(grammar_spec, {}),
            forbidden=self.forbidden - {made.eos_token_id},
        )


@dataclass
class _State(OutlinesGrammar):
    masks: dict[int, torch.Tensor] = field(default_factory=dict)
    forbidden: frozenset[int] = frozenset()

    def fill_bitmask(self, bitmask: torch.Tensor, idx: int) -> None:
        state = self.guide.get_state()
        mask = self.masks.get(state)
        if mask is None:
            mask = self.masks[state] = self._mask(bitmask.shape[1])
        bitmask[idx] = mask

    def _mask(self, words: int) -> torch.Tensor:
        mask = torch.zeros(words, dtype=torch.int32)
        bits = mask.numpy().view(np.uint32)
        if self.guide.is_finished():
            # The first statement on a line of its own ends a completion; to the regex it might be
            # part of the elaboration of another one.
            bits[self.eos_token_id // 32] = np.uint32(1 << (self.eos_token_id % 32))
            return mask
        self.guide.write_mask_into(mask.data_ptr(), mask.numel(), mask.element_size())
        for token in self.forbidden:
            if token < 32 * words:
                bits[token // 32] &= ~np.uint32(1 << (token % 32))
        return mask


class _Quiet:
    """A guide that moves on without listing what may follow."""

    def __init__(self, guide: Any) -> None:
        self._guide = guide

    def advance(self, token: int) -> None:
        self._guide.advance(token, False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guide, name)
