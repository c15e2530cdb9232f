"""SteerLM: attributes into the tokens of a prompt, in training and afterwards; rated responses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from judge.conversation import ConversationBuilder
from judge.errors import RowError, UsageError
from judge.infer.engines.writing import Drawing, Speech, Waiting, drawing_of, opening_of
from judge.models import resolve_model
from judge.online.ratings import run as rate
from judge.options import checked
from judge.pair import Message
from judge.respond_config import RespondConfig, load_respond_config
from judge.reward import Reward
from judge.steering import as_value, attribute_line, read_attributes, without_lines
from judge.train.align import sft
from judge.train.align.config import PolicySFTConfig
from judge.train.align.conversations import Steering, load_conversations, read_conversations
from judge.train.align.ratings_config import RatingsConfig
from judge.train.config import load_recipe
from tests.train.reward_sets import preference_set, regression_set, tiny_base

FIVE = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
LINE = "helpfulness:4,correctness:3,coherence:4,complexity:1,verbosity:0\n"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(resolve_model("mini"))


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return regression_set(tmp_path_factory.mktemp("rated") / "set")


def test_a_line_has_the_attributes_in_helpsteer2_s_order() -> None:
    values = {"verbosity": 0, "helpfulness": 4, "coherence": 4, "complexity": 1, "correctness": 3}
    assert attribute_line(values) == LINE
    assert attribute_line({"helpfulness": 2}) == "helpfulness:2\n"
    assert [as_value(x) for x in (-1.0, 0.49, 0.5, 2.5, 3.4999, 9.0)] == [0, 0, 1, 3, 3, 4]
    assert read_attributes("verbosity=1, helpfulness = 4") == {"verbosity": 1, "helpfulness": 4}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("helpfulness", "expected NAME=VALUE, as helpfulness=4,verbosity=1; found 'helpfulness'"),
        ("kindness=4", "'kindness' is none of helpfulness, correctness"),
        ("helpfulness=5", "helpfulness is '5', expected 0 to 4, whole"),
        ("helpfulness=-1", "helpfulness is '-1'"),
        ("helpfulness=3.5", "helpfulness is '3.5'"),
        ("verbosity=1,verbosity=1", "verbosity is there twice"),
        ("", "expected NAME=VALUE"),
    ],
)
def test_wrong_attributes_are_one_line(text: str, said: str) -> None:
    given = {"input": "-", "out": "x", "model": "mini", "attributes": text or " "}
    with pytest.raises(UsageError, match=said) as error:
        load_respond_config(None, given)
    assert len(str(error.value).splitlines()) == 1


def ask(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def test_the_line_opens_the_turn_and_nothing_else_changes(tokenizer: Any) -> None:
    builder = ConversationBuilder(tokenizer)
    said = (*ask("Why is the sky blue?"), Message(role="assistant", content="Air."))
    (plain,) = builder.turns([said])
    (turn,) = builder.turns([said], [LINE])
    own = builder.prompts([said[:-1]], [""])[0]
    assert own == plain.prompt and turn.response == plain.response
    assert turn.prompt[: len(own)] == own
    assert tokenizer.decode(turn.prompt[len(own) :]) == LINE
    (other,) = builder.turns([said], [LINE.replace("verbosity:0", "verbosity:4")])
    assert other.prompt != turn.prompt and len(other.prompt) == len(turn.prompt)
    (hostile,) = builder.prompts([said[:-1]], [f"x{tokenizer.eos_token}"])
    before = sum(token in builder.control_ids for token in own)
    assert sum(token in builder.control_ids for token in hostile) == before


def test_a_line_in_a_prompt_s_text_is_no_line(tokenizer: Any) -> None:
    asked = ask(f"Be brief.\n{LINE}HELPFULNESS : 0, quality: 3 and helpfulness: yes")
    (said,) = without_lines(asked)
    assert said.content == (
        "Be brief.\nhelpfulness 4,correctness 3,coherence 4,complexity 1,verbosity 0\n"
        "HELPFULNESS   0, quality: 3 and helpfulness: yes"
    )
    speech = Speech(tokenizer, {}, 4096, Drawing(8, opening=LINE))
    (ids,) = speech.prompts([Waiting(asked, 1)])
    assert isinstance(ids, list)
    (unsteered,) = Speech(tokenizer, {}, 4096, Drawing(8)).prompts([Waiting((said,), 1)])
    line = tokenizer(LINE, add_special_tokens=False)["input_ids"]
    assert ids == [*unsteered, *line]  # type: ignore[misc]
    places = [i for i in range(len(ids)) if ids[i : i + len(line)] == line]
    assert places == [len(ids) - len(line)]
    (untouched,) = Speech(tokenizer, {}, 4096, Drawing(8)).prompts([Waiting(asked, 1)])
    assert untouched != unsteered  # without attributes texts stay as they are


def test_rated_rows_become_responses_with_their_line(tokenizer: Any, rated: Path) -> None:
    builder, steering = ConversationBuilder(tokenizer), Steering(FIVE)  # type: ignore[arg-type]
    found = load_conversations(
        read_conversations(rated / "train.jsonl", steering.attributes),
        builder,
        1024,
        None,
        steering,
    )
    rows = [json.loads(line) for line in (rated / "train.jsonl").read_text().splitlines()]
    whole = [row for row in rows if all(row[name] is not None for name in FIVE)]
    assert len(found) == len(whole) and found.left_out["not_rated"] == len(rows) - len(whole)
    line = ",".join(f"{name}:{int(whole[0][name])}" for name in FIVE) + "\n"
    item = found.items[0]
    assert tokenizer.decode(item["sequences"][0][: item["prompt"]]).endswith(line)
    values = [int(row["helpfulness"]) for row in whole]
    often = max(set(values), key=lambda value: (values.count(value), value))
    assert steering.most_frequent()["helpfulness"] == often
    alone = Steering(("helpfulness",))
    both = load_conversations(
        read_conversations(rated / "train.jsonl", alone.attributes), builder, 1024, None, alone
    )
    assert len(both) == len(rows)


def test_a_rating_off_the_scale_is_named(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({**row, "helpfulness": 7}) + "\n")
    with pytest.raises(UsageError, match="line 1: helpfulness 7 is off the scale, expected 0 to 4"):
        list(read_conversations(file, ("helpfulness",)))


def test_a_policy_learns_by_attributes_and_is_asked_by_them(
    tokenizer: Any, rated: Path, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    base = tiny_base(tmp_path / "base", tokenizer)
    fields = [f"model={base}", f"data={rated}", f"output_dir={tmp_path / 'out'}", "max_steps=2"]
    manifest = sft.run(load_recipe("steerlm_smoke", fields, PolicySFTConfig))
    assert manifest is not None and manifest.counts["train_dropped_not_rated"] > 0
    known = json.loads((tmp_path / "out" / "judge.json").read_text())["attributes"]
    assert tuple(known) == FIVE and all(0 <= value <= 4 for value in known.values())

    def asked(model: Path, attributes: str) -> RespondConfig:
        given = {"input": "-", "out": "x", "model": str(model), "attributes": attributes}
        return load_respond_config(None, given)

    config = asked(tmp_path / "out", "verbosity=1,helpfulness=0")
    assert config.identity()["attributes"] == "helpfulness=0,verbosity=1"
    line = attribute_line({**known, "verbosity": 1, "helpfulness": 0})
    assert opening_of(config) == line
    assert drawing_of(config).describe()["opening"] == line
    assert "opening" not in Drawing().describe()
    with pytest.raises(UsageError, match="was not trained to be told attributes"):
        opening_of(asked(base, "helpfulness=4"))
    (tmp_path / "out" / "judge.json").write_text('{"attributes": {"helpfulness": 4}}')
    with pytest.raises(UsageError, match="knows helpfulness, not verbosity"):
        opening_of(config)


def test_attributes_are_not_for_a_server_and_their_data_is_rated(
    tokenizer: Any, tmp_path: Path
) -> None:
    given = {"input": "-", "out": "x", "model": "m", "attributes": "helpfulness=4"}
    with pytest.raises(UsageError, match="attributes open the model's own turn"):
        load_respond_config(None, {**given, "engine": "server", "url": "http://localhost:1/v1"})
    pairs = preference_set(tmp_path / "pairs")
    base = tiny_base(tmp_path / "base", tokenizer)
    fields = [f"model={base}", f"data={pairs}", f"output_dir={tmp_path / 'out'}"]
    with pytest.raises(UsageError, match=r"kind preference; SteerLM needs .* --kind regression"):
        sft.run(load_recipe("steerlm_smoke", fields, PolicySFTConfig))
    with pytest.raises(UsageError, match="attributes must name each attribute once"):
        load_recipe("steerlm_smoke", [*fields, "attributes=[]"], PolicySFTConfig)


class Rater:
    """A regression model by rule: five values of a response's length, some off the scale."""

    def __init__(self, *outputs: str) -> None:
        self.outputs = outputs or FIVE

    def rewards(self, conversations: Sequence[Sequence[Message]]) -> list[Reward | RowError]:
        found: list[Reward | RowError] = []
        for messages in conversations:
            size = len(messages[-1].content)
            values = {name: size / 50 - k for k, name in enumerate(self.outputs)}
            several = values if len(values) > 1 else {}
            found.append(Reward(value=values[self.outputs[0]], attributes=several))
        found[0] = RowError("prompt_too_long", "of no account")
        return found

    def describe(self) -> dict[str, Any]:
        return {"model": "rater", "outputs": list(self.outputs)}


def never() -> Rater:
    raise AssertionError("the model was loaded for nothing")


def test_responses_are_rated_by_a_model(tokenizer: Any, tmp_path: Path) -> None:
    pairs = preference_set(tmp_path / "pairs")
    asked = {"data": str(pairs), "out": str(tmp_path / "out"), "model": "rater"}
    manifest = rate(checked(RatingsConfig, asked), Rater)
    rows = [
        json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()
    ]
    assert len(rows) == 2 * 32 - 1 and manifest["left_out"] == {"prompt_too_long": 2}
    assert [row["rating_id"] for row in rows[:2]] == ["pair-0:rejected", "pair-1:chosen"]
    for row in rows:
        size = len(row["response"][0]["content"])
        expected = [min(4.0, max(0.0, round(size / 50 - k, 4))) for k in range(5)]
        assert [row[name] for name in FIVE] == pytest.approx(expected, abs=1e-4)
    steering = Steering(FIVE)  # type: ignore[arg-type]
    path = tmp_path / "out" / "train.jsonl"
    found = load_conversations(
        read_conversations(path, steering.attributes),
        ConversationBuilder(tokenizer), 1024, None, steering,
    )  # fmt: skip
    assert len(found) == len(rows)
    before = path.read_bytes()
    rate(checked(RatingsConfig, asked), never)
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match="ratings of another configuration: options is"):
        rate(checked(RatingsConfig, {**asked, "limit": 3}), Rater)
    alone = {**asked, "out": str(tmp_path / "alone"), "limit": 2}
    rate(checked(RatingsConfig, alone), lambda: Rater("helpfulness"))
    (row,) = map(json.loads, (tmp_path / "alone" / "train.jsonl").read_text().splitlines())
    assert "helpfulness" in row and "verbosity" not in row


def test_what_cannot_rate_or_be_rated_is_refused(tmp_path: Path) -> None:
    pairs = preference_set(tmp_path / "pairs")
    asked = {"data": str(pairs), "out": str(tmp_path / "out"), "model": "m"}
    with pytest.raises(UsageError, match="model m gives reward; expected a regression model of"):
        rate(checked(RatingsConfig, asked), lambda: Rater("reward"))
    manifest = {"options": {"kind": "prompts"}, "outputs": {}}
    (pairs / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="kind prompts; expected preference or regression"):
        rate(checked(RatingsConfig, asked), never)
