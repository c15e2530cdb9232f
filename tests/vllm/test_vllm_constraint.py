"""The constraint as vLLM applies it: the masks of the transformers engine, each built once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from vllm.v1.structured_output import backend_outlines
from vllm.v1.structured_output.backend_types import StructuredOutputOptions

from judge.infer.engines.protocol import Sampling
from judge.infer.engines.transformers.constraint import Constraint
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.infer.engines.vllm.constraint import constrain
from judge.infer.engines.vllm.engine import VllmEngine
from judge.prompt import PromptBuilder, load_template
from judge.verdict import JUSTIFY_REGEX

TEXTS = (
    "Short.\n@Response 1 is better than @Response 2.",
    "@Response 1 is more careful, it says so.\n@Response 1 is slightly better than @Response 2.",
    "Ünïcode 世界.\n\n@Response 2 is not\n@Response 2 is much better than @Response 1.",
)


@pytest.fixture(scope="module")
def builder(vllm_engine: VllmEngine) -> PromptBuilder:
    return vllm_engine.builder


def manager(engine: VllmEngine) -> Any:
    core: Any = engine.llm.llm_engine.engine_core
    return core.engine_core.structured_output_manager


def allowed(state: Any, bitmask: torch.Tensor, size: int) -> torch.Tensor:
    """The tokens that vLLM would let a request write next, as a bool tensor ``[size]``."""
    state.fill_bitmask(bitmask, 1)
    bits = (bitmask[1][:, None] >> torch.arange(32)) & 1
    return bits.flatten()[:size].bool()


def test_the_masks_are_those_of_the_transformers_engine(
    vllm_engine: VllmEngine, mini_engine: TransformersEngine, builder: PromptBuilder
) -> None:
    """Token by token along texts: no state allows a control token, a whole statement is the end."""
    size = mini_engine.model.config.vocab_size
    eos, decode = mini_engine.tokenizer.eos_token_id, mini_engine.tokenizer.decode
    plain = Constraint(mini_engine.tokenizer, builder.control_ids, size, torch.device("cpu"))
    backend = manager(vllm_engine).backend
    bitmask = backend.allocate_token_bitmask(2)
    for text in TEXTS:
        state = backend.compile_grammar(StructuredOutputOptions.REGEX, JUSTIFY_REGEX)
        ours = plain.start
        tokens = builder.encode([text])[0]
        for place, token in enumerate(tokens):
            found = allowed(state, bitmask, size)
            # Half a character is bytes to the one, and U+FFFD, itself a character, to the other.
            if not decode(tokens[:place]).endswith("\ufffd"):
                different = (found != ~plain.forbidden([ours])[0]).nonzero().flatten().tolist()
                assert all("\ufffd" in decode([token]) for token in different)
            assert not found[sorted(builder.control_ids)].any()
            assert found[token]
            assert state.accept_tokens("x", [token])
            ours = plain.advance(ours, token)
        assert plain.finished(ours) and allowed(state, bitmask, size).nonzero().tolist() == [[eos]]
        assert state.accept_tokens("x", [eos]) and state.is_terminated()


def test_a_regex_is_compiled_once_and_a_mask_built_once_a_state(
    vllm_engine: VllmEngine, builder: PromptBuilder
) -> None:
    """Counted, not timed: neither happens again for more prompts, more tokens, another template."""
    prompts = builder.build([_pair(i) for i in range(6)])
    vllm_engine = vllm_engine.bound(sampling=Sampling(40))
    vllm_engine.judge(prompts, "justify")
    backend = manager(vllm_engine).backend
    # What other tests asked of the same engine stays compiled, too.
    indices, masks = dict(backend.indices), backend.masks[JUSTIFY_REGEX]
    before = {state: id(mask) for state, mask in masks.items()}
    vllm_engine.bound(load_template("guided.v1")).judge(prompts * 2, "justify")
    assert manager(vllm_engine).backend is backend
    assert backend.indices == indices and JUSTIFY_REGEX in indices
    assert {state: id(masks[state]) for state in before} == before
    assert len(masks) < 100


def test_the_regex_of_requests_is_parsed_once(
    vllm_engine: VllmEngine, builder: PromptBuilder
) -> None:
    parsed: Any = backend_outlines.validate_regex_is_buildable
    parsed.cache_clear()
    vllm_engine = vllm_engine.bound(sampling=Sampling(4))
    vllm_engine.judge(builder.build([_pair(i) for i in range(6)]), "justify")
    assert (parsed.cache_info().misses, parsed.cache_info().hits) == (1, 5)


def test_what_a_tokenizer_calls_no_special_token_is_still_forbidden(
    vllm_engine: VllmEngine, builder: PromptBuilder
) -> None:
    """As the chat markers of Llama 3: text to a regex, an order to a model."""
    word = builder.encode(["Hello"])[0][0]
    try:
        constrain(vllm_engine.llm, builder.control_ids | {word})
        backend = manager(vllm_engine).backend
        state = backend.compile_grammar(StructuredOutputOptions.REGEX, JUSTIFY_REGEX)
        bitmask = backend.allocate_token_bitmask(2)
        found = allowed(state, bitmask, 8192)
        assert not found[word] and int(found.sum()) > 1000
    finally:
        constrain(vllm_engine.llm, builder.control_ids)


def _pair(number: int) -> Any:
    from judge.pair import Pair, parse_prompt

    return Pair(
        pair_id=str(number),
        prompt=parse_prompt(f"Is {number} even?"),
        response_1="Yes.",
        response_2="It is hard to say without a calculator.",
    )
