"""Over-long examples: the middle of a prompt goes, completions and the template's words stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.prompt import PromptBuilder, Template, load_template
from judge.train.batches.cutting import LEAST, MARK, cut, join, split
from judge.train.sft import training as justifier
from judge.train.sft.examples import IGNORED, ExampleSet, tokenize
from tests.train.smoke_runs import smoke

TEMPLATES = ("pairwise_justifier.v1", "guided.v1")


@pytest.fixture(scope="module", params=TEMPLATES)
def builder(request: pytest.FixtureRequest, mini_tokenizer: Any) -> PromptBuilder:
    return PromptBuilder(mini_tokenizer, load_template(request.param))


def twins(template: Template, prompt: str, first: str, second: str) -> list[dict[str, Any]]:
    """Return the two rows of an example, as `judge data prepare` writes them."""
    rows = []
    for order, texts, strength in (
        ("given", (prompt, first, second), -2),
        ("flipped", (prompt, second, first), 2),
    ):
        better, worse = (1, 2) if strength < 0 else (2, 1)
        statement = f"@Response {better} is better than @Response {worse}."
        rows.append(
            {
                "pair_id": "p",
                "order": order,
                "style": "elaboration_first",
                "strength": strength,
                "prompt": [{"role": "user", "content": join(template, texts)}],
                "completion": [
                    {
                        "role": "assistant",
                        "content": f"@Response {better} has the steps in order. {statement}",
                    }
                ],
            }
        )
    return rows


def long_text(word: str, count: int) -> str:
    return " ".join(f"{word}{i}" for i in range(count))


LONG, SHORT = long_text("question", 400), "What is a tide?"
ANSWER, OTHER = long_text("answer", 300), long_text("other", 500)


def shown(examples: ExampleSet, builder: PromptBuilder) -> list[tuple[str, str]]:
    """Return prompt and completion of each item as text."""
    result = []
    for item in examples.items:
        start = next(i for i, label in enumerate(item["labels"]) if label != IGNORED)
        ids = item["input_ids"]
        decode = builder.tokenizer.decode
        result.append((decode(ids[:start], skip_special_tokens=True), decode(ids[start:])))
    return result


def test_the_conversation_is_cut_first(builder: PromptBuilder) -> None:
    rows = twins(builder.template, LONG, "Water that rises.", "A wave.")
    whole = tokenize(rows, builder, 100_000, 1.0)
    room = max(whole.lengths) - 900
    examples = tokenize(rows, builder, room, 1.0, "cut_prompt")
    assert (examples.cut, examples.too_long) == (2, 0) and examples.twins
    assert room - 8 <= max(examples.lengths) <= room  # no more is cut than must be
    given, flipped = shown(examples, builder)
    for prompt, (_, completion), (_, original) in zip(
        (given[0], flipped[0]), (given, flipped), shown(whole, builder), strict=True
    ):
        assert completion == original
        assert "question0 question1" in prompt and "question399" in prompt and MARK in prompt
    texts = [split(builder.template, content_of(prompt, builder)) for prompt, _ in (given, flipped)]
    assert texts[0] is not None and texts[1] is not None
    assert texts[0][0] == texts[1][0]  # twins are cut alike
    assert texts[0][1:] == ("Water that rises.", "A wave.") == texts[1][:0:-1]


def content_of(prompt: str, builder: PromptBuilder) -> str:
    """Return the user turn of a decoded prompt: from the template's first words to its last."""
    text = builder.template.text
    first, last = text.split("{", 1)[0], text.rsplit("}", 1)[1]
    begin = prompt.index(first) if first else prompt.index("question0")
    return prompt[begin : prompt.rindex(last) + len(last)]


def test_then_both_responses_to_the_same_length(builder: PromptBuilder) -> None:
    rows = twins(builder.template, LONG, ANSWER, OTHER)
    asked_little = twins(builder.template, cut(LONG, LEAST), ANSWER, OTHER)
    room = max(tokenize(asked_little, builder, 100_000, 1.0).lengths) - 1000
    examples = tokenize(rows, builder, room, 1.0, "cut_prompt")
    assert examples.cut == 2 and room - 16 <= max(examples.lengths) <= room
    texts = split(builder.template, content_of(shown(examples, builder)[0][0], builder))
    assert texts is not None
    prompt, first, second = texts
    assert len(prompt) == LEAST and len(first) == len(second) < len(ANSWER)
    assert first.startswith("answer0 ") and first.endswith("answer299")
    assert second.startswith("other0 ") and second.endswith("other499")


def test_what_no_cut_helps_is_dropped_and_counted(builder: PromptBuilder) -> None:
    rows = twins(builder.template, LONG, ANSWER, OTHER)
    examples = tokenize(rows, builder, 150, 1.0, "cut_prompt")
    assert (len(examples), examples.cut, examples.too_long) == (0, 0, 2)


def test_by_default_nothing_is_cut(builder: PromptBuilder) -> None:
    rows = twins(builder.template, LONG, ANSWER, OTHER)
    examples = tokenize(rows, builder, 1200, 1.0)
    assert (len(examples), examples.cut, examples.too_long) == (0, 0, 2)


def test_examples_that_fit_are_what_they_were(builder: PromptBuilder) -> None:
    rows = twins(builder.template, SHORT, "Water.", "A wave.") + twins(
        builder.template, LONG, "Water.", "A wave."
    )
    room = max(tokenize(rows, builder, 100_000, 1.0).lengths) - 200
    both = tokenize(rows, builder, room, 1.0, "cut_prompt")
    assert both.items[:2] == tokenize(rows[:2], builder, room, 1.0).items
    assert [item["index"] for item in both.items] == [0, 1, 2, 3] and both.cut == 2


@given(st.text(max_size=60), st.integers(len(MARK) + 2, 50))
def test_a_cut_keeps_beginning_and_end(text: str, keep: int) -> None:
    shorter = cut(text, keep)
    assert len(shorter) == min(len(text), keep)
    if shorter != text:
        head, _, tail = shorter.partition(MARK)
        assert text.startswith(head) or MARK in text
        assert text.endswith(shorter[-1])
        assert abs(len(head) - len(tail)) <= 1 or MARK in text


@given(st.tuples(*[st.text("ab @:\n[1.", min_size=1, max_size=40)] * 3))
def test_texts_are_told_from_the_template(texts: tuple[str, str, str]) -> None:
    texts = tuple(text.strip() or "x" for text in texts)  # type: ignore[assignment]
    for name in TEMPLATES:
        template = load_template(name)
        assert split(template, join(template, texts)) == texts


def test_a_template_s_words_inside_a_text_are_no_boundary() -> None:
    """Prepared data has none (they are neutralised); foreign data is dropped, never cut wrongly."""
    template = load_template("pairwise_justifier.v1")
    assert split(template, join(template, ("Why @Response 1:\nhm?", "So.", "No."))) is None
    assert split(template, "no template at all") is None


def test_the_manifest_counts_what_was_cut(prepared: Path, tmp_path: Path) -> None:
    options = ("max_steps=1", "too_long=cut_prompt", "max_length=300", "packing=true")
    manifest = justifier.run(smoke(prepared, tmp_path, *options))
    assert manifest is not None
    counts = manifest.counts
    assert counts["train_cut_prompts"] > 0
    assert counts["train_examples"] >= counts["train_cut_prompts"]
