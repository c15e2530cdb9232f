"""The batched engine says what a plain loop over single forward passes says."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
import torch

from judge.grammar import Grammar
from judge.infer.capacity import CACHE_BYTES, cache_tokens
from judge.infer.engines.protocol import Sampling
from judge.infer.engines.transformers.constraint import Constraint
from judge.infer.engines.transformers.decode import common_prefix
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.pair import Pair, parse_prompt
from judge.prompt import Prompt, PromptBuilder, load_template
from judge.verdict import (
    JUSTIFY_REGEX,
    STRENGTHS,
    Distribution,
    Verdict,
    parse_statement,
    render_statement,
)


@pytest.fixture(scope="module", name="mini_engine")
def short_engine(mini_engine: TransformersEngine) -> TransformersEngine:
    """The shared engine's model, which writes 40 tokens at most."""
    engine = mini_engine.bound(load_template("pairwise_justifier.v1"), Sampling(40))
    engine.batch_tokens = 8192
    return engine


@pytest.fixture(scope="module")
def builder(mini_engine: TransformersEngine) -> PromptBuilder:
    return mini_engine.builder


@pytest.fixture(scope="module")
def prompts(builder: PromptBuilder) -> list[Prompt]:
    """Both orders of seven pairs of mixed lengths, and one prompt without a neighbour like it."""
    pairs = [
        Pair(
            pair_id=str(i),
            prompt=parse_prompt("Why is the sky blue? " * (i + 1)),
            response_1="Because sunlight scatters. " * (i % 3 + 1),
            response_2="I do not know, ask a cat 🐈. " * (3 - i % 3),
        )
        for i in range(7)
    ]
    both = [order for pair in pairs for order in (pair, pair.flipped())]
    return [*builder.build(both), Prompt(ids=builder.build(both[:1])[0].ids[::-1], neutralised=0)]


def reference(engine: TransformersEngine, ids: list[int]) -> Distribution:
    """The distribution from one plain forward pass a statement, nothing shared or batched."""
    grammar = engine.grammar
    values: list[dict[int, float]] = [{} for _ in grammar.nodes]
    for strength in STRENGTHS:
        path = grammar.paths[strength]
        with torch.inference_mode():
            logits = engine.model(torch.tensor([[*ids, *path]])).logits[0].float()
        log_probs = torch.log_softmax(logits, -1)
        for node, known in zip(grammar.nodes, values, strict=True):
            for token, strengths in node.children.items():
                if strength in strengths:
                    known[token] = float(log_probs[len(ids) + node.depth, token])
    return grammar.distribution(values)


def agrees(one: Distribution | None, other: Distribution) -> bool:
    assert one is not None
    return one.log_probs == pytest.approx(other.log_probs, abs=1e-3) and (
        one.off_grammar == pytest.approx(other.off_grammar, abs=1e-4)
    )


@pytest.fixture(scope="module")
def references(mini_engine: TransformersEngine, prompts: list[Prompt]) -> list[Distribution]:
    return [reference(mini_engine, prompt.ids) for prompt in prompts]


@pytest.mark.parametrize("batch_tokens", [1, 300, 8192])
def test_verdict_mode_equals_single_passes(
    mini_engine: TransformersEngine,
    prompts: list[Prompt],
    references: list[Distribution],
    batch_tokens: int,
) -> None:
    mini_engine = mini_engine.bound()
    mini_engine.batch_tokens = batch_tokens
    verdicts = mini_engine.judge(prompts, "verdict")
    for verdict, expected in zip(verdicts, references, strict=True):
        assert isinstance(verdict, Verdict)
        assert agrees(verdict.distribution, expected)
        assert verdict.finish_reason == "read" and verdict.elaboration is None
        assert verdict.statement == render_statement(verdict.strength)


@pytest.mark.parametrize("most", [1, 1500])
def test_keys_and_values_of_a_batch_stay_within_their_limit(
    mini_engine: TransformersEngine,
    prompts: list[Prompt],
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What may still be written counts; a pair of rows that is too large goes alone."""
    monkeypatch.setattr(mini_engine, "cache_tokens", most)
    room = mini_engine.reserve("justify")
    seen = []
    for batch, twins in mini_engine._batches(prompts, room):
        tokens = len(batch) * (max(len(prompts[i].ids) for i in batch) + room)
        assert tokens <= most or len(batch) == (2 if twins else 1)
        seen += batch
    assert sorted(seen) == list(range(len(prompts)))
    assert cache_tokens(mini_engine.model) == CACHE_BYTES // 8192  # 8 layers, 2 x 64 keys, float32


def plain_loop(engine: TransformersEngine, constraint: Constraint, prompt: Prompt) -> list[int]:
    """The tokens that are likeliest, one after another, where nothing is kept between two of them.

    Found with what transformers keeps; then a pass over all of them, which keeps nothing, has to
    find the same at every place.
    """
    ids, state, kept, masks = list(prompt.ids), constraint.start, None, []
    for _ in range(engine.sampling.max_new_tokens):
        fed = ids if kept is None else ids[-1:]
        with torch.inference_mode():
            output = engine.model(torch.tensor([fed]), past_key_values=kept, use_cache=True)
        kept = output.past_key_values
        masks.append(constraint.forbidden([state])[0])
        ids.append(int(output.logits[0, -1].masked_fill(masks[-1], -torch.inf).argmax()))
        state = constraint.advance(state, ids[-1])
        if constraint.finished(state):
            break
    with torch.inference_mode():
        logits = engine.model(torch.tensor([ids[:-1]])).logits[0, len(prompt.ids) - 1 :]
    written = ids[len(prompt.ids) :]
    assert logits.masked_fill(torch.stack(masks), -torch.inf).argmax(-1).tolist() == written
    return written


def test_justify_mode_equals_a_plain_constrained_loop(
    mini_engine: TransformersEngine, builder: PromptBuilder, prompts: list[Prompt]
) -> None:
    size = mini_engine.model.config.vocab_size
    constraint = Constraint(mini_engine.tokenizer, builder.control_ids, size, torch.device("cpu"))
    verdicts = mini_engine.judge(prompts, "justify")
    for prompt, verdict in zip(prompts, verdicts, strict=True):
        assert isinstance(verdict, Verdict)
        written = plain_loop(mini_engine, constraint, prompt)
        state = reduce(constraint.advance, written, constraint.start)
        ids = [*prompt.ids, *written]
        text = mini_engine.tokenizer.decode(written)
        if constraint.finished(state):
            text = text[: text.rindex("\n") + 1]
            ids = [*prompt.ids, *builder.encode([text])[0]]
        elif not text.endswith("\n"):
            ids += builder.encode(["\n"])[0]
        assert verdict.elaboration == text.strip()
        assert verdict.completion_tokens == len(written)
        assert verdict.finish_reason == ("stop" if constraint.finished(state) else "forced")
        assert agrees(verdict.distribution, reference(mini_engine, ids))


class Scripted:
    """A model that writes given texts, whatever the prompt: each row its own, then anything."""

    def __init__(self, engine: TransformersEngine, script: list[int]) -> None:
        self.engine, self.script = engine, script

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        output = type(self.engine.model).__call__(self.engine.model, *args, **kwargs)
        if isinstance(kwargs.get("logits_to_keep"), int):
            position = int(kwargs["attention_mask"].sum(-1)[0]) - self.start
            output.logits[:] = -20.0
            output.logits[:, -1, self.script[min(position, len(self.script) - 1)]] = 20.0
        return output

    start = 0


@pytest.mark.parametrize(
    ("text", "finish", "elaboration"),
    [
        ("It is shorter.\n@Response 2 is better than @Response 1.", "stop", "It is shorter."),
        ("It names @Response 1 and\nmore.", "forced", None),
        # A statement inside the elaboration does not end it, nor decide anything.
        (
            "So @Response 1 is much better than @Response 2. No.\n"
            "@Response 2 is slightly better than @Response 1.",
            "stop",
            "So @Response 1 is much better than @Response 2. No.",
        ),
    ],
)
def test_the_written_statement_ends_the_elaboration(
    mini_engine: TransformersEngine,
    builder: PromptBuilder,
    prompts: list[Prompt],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    finish: str,
    elaboration: str | None,
) -> None:
    """What the model wrote is cut off at its statement; the distribution is read there anew."""
    scripted = Scripted(mini_engine, builder.encode([text])[0])
    scripted.start = len(prompts[0].ids)
    monkeypatch.setattr(mini_engine._decoder, "model", scripted)
    monkeypatch.setattr(scripted, "dtype", torch.float32, raising=False)
    verdict = mini_engine.judge(prompts[:1], "justify")[0]
    assert isinstance(verdict, Verdict)
    assert verdict.finish_reason == finish
    if elaboration is not None:
        assert verdict.elaboration == elaboration
        lead = builder.encode([elaboration + "\n"])[0]
        expected = reference(mini_engine, [*prompts[0].ids, *lead])
        assert agrees(verdict.distribution, expected)
    assert parse_statement(verdict.statement) == verdict.strength


def test_a_token_over_the_statement_s_edge_is_written_anew(
    mini_engine: TransformersEngine, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one token holds the newline and the statement's start, the row is run again."""
    plain = mini_engine.judge(prompts, "justify")
    real = TransformersEngine._elaboration

    def torn(self: TransformersEngine, row: Any) -> tuple[str, int | None]:
        text, size = real(self, row)
        return text, None if row.stopped else size

    monkeypatch.setattr(TransformersEngine, "_elaboration", torn)
    again = mini_engine.judge(prompts, "justify")
    for one, other in zip(plain, again, strict=True):
        assert isinstance(one, Verdict) and isinstance(other, Verdict)
        assert one.elaboration == other.elaboration and other.distribution is not None
        assert agrees(one.distribution, other.distribution)


def test_the_same_call_gives_the_same_verdicts(
    mini_engine: TransformersEngine, prompts: list[Prompt]
) -> None:
    assert mini_engine.judge(prompts, "justify") == mini_engine.judge(prompts, "justify")


def test_sampling_depends_on_seed_and_prompt_not_on_neighbours(
    mini_engine: TransformersEngine, prompts: list[Prompt]
) -> None:
    drawing = mini_engine.bound(sampling=Sampling(40, temperature=1.0))
    other = mini_engine.bound(sampling=Sampling(40, temperature=1.0, seed=1))

    def texts(engine: TransformersEngine, chosen: list[Prompt]) -> list[str | None]:
        return [v.elaboration for v in engine.judge(chosen, "justify") if isinstance(v, Verdict)]

    every = texts(drawing, prompts)
    assert every == texts(drawing, prompts)
    assert every[:2] == texts(drawing, prompts[:2])
    assert every != texts(other, prompts)


def test_an_engine_with_other_options_has_the_same_model_and_counts_anew(
    mini_engine: TransformersEngine, prompts: list[Prompt]
) -> None:
    mini_engine.judge(prompts[:2], "verdict")
    other = mini_engine.bound(load_template("guided.v1"), Sampling(7))
    assert other.model is mini_engine.model and other.counts.prompt_tokens == 0
    assert mini_engine.counts.prompt_tokens > 0
    assert (mini_engine.sampling, other.sampling) == (Sampling(40), Sampling(7))
    assert mini_engine.builder.template.name != other.builder.template.name == "guided.v1"


def twin_prompts(builder: PromptBuilder) -> list[Prompt]:
    """Both orders of a pair with a long question."""
    pair = Pair(
        pair_id="x",
        prompt=parse_prompt("A long question. " * 60),
        response_1="Yes.",
        response_2="No, not at all.",
    )
    return builder.build([pair, pair.flipped()])


def test_what_twins_share_goes_through_the_model_once(
    mini_engine: TransformersEngine, builder: PromptBuilder
) -> None:
    twins = twin_prompts(builder)
    before = mini_engine.counts.forwarded_tokens
    mini_engine.judge(twins, "verdict")
    forwarded = mini_engine.counts.forwarded_tokens - before
    shared = common_prefix(twins[0].ids, twins[1].ids)
    assert shared > 200
    rest = max(len(p.ids) - shared for p in twins)
    assert forwarded == shared + 2 * rest + 2 * len(mini_engine.grammar.nodes)


def test_masks_are_built_once_a_state(
    mini_engine: TransformersEngine, builder: PromptBuilder, prompts: list[Prompt]
) -> None:
    """Counted, not timed: no mask is made for a row, only for a state of the automaton."""
    made: list[int] = []

    class Counting(Constraint):
        def _mask(self, state: int) -> torch.Tensor:
            if state not in self._masks:
                made.append(state)
            return super()._mask(state)

    size = mini_engine.model.config.vocab_size
    constraint = Counting(mini_engine.tokenizer, builder.control_ids, size, torch.device("cpu"))
    mask = constraint.forbidden([constraint.start] * 500)
    assert mask.shape == (500, size) and made == [constraint.start]
    assert mask.stride()[0] == 0, "the rows should share one mask"


def test_the_constraint_is_the_grammar_s_regex(
    mini_engine: TransformersEngine, builder: PromptBuilder
) -> None:
    import re

    size = mini_engine.model.config.vocab_size
    constraint = Constraint(mini_engine.tokenizer, builder.control_ids, size, torch.device("cpu"))
    texts = [
        "Short.\n@Response 1 is better than @Response 2.",
        "@Response 1 is better than @Response 2.",
        "@Response 1 is more careful.\n@Response 1 is slightly better than @Response 2.",
        "Ünïcode 世界.\n@Response 2 is much better than @Response 1.",
        "Both.\n@Response 1 is better than @Response 1.",
    ]
    for text in texts:
        state, allowed = constraint.start, True
        for token in builder.encode([text])[0]:
            if constraint.forbidden([state])[0, token]:
                allowed = False
                break
            state = constraint.advance(state, token)
        matched = re.fullmatch(JUSTIFY_REGEX, text) is not None
        assert (allowed and constraint.finished(state)) == matched, text


def test_no_control_token_can_be_written(
    mini_engine: TransformersEngine, builder: PromptBuilder
) -> None:
    size = mini_engine.model.config.vocab_size
    constraint = Constraint(mini_engine.tokenizer, builder.control_ids, size, torch.device("cpu"))
    free = constraint.advance(constraint.start, builder.encode(["Hello"])[0][0])
    mask = constraint.forbidden([free])[0]
    assert all(bool(mask[i]) for i in builder.control_ids)
    assert int(mask.sum()) < 2 * len(builder.control_ids)


def test_reserve_and_description(mini_engine: TransformersEngine, builder: PromptBuilder) -> None:
    assert mini_engine.reserve("justify") == mini_engine.reserve("verdict") + 40
    described = mini_engine.describe()
    assert described["engine"] == "transformers" and len(described["model_digest"]) == 16
    assert Grammar(builder).nodes == mini_engine.grammar.nodes
