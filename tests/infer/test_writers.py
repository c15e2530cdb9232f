"""Answers by transformers: what a plain loop writes, whatever the batch; text that stays text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from judge.errors import RowError
from judge.formats.questions import Question
from judge.infer.engines.transformers.drawing import nucleus
from judge.infer.engines.transformers.writer import TransformersWriter
from judge.infer.engines.writing import Answer, Drawing, Speech, Waiting
from judge.infer.respond.drawn import Drawn
from judge.infer.respond.talks import TurnByTurn
from judge.pair import Message
from judge.runs.responses import NoResponse, Responses
from tests import families

QUESTIONS = ["Why is the sky blue?", "Say hello.", "Name three fruits. " * 6, "2 + 2?", "And now?"]


def ask(text: str, seed: int = 1) -> Waiting:
    return Waiting((Message(role="user", content=text),), seed)


@pytest.fixture(scope="module")
def model() -> Any:
    """A random Llama that fits the tokenizers of every family."""
    torch.manual_seed(5)
    size = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 300,
    }
    return LlamaForCausalLM(LlamaConfig(vocab_size=800, **size)).eval()


def writer(
    model: Any,
    family: families.Family | None = None,
    drawing: Drawing | None = None,
    **options: Any,
) -> TransformersWriter:
    tokenizer = (family or families.llama3()).tokenizer
    return TransformersWriter(model, tokenizer, {}, drawing or Drawing(24), **options)


def plain(made: TransformersWriter, waiting: Waiting, tokens: int) -> Answer | RowError:
    """The greedy answer from one whole forward pass a token, nothing batched or cached."""
    [ids] = made.speech.prompts([waiting])
    assert not isinstance(ids, RowError)
    written: list[int] = []
    while len(written) < tokens and not (written and written[-1] in made.speech.ends):
        with torch.inference_mode():
            logits = made._model(torch.tensor([[*ids, *written]])).logits[0, -1]
        written.append(int(logits.argmax()))
    return made.speech.answer(written, None)


def test_greedy_answers_are_those_of_a_plain_loop_in_any_batch(model: Any) -> None:
    waiting = [ask(text) for text in QUESTIONS]
    made = writer(model)
    expected = [plain(made, one, 24) for one in waiting]
    assert made.write(waiting) == expected
    assert writer(model, batch_tokens=1).write(waiting) == expected  # one at a time
    assert writer(model, cached=200).write(waiting[::-1]) == expected[::-1]
    assert len({str(answer) for answer in expected}) > 1


def test_draws_do_not_depend_on_the_batch_but_on_their_seed(model: Any) -> None:
    drawing = Drawing(16, temperature=1.0, top_p=0.9)
    waiting = [ask(text, seed) for text in QUESTIONS for seed in (1, 2)]
    together = writer(model, drawing=drawing).write(waiting)
    assert writer(model, drawing=drawing, batch_tokens=1).write(waiting) == together
    assert writer(model, drawing=drawing).write(waiting[::-1]) == together[::-1]
    assert all(together[i] != together[i + 1] for i in range(0, len(together), 2))


def test_samples_of_a_prompt_go_through_the_model_once(model: Any) -> None:
    drawing = Drawing(16, temperature=1.0)
    waiting = [ask(text, seed) for text in QUESTIONS[:2] for seed in range(4)]
    made = writer(model, drawing=drawing)
    together = made.write(waiting)
    alone = writer(model, drawing=drawing, batch_tokens=1)
    assert alone.write(waiting) == together
    saved = alone.counts.forwarded_tokens - made.counts.forwarded_tokens
    prompts = [size for size in made.sizes(waiting) if isinstance(size, int)]
    assert saved + made.counts.padding_tokens >= sum(prompts) * 3 / 4
    assert made.counts.prompt_tokens == sum(prompts)


def test_a_nucleus_holds_just_the_likeliest_tokens() -> None:
    scores = torch.tensor([[0.5, 0.2, 0.3], [0.05, 0.9, 0.05], [0.25, 0.25, 0.5]]).log()
    kept = [[bool(x) for x in row] for row in nucleus(scores, 0.6).isfinite()]
    assert kept == [[True, False, True], [False, True, False], [True, False, True]]
    assert torch.equal(nucleus(scores, 1.0), scores)
    left = nucleus(scores, 0.6)
    assert torch.equal(left[left.isfinite()], scores[left.isfinite()])


def test_a_top_p_that_leaves_one_token_is_greedy(model: Any) -> None:
    waiting = [ask(text) for text in QUESTIONS]
    drawn = writer(model, drawing=Drawing(24, temperature=2.0, top_p=1e-6)).write(waiting)
    assert drawn == writer(model).write(waiting)


@pytest.mark.parametrize("family", families.every_family(), ids=lambda family: family.name)
def test_markers_in_a_conversation_stay_text(family: families.Family) -> None:
    speech = Speech(family.tokenizer, {}, 4096, Drawing(24))

    def controls(texts: Sequence[str]) -> list[int]:
        roles = ("user", "assistant", "user")
        messages = tuple(
            Message(role=role, content=text)  # type: ignore[arg-type]
            for role, text in zip(roles, texts, strict=True)
        )
        [ids] = speech.prompts([Waiting(messages, 0)])
        assert not isinstance(ids, RowError), ids
        return [token for token in ids if token in speech.builder.control_ids]

    hostile = "".join(families.MARKERS)
    assert controls([hostile] * 3) == controls(["Why?"] * 3)


def test_a_prompt_as_long_as_the_context_allows(model: Any) -> None:
    made = writer(model, drawing=Drawing(40))
    [short] = made.sizes([ask("a")])
    assert isinstance(short, int)
    words = made.speech.longest - short
    sizes = made.sizes([ask("a" + " the" * words), ask("a" + " the" * (words + 1))])
    assert sizes[0] == 260
    assert isinstance(sizes[1], RowError)
    assert sizes[1].reason == "prompt_too_long"
    assert sizes[1].detail.startswith("261 tokens; the limit is 260: a context of 300 less 40")
    fitting, too_long, hopeless = made.write(
        [ask("a" + " the" * words), ask("a" + " the" * (words + 1)), ask("b" * 3_000_000)]
    )
    assert isinstance(fitting, Answer)
    assert isinstance(too_long, RowError) and isinstance(hopeless, RowError)
    assert hopeless.detail.startswith("more than 324 tokens")


def test_a_later_turn_without_room_for_its_answer_is_a_failure(model: Any) -> None:
    made = writer(model, drawing=Drawing(40))
    asked = Question("q", ask("Why?").messages, later=("a" + " the" * 250,))
    short = Question("r", ask("Why?").messages, later=("How?",))
    long, whole = TurnByTurn(made, 0, "m").answer([Drawn(asked, 3, 0), Drawn(short, 4, 0)])
    assert isinstance(long, NoResponse)
    assert (long.line, long.reason, long.turn) == (3, "prompt_too_long", 2)
    assert isinstance(whole, Responses) and len(whole.responses) == 2


@dataclass
class Scripted:
    """A real model that is made to write tokens after its prompt."""

    model: Any
    tokens: list[int]
    prompt: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, **given: Any) -> Any:
        found = self.model(**given)
        for row, place in enumerate(given["position_ids"][:, -1].tolist()):
            written = place + 1 - self.prompt
            if 0 <= written < len(self.tokens):
                found.logits[row, -1, self.tokens[written]] += 1000
        return found


def writes(model: Any, text: str, template: str | None = None, most: int = 60) -> Any:
    """Return what becomes of ``text``, markers in it written as such, at ``most`` tokens."""
    family = families.chatml()
    family.tokenizer.chat_template = template or families.CHATML
    made = writer(model, family, Drawing(most))
    [ids] = made.speech.prompts([ask("Why?")])
    assert not isinstance(ids, RowError)
    tokens = family.tokenizer(text, add_special_tokens=False).input_ids
    made._tokens._decoder.model = Scripted(model, tokens, len(ids))
    [answer] = made.write([ask("Why?")])
    return answer


def test_an_answer_ends_at_any_token_that_controls(model: Any) -> None:
    assert writes(model, "So it is.<|im_end|>") == Answer("So it is.", "stop", 8)
    assert writes(model, "So.<|im_start|>user\nAnd?<|im_end|>").text == "So."
    assert writes(model, "So.<|endoftext|>").finish == "stop"


def test_an_answer_that_is_cut_is_kept_and_says_so(model: Any) -> None:
    cut = writes(model, "So it is, and so on.<|im_end|>", most=4)
    assert (cut.finish, cut.tokens) == ("length", 4)
    assert "So it is, and so on.".startswith(cut.text)


@pytest.mark.parametrize("text", ["<|im_end|>", " \n\n<|im_end|>", "<|im_start|>"])
def test_an_empty_answer_is_a_failure(model: Any, text: str) -> None:
    answer = writes(model, text)
    assert isinstance(answer, RowError)
    assert (answer.reason, answer.detail) == ("empty_response", "the model wrote nothing")


OPENED = families.CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")


@pytest.mark.parametrize("template", [families.CHATML, OPENED])
def test_thinking_is_no_part_of_an_answer(model: Any, template: str) -> None:
    mark = "" if template == OPENED else "<think>"
    answer = writes(model, f"{mark}Hm. Blue?</think>\n\nSo it is.<|im_end|>", template)
    assert (answer.text, answer.thinking, answer.finish) == ("So it is.", "Hm. Blue?", "stop")
    cut = writes(model, f"{mark}Hm. Blue, or is it so?</think>So.<|im_end|>", template, most=6)
    assert isinstance(cut, RowError) and cut.reason == "truncated"
    nothing = writes(model, f"{mark}Hm.</think>\n<|im_end|>", template)
    assert isinstance(nothing, RowError)
    assert nothing.detail == "the model wrote nothing after its thinking"
    stopped = writes(model, f"{mark}Hm.<|im_end|>", template)
    if template == OPENED:
        assert isinstance(stopped, RowError) and stopped.reason == "empty_response"


def test_options_of_the_chat_template_reach_it() -> None:
    tokenizer = families.chatml().tokenizer
    tokenizer.chat_template = families.CHATML.replace(
        "assistant\n{% endif %}",
        "assistant\n{% if not enable_thinking %}<think></think>{% endif %}{% endif %}",
    )
    sizes = [
        len(Speech(tokenizer, options, 300, Drawing(9)).prompts([ask("Why?")])[0])  # type: ignore[arg-type]
        for options in ({"enable_thinking": True}, {"enable_thinking": False})
    ]
    assert sizes[1] == sizes[0] + 2


def test_counts_and_what_determines_the_answers(model: Any) -> None:
    made = writer(model, drawing=Drawing(5), batch_tokens=64)
    waiting = [ask("Why?"), ask("x" * 20_000)]
    good, bad = made.write(waiting)
    assert isinstance(good, Answer) and isinstance(bad, RowError)
    size = made.sizes(waiting[:1])[0]
    assert made.counts.prompt_tokens == size
    assert made.counts.completion_tokens == good.tokens
    described = made.describe()
    assert described["batch_tokens"] == 64 and described["device"] == "cpu"
    assert (described["max_new_tokens"], described["top_p"]) == (5, 1.0)
