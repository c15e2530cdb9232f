"""Reasoning models run here: their thinking is no part of what they say, and holds no verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from judge.config import BatchConfig
from judge.errors import RowError, UsageError
from judge.infer.engines.asking import chat_of
from judge.infer.engines.protocol import Sampling
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.pair import Pair, parse_prompt
from judge.prompt import Chat, Prompt, PromptBuilder, load_template
from judge.verdict import Verdict, render_statement
from tests import families
from tests.infer.test_transformers_engine import agrees, reference
from tests.scripted import TEMPLATE

ONE, TWO = render_statement(-2), render_statement(2)
OPENED = families.CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
QWEN = families.CHATML.replace(
    "assistant\n{% endif %}",
    "assistant\n{% if enable_thinking is defined and not enable_thinking %}"
    "<think>\n\n</think>\n\n{% endif %}{% endif %}",
)


@cache
def reasoner(template: str) -> Any:
    """A tokenizer that knows marks of thinking."""
    tokenizer = families.chatml().tokenizer
    tokenizer.chat_template = template
    return tokenizer


@dataclass
class Scripted:
    """A real model that is made to write a text after its prompt."""

    model: Any
    tokens: list[int]
    prompt: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, **given: Any) -> Any:
        found = self.model(**given)
        if isinstance(given["logits_to_keep"], int):  # not a reading of the statements
            for row, place in enumerate(given["position_ids"][:, -1].tolist()):
                written = place + 1 - self.prompt
                if 0 <= written < len(self.tokens):
                    found.logits[row, -1, self.tokens[written]] += 1000
        return found


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(3)
    size = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 900,
    }
    return Qwen2ForCausalLM(Qwen2Config(vocab_size=800, **size)).eval()


def engine(model: Any, template: str = families.CHATML, **options: Any) -> TransformersEngine:
    tokenizer = reasoner(template)
    sampling = Sampling(options.pop("max_new_tokens", 150))
    template_of_judge = load_template(TEMPLATE)
    return TransformersEngine(model, tokenizer, {}, template_of_judge, sampling, **options)


def prompt(engine: TransformersEngine) -> Prompt:
    pair = Pair(pair_id="1", prompt=parse_prompt("Why?"), response_1="So.", response_2="Because.")
    return engine.builder.build([pair])[0]


def writes(model: Any, text: str, **options: Any) -> tuple[TransformersEngine, Any, list[str]]:
    """Return the engine that is made to write ``text``, its verdict and what it told meanwhile."""
    made = engine(model, **options)
    asked = prompt(made)
    tokens = made.tokenizer(text, add_special_tokens=False).input_ids
    made._decoder.model = Scripted(model, tokens, len(asked.ids))
    told: list[str] = []
    [verdict] = made.stream([asked], "justify", {0: told.append})
    made._decoder.model = model
    return made, verdict, told


@pytest.mark.parametrize("opened", [False, True])
def test_thinking_is_kept_apart_and_its_statements_are_none(model: Any, opened: bool) -> None:
    thinking = f"Hm. Is it so?\n{ONE}\nNo, wait."
    text = f"{'' if opened else '<think>'}{thinking}\n</think>\n\n@Response 2 says why.\n{TWO}"
    template = OPENED if opened else families.CHATML
    made, verdict, told = writes(model, text, template=template)
    assert isinstance(verdict, Verdict)
    assert verdict.thinking == thinking
    assert verdict.elaboration == "@Response 2 says why." == "".join(told)
    assert verdict.finish_reason == "stop"
    before = made.tokenizer(text[: text.rindex("\n") + 1], add_special_tokens=False).input_ids
    assert agrees(verdict.distribution, reference(made, [*prompt(made).ids, *before]))


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("end", ["", f"\n{ONE}", f"\n{ONE}\nSo {TWO}\n{TWO}\n"])
def test_thinking_that_does_not_end_is_no_verdict(model: Any, opened: bool, end: str) -> None:
    text = f"{'' if opened else '<think>'}\nI wonder.{end}" + "\nHm." * 60
    template = OPENED if opened else families.CHATML
    _, verdict, told = writes(model, text, template=template, max_new_tokens=100)
    assert isinstance(verdict, RowError)
    assert verdict.reason == "truncated"
    assert "did not end within 100 tokens" in verdict.detail and "enable_thinking" in verdict.detail
    assert told == []


def test_an_elaboration_out_of_tokens_after_its_thinking_is_forced(model: Any) -> None:
    _, verdict, told = writes(model, f"<think>\n{ONE}\n</think>\n" + "more " * 300)
    assert isinstance(verdict, Verdict)
    assert (verdict.thinking, verdict.finish_reason) == (ONE, "forced")
    assert verdict.elaboration == "".join(told) and set(verdict.elaboration.split()) <= {
        "more",
        "m",
    }


def test_marks_that_are_no_tokens_of_their_own(model: Any) -> None:
    """A model that was taught to spell them."""
    text = f"<think>\nMaybe.\n{ONE}\n</think>\nIt says why.\n{TWO}"
    tokenizer = families.chatml(("<|endoftext|>", "<|im_start|>", "<|im_end|>")).tokenizer
    made = TransformersEngine(model, tokenizer, {}, load_template(TEMPLATE), Sampling(150))
    asked = prompt(made)
    tokens = tokenizer(text, add_special_tokens=False).input_ids
    made._decoder.model = Scripted(model, tokens, len(asked.ids))
    [verdict] = made.judge([asked], "justify")
    assert isinstance(verdict, Verdict)
    assert (verdict.thinking, verdict.elaboration) == (f"Maybe.\n{ONE}", "It says why.")


def test_a_block_that_the_template_opened_is_closed_before_a_verdict_is_read(model: Any) -> None:
    made = engine(model, OPENED)
    asked = prompt(made)
    assert made.tokenizer.decode(asked.ids).endswith("assistant\n<think>\n")
    closing = made.tokenizer("\n</think>\n\n", add_special_tokens=False).input_ids
    [verdict] = made.judge([asked], "verdict")
    assert isinstance(verdict, Verdict)
    assert agrees(verdict.distribution, reference(made, [*asked.ids, *closing]))
    assert made.reserve("verdict") == engine(model).reserve("verdict") + len(closing)


def test_who_was_trained_to_judge_answers_at_once(model: Any) -> None:
    made, verdict, _ = writes(model, f"It says why.\n{TWO}", template=OPENED, chat=Chat())
    assert made.tokenizer.decode(prompt(made).ids).endswith("<think>\n\n</think>\n\n")
    assert isinstance(verdict, Verdict)
    assert (verdict.thinking, verdict.elaboration) == (None, "It says why.")
    trained = PromptBuilder(made.tokenizer, load_template(TEMPLATE))  # as training builds prompts
    assert trained.frame(["x"])[0][-4:] == prompt(made).ids[-4:]


def test_options_reach_the_chat_template(model: Any) -> None:
    plain = prompt(engine(model, QWEN))
    without = prompt(engine(model, QWEN, chat=Chat({"enable_thinking": False}, thinks=True)))
    made = engine(model, QWEN)
    assert made.tokenizer.decode(without.ids) == (
        made.tokenizer.decode(plain.ids) + "<think>\n\n</think>\n\n"
    )


@pytest.mark.parametrize(
    ("options", "told"), [({}, True), ({"enable_thinking": False}, False), ({"other": 1}, True)]
)
def test_a_model_that_may_think_is_announced(options: dict[str, Any], told: bool) -> None:
    lines: list[str] = []
    note: Callable[[str], None] = lines.append
    tokenizer = families.chatml().tokenizer
    asked = BatchConfig(input="-", out="-", model="some/model", chat_template_kwargs=options)
    assert chat_of(asked, tokenizer, False, note) == Chat(options, thinks=True)
    assert bool(lines) == told
    assert not any("enable_thinking" not in line for line in lines)
    lines.clear()
    chat_of(asked, tokenizer, True, note)
    chat_of(asked.model_copy(update={"mode": "verdict"}), tokenizer, False, note)
    chat_of(asked, families.llama3().tokenizer, False, note)
    assert lines == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{", "not a JSON object"),
        ("[]", "dict"),
        ('{"tokenize": true}', "tokenize is not an option of the chat template"),
        ('{"add_generation_prompt": false}', "add_generation_prompt is not"),
    ],
)
def test_options_that_are_none(given: str, says: str) -> None:
    from judge.config import load_batch_config

    with pytest.raises(UsageError, match=says):
        load_batch_config(None, {"input": "-", "out": "-", "chat_template_kwargs": given})
    found = load_batch_config(
        None, {"input": "-", "out": "-", "chat_template_kwargs": '{"enable_thinking": false}'}
    )
    assert found.chat_template_kwargs == {"enable_thinking": False}
