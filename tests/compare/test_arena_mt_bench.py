"""`judge arena mt-bench`: grades read strictly, both turns, right answers, failures and bounds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from judge.cli import app
from judge.compare.arena.mt_bench.plan import grade_of
from judge.compare.arena.mt_bench.wording import load_wording
from judge.errors import RowError, UsageError
from judge.infer.engines import registry
from judge.infer.engines.writing import Answer, Waiting
from tests.compare.arenas import EXAMPLES
from tests.compare.pages import Page, check_safe
from tests.writers import ScriptedWriter

MT = EXAMPLES / "mt_bench"
FILES = [str(MT / f"{name}.jsonl") for name in ("oak", "willow", "maple")]
QUESTIONS = ("--questions", str(MT / "question.jsonl"))
Script = Callable[[Waiting], Answer | RowError]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Good. Grade: [[7]]", 7), ("[[ 7.5 ]]", 7.5), ("[[10]] as said, [[10]]", 10),
        ("[[1]]", 1), ("Rating: [7]", "no_grade"), ("Rating: 7", "no_grade"), ("", "no_grade"),
        ("[[-1]]", "no_grade"), ("[[7/10]]", "no_grade"), ("[[seven]]", "no_grade"),
        ("[[0]]", "out_of_range"), ("[[11]]", "out_of_range"), ("[[10.5]]", "out_of_range"),
        ("[[3]] or rather [[4]]", "several_grades"),
    ],
)  # fmt: skip
def test_a_grade_is_read_strictly(reply: str, expected: float | str) -> None:
    assert grade_of(reply, cut=False) == expected
    assert grade_of(reply, cut=True) == "cut_reply"


def by_length(waiting: Waiting) -> Answer | RowError:
    """Grade the answer that is asked about by its length: at least 2, at most 9."""
    answer = re.split(r"answer ---\n", waiting.messages[-1].content)[-1]
    graded = min(9, 2 + len(answer.split("\n---")[0]) // 20)
    return Answer(f"It is so long. Grade: [[{graded}]]", "stop", 9)


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], ScriptedWriter]:
    """Makes a script the judge of the next commands."""

    def use(script: Script) -> ScriptedWriter:
        writer = ScriptedWriter(script)
        monkeypatch.setattr(registry, "load_writer", lambda config, note=None: writer)
        return writer

    use(by_length)
    return use


def mt_bench(*arguments: Any) -> Result:
    given = ["arena", "mt-bench", *map(str, arguments), "--model", "mini", "--resamples", "50"]
    return CliRunner().invoke(app, given)


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "arena.json").read_bytes())
    return found


Use = Callable[[Script], ScriptedWriter]


def test_means_by_turn_and_category(tmp_path: Path, writers: Use) -> None:
    done = mt_bench(*FILES, *QUESTIONS, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    found = read(tmp_path)
    of = {one["model"]: one for one in found["models"]}
    assert found["questions"] == 5 and found["referred"] == 3
    assert list(of["willow"]["categories"]) == [
        "writing", "math", "coding", "reasoning", "humanities",
    ]  # fmt: skip
    texts = [json.loads(line) for line in (MT / "willow.jsonl").read_text().splitlines()]
    grades = [[min(9, 2 + len(turn) // 20) for turn in row["choices"][0]["turns"]] for row in texts]
    assert of["willow"]["mean"]["value"] == pytest.approx(sum(map(sum, grades)) / 10, abs=1e-6)
    first, second = ([g[turn] for g in grades] for turn in (0, 1))
    assert of["willow"]["turns"][0]["value"] == pytest.approx(sum(first) / 5, abs=1e-6)
    assert of["willow"]["turns"][1]["value"] == pytest.approx(sum(second) / 5, abs=1e-6)
    assert of["willow"]["categories"]["math"]["value"] == sum(grades[1]) / 2
    low, high = of["willow"]["mean"]["interval"]
    assert low < of["willow"]["mean"]["value"] < high and of["willow"]["mean"]["n"] == 10
    whole = [len(turn) for row in texts for turn in row["choices"][0]["turns"]]
    assert found["lengths"]["willow"]["characters"] == pytest.approx(sum(whole) / 10, abs=1e-6)
    assert found["judge"]["model"] == "mini" and "MT-bench has 80" in found["notes"][-1]
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    check_safe(page)
    assert "It is so long. Grade: [[9]]" in page.text
    table = (tmp_path / "tables" / "paper.csv").read_text().splitlines()
    assert table[0] == 'model,MT-Bench,"mean length, characters"'


def test_what_the_judge_is_asked(tmp_path: Path, writers: Use) -> None:
    writer = writers(by_length)
    assert mt_bench(FILES[0], *QUESTIONS, "--out", tmp_path).exit_code == 0
    asked = [waiting.messages[-1].content for waiting in writer.asked]
    assert len(asked) == 10
    assert "Please shut the shared gate at night." in asked[0] and "right answer" not in asked[0]
    assert "notice board" not in asked[0]
    second = asked[1]
    assert second.index("shared gate must be shut") < second.index("notice board")
    assert second.rindex("Notice: the gate is to be shut") > second.index("notice board")
    math = [text for text in asked if "jug holds" in text]
    assert len(math) == 2 and all("3 / 0.25 = 12 cups." in text for text in math)
    assert "18 cups." in math[1] and "so 12 / (2/3) = 18 cups" in math[1]
    assert not any(re.search(r"\{\w+_?\d?\}", text.replace("{ref", "")) for text in asked)


def test_references_of_a_file_go_first_and_lacking_ones_are_told(
    tmp_path: Path, writers: Use
) -> None:
    rows = [json.loads(line) for line in (MT / "question.jsonl").read_text().splitlines()]
    bare = tmp_path / "question.jsonl"
    bare.write_text("".join(json.dumps(r | {"reference": None}) + "\n" for r in rows))
    writer = writers(by_length)
    asked = (FILES[0], "--questions", bare)
    assert mt_bench(*asked, "--out", tmp_path / "bare").exit_code == 0
    assert "3 questions of math, coding, reasoning have no right answer" in "\n".join(
        read(tmp_path / "bare")["notes"]
    )
    assert not any("A right answer" in w.messages[-1].content for w in writer.asked)
    done = mt_bench(*asked, "--references", MT / "reference.jsonl", "--out", tmp_path / "with")
    assert done.exit_code == 0
    assert read(tmp_path / "with")["referred"] == 3


def test_a_right_answer_to_a_question_of_taste_is_not_shown(tmp_path: Path, writers: Use) -> None:
    """So the published rule has it; a category that MT-bench does not know is shown it."""
    rows = [json.loads(line) for line in (MT / "question.jsonl").read_text().splitlines()]
    rows[0] |= {"reference": ["Shown?", "Shown?"]}
    rows[4] |= {"category": "history", "reference": ["Type.", "News."]}
    file = tmp_path / "question.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    writer = writers(by_length)
    assert mt_bench(FILES[0], "--questions", file, "--out", tmp_path / "o").exit_code == 0
    asked = [w.messages[-1].content for w in writer.asked]
    assert not any("Shown?" in text for text in asked)
    assert sum("Type." in text for text in asked) == 2
    assert read(tmp_path / "o")["referred"] == 4


def test_replies_without_a_grade_are_failures_and_in_both_bounds(
    tmp_path: Path, writers: Use
) -> None:
    replies = {0: "[[11]]", 1: "no grade", 2: "[[3]] [[4]]", 3: "LONG", 4: "REFUSE"}
    numbers = count()

    def some(waiting: Waiting) -> Answer | RowError:
        reply = replies.get(next(numbers), "fine [[8]]")
        if reply == "REFUSE":
            return RowError("refused", "the model said no")
        return Answer(reply, "length" if reply == "LONG" else "stop", 3)

    writers(some)
    done = mt_bench(FILES[0], *QUESTIONS, "--out", tmp_path)
    assert done.exit_code == 3, done.output
    (one,) = read(tmp_path)["models"]
    assert one["failures"] == {
        "cut_reply": 1, "no_grade": 1, "out_of_range": 1, "refused": 1, "several_grades": 1,
    }  # fmt: skip
    assert (one["mean"]["value"], one["mean"]["n"], one["mean"]["interval"]) == (8, 5, None)
    assert (one["lowest"], one["highest"]) == ((5 * 8 + 5 * 1) / 10, (5 * 8 + 5 * 10) / 10)
    assert "LONG" in (tmp_path / "run" / "responses.jsonl").read_text()


def test_answers_that_lack_are_failures_that_nobody_is_asked_about(
    tmp_path: Path, writers: Use
) -> None:
    rows = [json.loads(line) for line in (MT / "oak.jsonl").read_text().splitlines()]
    rows[0]["choices"][0]["turns"] = ["Only one turn."]
    rows[1]["choices"][0]["turns"] = ["", "An answer after none."]
    rows[2]["question_id"] = "other"
    rows.append({**rows[3], "choices": [{"index": 0, "turns": ["another", "answer"]}]})
    file = tmp_path / "oak.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    writer = writers(by_length)
    assert mt_bench(file, *QUESTIONS, "--out", tmp_path / "o").exit_code == 3
    found = read(tmp_path / "o")
    (one,) = found["models"]
    assert one["failures"] == {"doubled_answer": 2, "empty_answer": 1, "missing_answer": 3}
    assert len(writer.asked) == one["mean"]["n"] == 4
    notes = "\n".join(found["notes"])
    assert "1 answers of oak are to other questions" in notes
    assert "oak answers 1 questions twice in different words (the first: lines 4 and 6" in notes


def test_a_killed_run_goes_on_and_the_same_command_gives_the_same(
    tmp_path: Path, writers: Use
) -> None:
    asked = (*FILES, *QUESTIONS, "--window", 4)
    assert mt_bench(*asked, "--out", tmp_path / "whole").exit_code == 0
    numbers = count()

    def dying(waiting: Waiting) -> Answer | RowError:
        if next(numbers) == 13:
            raise KeyboardInterrupt
        return by_length(waiting)

    writers(dying)
    assert mt_bench(*asked, "--out", tmp_path / "cut").exit_code != 0
    assert not (tmp_path / "cut" / "arena.json").exists()
    writer = writers(by_length)
    assert mt_bench(*asked, "--out", tmp_path / "cut").exit_code == 0
    assert 0 < len(writer.asked) < 30
    for name in ("arena.json", "prompts.jsonl", "run/responses.jsonl", "report.html"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    idle = writers(by_length)
    assert mt_bench(*asked, "--out", tmp_path / "cut").exit_code == 0 and not idle.asked
    other = mt_bench(FILES[0], *QUESTIONS, "--out", tmp_path / "cut")
    assert other.exit_code == 2 and "prompts of other answers" in other.output


def test_responses_hold_their_own_questions(tmp_path: Path, writers: Use) -> None:
    assert mt_bench(EXAMPLES / "respond", "--out", tmp_path, "--limit", 2).exit_code == 0
    found = read(tmp_path)
    assert (found["questions"], found["referred"]) == (2, 1)
    assert found["models"][0]["model"] == "birch" and found["models"][0]["mean"]["n"] == 4


def published(**changes: str) -> list[dict[str, str]]:
    """Prompts in the published layout, in words of our own."""
    two = "{question_1}|{answer_1}|{question_2}|{answer_2}"
    texts = {
        "single-v1": "{question}|{answer}",
        "single-math-v1": "{question}|{ref_answer_1}|{answer}",
        "single-v1-multi-turn": two,
        "single-math-v1-multi-turn": f"{two}|{{ref_answer_1}}|{{ref_answer_2}}",
        **changes,
    }
    return [
        {"name": name, "type": "single", "system_prompt": f"You are {name}.", "prompt_template": t}
        for name, t in texts.items()
    ]


def test_the_published_wording_from_its_file(tmp_path: Path, writers: Use) -> None:
    file = tmp_path / "judge_prompts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in published()))
    writer = writers(lambda waiting: Answer("[[5]]", "stop", 1))
    done = mt_bench(FILES[2], *QUESTIONS, "--wording", file, "--out", tmp_path / "o")
    assert done.exit_code == 0, done.output
    system, user = writer.asked[2].messages
    assert (system.role, system.content) == ("system", "You are single-math-v1.")
    assert user.content.endswith("|3 / 0.25 = 12 cups.|About ten cups.")
    assert read(tmp_path / "o")["wording"].startswith("judge_prompts.jsonl ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"single-v1": "{question} {answer} {other}"}, "'single-v1' uses answer, other, question"),
        ({"single-v1": "{question}"}, "'single-v1' uses question; expected question, answer"),
    ],
)
def test_a_wording_that_lacks_something_is_one_line(
    changes: dict[str, str], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in published(**changes)))
    with pytest.raises(UsageError) as caught:
        load_wording(str(file))
    assert said in str(caught.value)
    file.write_text(json.dumps(published()[0]) + "\n")
    with pytest.raises(UsageError, match="no prompt 'single-math-v1'"):
        load_wording(str(file))


def test_our_own_wording_is_whole_and_fills_texts_in_once() -> None:
    own = load_wording(None)
    values = {
        "question": "{answer}", "answer": "[[10]] {question}", "question_1": "{answer_2}",
        "answer_1": "a", "question_2": "b", "answer_2": "c", "ref_answer_1": "d",
        "ref_answer_2": "e",
    }  # fmt: skip
    (message,) = own.messages(1, values, False)
    assert "--- The user's question ---\n{answer}\n" in message.content
    assert "[[10]] {question}" in message.content
    for turn in (1, 2):
        for referred in (True, False):
            text = own.messages(turn, values, referred)[0].content
            assert "[[4]]" in text and ("right" in text.lower()) >= referred
    assert (
        own.digest == "235a9e5f4282255b"
    )  # published words never change: a new wording is a new version


def test_bad_input_is_one_line(tmp_path: Path, writers: Use) -> None:
    done = mt_bench(FILES[0], "--out", tmp_path / "o")
    assert done.exit_code == 2 and "--questions FILE" in done.output
    twice = mt_bench(FILES[0], f"oak={FILES[1]}", *QUESTIONS, "--out", tmp_path / "o")
    assert twice.exit_code == 2 and "both hold answers of 'oak'" in twice.output
    three = tmp_path / "three.jsonl"
    three.write_text(json.dumps({"question_id": "fox-1", "turns": ["a", "b", "c"]}) + "\n")
    many = mt_bench(FILES[0], "--questions", three, "--out", tmp_path / "o")
    assert many.exit_code == 2 and "has 3 turns; MT-bench grades 2" in many.output
    assert not (tmp_path / "o").exists()
