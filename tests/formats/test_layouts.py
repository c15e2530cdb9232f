"""Preference sets as they are published: every layout, in every kind of file, for every reader."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge.annotated import AnnotatedPair, Problem
from judge.formats.annotated import read_annotated, read_rated
from judge.formats.pairs import read_pairs
from judge.formats.sources import open_source
from judge.idset import IdSet
from judge.judgment import Failure
from judge.pair import Pair
from judge.prompt import load_template, render_content
from tests.scripted import row, write_rows

GOOD, BAD = "A good answer.", "A bad answer."
EARLIER = [
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Hi there."},
]
ASKED = {"role": "user", "content": "And now?"}
ONE_TURN = [("user", "And now?")]
TURNS = [("user", "Hello."), ("assistant", "Hi there."), ("user", "And now?")]
HH = "\n\nHuman: Hello.\n\nAssistant: Hi there.\n\nHuman: And now?\n\nAssistant:"


def said(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def shared_gpt(*turns: dict[str, str]) -> list[dict[str, str]]:
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    return [{"from": names[turn["role"]], "value": turn["content"]} for turn in turns]


def parts(content: str) -> list[dict[str, str]]:
    first, _, rest = content.partition(" ")
    return [{"type": "text", "text": first}, {"type": "text", "text": f" {rest}"}]


LAYOUTS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "TRL, explicit prompt": (
        {"prompt": [*EARLIER, ASKED], "chosen": [said(GOOD)], "rejected": [said(BAD)]},
        TURNS,
    ),
    "TRL, implicit prompt": (
        {"chosen": [*EARLIER, ASKED, said(GOOD)], "rejected": [*EARLIER, ASKED, said(BAD)]},
        TURNS,
    ),
    "UltraFeedback": (
        {
            "prompt": "And now?",
            "prompt_id": "x",
            "messages": [ASKED, said(GOOD)],
            "chosen": [ASKED, said(GOOD)],
            "rejected": [ASKED, said(BAD)],
        },
        ONE_TURN,
    ),
    "the prompt is the first message": (
        {
            "prompt": "Hello.",
            "chosen": [*EARLIER, ASKED, said(GOOD)],
            "rejected": [*EARLIER, ASKED, said(BAD)],
        },
        TURNS,
    ),
    "the prompt is the last message": (
        {
            "prompt": "And now?\n",
            "chosen": [*EARLIER, ASKED, said(GOOD)],
            "rejected": [*EARLIER, ASKED, said(BAD)],
        },
        TURNS,
    ),
    "a system message in the prompt alone": (
        {
            "prompt": [{"role": "system", "content": "Be kind."}, ASKED],
            "chosen": [ASKED, said(GOOD)],
            "rejected": [ASKED, said(BAD)],
        },
        [("system", "Be kind."), *ONE_TURN],
    ),
    "a prompt of the system message alone": (
        {
            "prompt": [{"role": "system", "content": "Be kind."}],
            "chosen": [ASKED, said(GOOD)],
            "rejected": [ASKED, said(BAD)],
        },
        [("system", "Be kind."), *ONE_TURN],
    ),
    "responses that go on from the prompt": (
        {
            "prompt": EARLIER[:1],
            "chosen": [EARLIER[1], ASKED, said(GOOD)],
            "rejected": [EARLIER[1], ASKED, said(BAD)],
        },
        TURNS,
    ),
    "HH-RLHF": ({"chosen": f"{HH} {GOOD}", "rejected": f"{HH} {BAD}"}, TURNS),
    "HH-RLHF, prompt apart": ({"prompt": HH, "chosen": GOOD, "rejected": BAD}, TURNS),
    "HH-RLHF, prompt repeated": (
        {"prompt": HH, "chosen": f"{HH} {GOOD}", "rejected": f"{HH} {BAD}"},
        TURNS,
    ),
    "ShareGPT": (
        {
            "conversations": shared_gpt(*EARLIER, ASKED),
            "chosen": shared_gpt(said(GOOD))[0],
            "rejected": shared_gpt(said(BAD))[0],
        },
        TURNS,
    ),
    "ShareGPT, whole conversations": (
        {
            "chosen": shared_gpt(*EARLIER, ASKED, said(GOOD)),
            "rejected": shared_gpt(*EARLIER, ASKED, said(BAD)),
        },
        TURNS,
    ),
    "our own names": (
        {"prompt": [*EARLIER, ASKED], "response_1": [said(GOOD)], "response_2": [said(BAD)]},
        TURNS,
    ),
    "JudgeBench's names": (
        {"question": [ASKED], "response_A": said(GOOD), "response_B": said(BAD)},
        ONE_TURN,
    ),
    "content parts": (
        {
            "prompt": [{"role": "user", "content": parts("And now?")}],
            "chosen": [{"role": "assistant", "content": parts(GOOD)}],
            "rejected": [{"role": "assistant", "content": parts(BAD)}],
        },
        ONE_TURN,
    ),
    "roles": (
        {
            "prompt": [
                {"role": "developer", "content": "Be kind.", "tool_calls": None},
                {"role": "user", "content": "Hello.", "tool_calls": None},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "clock", "arguments": '{"zone": "UTC"}'},
                        }
                    ],
                },
                {"role": "tool", "content": "12:00", "tool_calls": None},
            ],
            "chosen": [said(GOOD)],
            "rejected": [said(BAD)],
        },
        [
            ("system", "Be kind."),
            ("user", "Hello."),
            ("assistant", '[tool call] clock({"zone": "UTC"})'),
            ("tool", "12:00"),
        ],
    ),
}


def written(folder: Path, kind: str, fields: dict[str, Any]) -> Path:
    path = folder / f"in.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([fields]), path)
    elif kind == "csv":
        flat = {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(flat))
            writer.writeheader()
            writer.writerow(flat)
    elif kind == "json":
        path.write_text(json.dumps([fields]))
    else:
        write_rows(path, [fields])
    return path


def judged(path: Path) -> Pair | Failure:
    [(_, found)] = read_pairs(open_source(str(path)).records(), IdSet())
    return found


def annotated(path: Path) -> AnnotatedPair | Problem:
    [found] = read_annotated(str(path))
    return found


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "csv"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read_by_every_reader(tmp_path: Path, layout: str, kind: str) -> None:
    fields, turns = LAYOUTS[layout]
    path = written(tmp_path, kind, {"id": "a", **fields})
    pair = judged(path)
    assert isinstance(pair, Pair), pair
    assert [(m.role, m.content) for m in pair.prompt] == turns
    assert (pair.response_1, pair.response_2) == (GOOD, BAD)
    row = annotated(path)
    assert isinstance(row, AnnotatedPair), row
    assert row.pair == pair
    render_content(load_template("pairwise_justifier.v1"), pair)


def test_a_conversation_shows_its_tools_to_the_judge(tmp_path: Path) -> None:
    fields, _ = LAYOUTS["roles"]
    pair = judged(written(tmp_path, "jsonl", fields))
    assert isinstance(pair, Pair)
    text, _ = render_content(load_template("pairwise_justifier.v1"), pair)
    assert 'Assistant: [tool call] clock({"zone": "UTC"})\n\nTool: 12:00' in text


CALL = {"function": {"name": "add", "arguments": {"a": 1, "b": "ü"}}}
ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "a call alone": (
        {"content": None, "tool_calls": [CALL]},
        '[tool call] add({"a": 1, "b": "ü"})',
    ),
    "text and a call": (
        {"content": "I add.", "tool_calls": [{"name": "add", "arguments": "1, 2"}]},
        "I add.\n[tool call] add(1, 2)",
    ),
    "the older form": (
        {"content": "", "function_call": {"name": "add", "arguments": "{}"}},
        "[tool call] add({})",
    ),
    "a refusal": ({"content": None, "refusal": "I cannot."}, "I cannot."),
    "no calls": ({"content": "Yes.", "tool_calls": []}, "Yes."),
    "thoughts apart": (
        {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}]},
        "<think>\nHm.\n</think>\nYes.",
    ),
    "parts that are texts": ({"content": ["Y", "es."]}, "Yes."),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_response_as_servers_write_it(tmp_path: Path, name: str) -> None:
    fields, expected = ANSWERS[name]
    answer = [{"role": "assistant", **fields}]
    pair = judged(written(tmp_path, "jsonl", row(1, response_1=answer)))
    assert isinstance(pair, Pair), pair
    assert pair.response_1 == expected


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "an image": (
        {"response_1": [{"role": "assistant", "content": [{"type": "image_url"}]}]},
        "wrong_type",
        "response_1 has a part of the type 'image_url'; a judge of texts sees text parts",
    ),
    "a response of the user": (
        {"response_1": [ASKED]},
        "wrong_type",
        "response_1 ends with a message of the user, expected the assistant",
    ),
    "null without calls": (
        {"response_1": [{"role": "assistant", "content": None}]},
        "wrong_type",
        "response_1 has a message of null, expected text",
    ),
    "a nameless call": (
        {"response_1": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]},
        "wrong_type",
        "response_1 has a tool call that is {'id': '1'}, expected a name",
    ),
    "another prompt": (
        {"response_1": [ASKED, said(GOOD)], "response_2": [ASKED, said(BAD)]},
        "bad_prompt",
        "prompt is not the conversation before the last answers",
    ),
    "two conversations": (
        {"response_1": [ASKED, said(GOOD)], "response_2": [*EARLIER, ASKED, said(BAD)]},
        "bad_prompt",
        "response_1 and response_2 differ before their last answers",
    ),
    "an empty answer": (
        {"response_1": [{"role": "assistant", "content": []}]},
        "empty_response",
        "response_1 is empty",
    ),
    "no prompt anywhere": (
        {"prompt": None, "response_1": [said(GOOD)], "response_2": [said(BAD)]},
        "wrong_type",
        "prompt is null, expected text",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_judge_of_texts_can_see_is_a_failure(tmp_path: Path, name: str) -> None:
    fields, reason, detail = REFUSED[name]
    found = judged(written(tmp_path, "jsonl", row(1, **fields)))
    assert isinstance(found, Failure), found
    assert (found.reason, found.detail) == (reason, detail)
    assert isinstance(annotated(tmp_path / "in.jsonl"), Problem)


def test_transcripts_that_part_earlier_are_no_pair(tmp_path: Path) -> None:
    other = HH.replace("Hi there.", "Good day.")
    fields = {"chosen": f"{HH} {GOOD}", "rejected": f"{other} {BAD}"}
    found = judged(written(tmp_path, "jsonl", fields))
    assert isinstance(found, Failure)
    assert found.detail == "chosen and rejected differ before their last answers"


def test_texts_without_a_prompt_are_no_pair(tmp_path: Path) -> None:
    found = judged(written(tmp_path, "jsonl", {"chosen": GOOD, "rejected": BAD}))
    assert isinstance(found, Failure)
    assert found.reason == "missing_field"
    assert found.detail.startswith("no prompt; expected prompt, response_1")


def test_an_answer_that_is_a_dialogue_stays_a_text(tmp_path: Path) -> None:
    dialogue = "Human: Hi!\n\nAssistant: Hello!"
    fields = row(1, prompt="Write a dialogue.", response_1=dialogue, response_2=f"{dialogue} Bye.")
    pair = judged(written(tmp_path, "jsonl", fields))
    assert isinstance(pair, Pair)
    assert pair.response_1 == dialogue
    quoted = f"{dialogue}\n\nWhat is wrong with this?"
    pair = judged(written(tmp_path, "jsonl", row(1, prompt=quoted)))
    assert isinstance(pair, Pair)
    assert [m.content for m in pair.prompt] == [quoted]


# --- ids and values that pandas wrote ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "csv"])
@pytest.mark.parametrize(("given", "expected"), [(1.0, "1"), (7, "7"), (float("nan"), "row-1")])
def test_an_id_that_became_a_float(tmp_path: Path, kind: str, given: float, expected: str) -> None:
    fields = {**row(1), "pair_id": str(given) if kind == "csv" else given}
    pair = judged(written(tmp_path, kind, fields))
    assert isinstance(pair, Pair), pair
    assert pair.pair_id == expected


def test_an_id_that_is_a_text_stays_one(tmp_path: Path) -> None:
    pair = judged(written(tmp_path, "jsonl", row(1, pair_id="1.0")))
    assert pair.pair_id == "1.0"
    failure = judged(written(tmp_path, "jsonl", row(1, pair_id=1.5)))
    assert isinstance(failure, Failure)
    assert failure.detail == "pair_id is a number, expected text"


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
def test_nan_is_no_value(tmp_path: Path, kind: str) -> None:
    nan = float("nan")
    found = annotated(written(tmp_path, kind, row(1, label=nan, strength=nan, domain=nan)))
    assert isinstance(found, AnnotatedPair)
    assert (found.annotations, found.released_strength, found.columns) == ((), None, {})
    failure = judged(written(tmp_path, kind, row(1, response_1=nan)))
    assert isinstance(failure, Failure)
    assert failure.detail == "response_1 is null, expected text"
    ratings = {"prompt": "p", "response": "r", "helpfulness": 3, "verbosity": nan}
    [rated] = read_rated(str(written(tmp_path, kind, ratings)))
    assert not isinstance(rated, Problem)
    assert rated.ratings == {"helpfulness": (3.0,)}
