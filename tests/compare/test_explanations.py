"""Whether explanations speak for the response that their statements name."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.compare.comparison import compare
from judge.compare.config import CompareConfig
from judge.compare.explanations import MOST
from judge.compare.polarity import contrary, polarity, read
from judge.compare.tables import tables
from judge.errors import RowError
from judge.infer import batch
from judge.infer.engines.protocol import Mode, ScriptedEngine
from judge.verdict import Verdict, flip_names, render_statement
from tests.scripted import config, row, write_rows
from tests.test_scripts import load


@pytest.mark.parametrize(
    ("elaboration", "favours"),
    [
        ("@Response 1 is accurate and well structured.", 1),
        ("@Response 2 is accurate and well structured.", 2),
        ("@Response 1 is vague and off topic.", 2),
        ("@Response 1 is not accurate.", 2),
        ("@Response 1 doesn't give any clear examples.", 2),
        ("@Response 1 is not only accurate but also concise.", 1),
        ("@Response 1 is clearer than @Response 2.", 1),
        ("Compared to @Response 2, @Response 1 is clearer.", 1),
        ("Unlike @Response 1, it has sources.", 2),
        ("@Response 1 has less detail.", 2),
        ("@Response 1 has fewer errors.", 1),
        ("@Response 1 is more confusing.", 2),
        ("@Response 2 says more.", 2),
        ("@Response 1 only states an opinion.", 2),
        ("@Response 1 rambles, while @Response 2 explains why.", 2),
        ("@Response 1 lacks sources. It is hard to follow and it rambles.", 2),
        ("There is more substance to @Response 2.", 2),
        ("@response 1 is excellent", 1),
        ("@Response 1 is good, and @Response 2 is good.", None),
        ("Both responses are accurate.", None),
        ("It is clear and convincing.", None),
        ("Flushes cause runs.", None),
        ("@Response 12 is excellent.", None),
        ("", None),
    ],
)
def test_what_an_elaboration_speaks_for(elaboration: str, favours: int | None) -> None:
    assert read(elaboration).favours == favours


def test_a_negation_turns_what_follows_it() -> None:
    assert polarity("is clear") == 1 and polarity("is never clear") == -1
    assert polarity("doesn\u2019t give any clear examples") == -2
    assert read("@Response 1 is not vague but clear and concise.").score == 3
    assert polarity("is a little more clear") == 1


def test_a_single_word_is_no_contradiction() -> None:
    assert not contrary("@Response 2 is clear.", -3)
    assert contrary("@Response 2 is clear and accurate.", -3)
    assert not contrary("@Response 2 is clear and accurate.", 1)


WORDS = "@Response_1 @Response_2 clear vague not than while more less both . , only is"
words = st.sampled_from([word.replace("_", " ") for word in WORDS.split()])


@given(st.lists(words, max_size=30).map(" ".join))
def test_exchanged_names_exchange_the_reading(text: str) -> None:
    one, other = read(text), read(flip_names(text))
    assert one.score == other.score
    assert {one.favours, other.favours} in ({1, 2}, {None})


def test_megabytes_are_read_in_no_time() -> None:
    for piece in ("@Response 1 ", "not ", "a" * 50, "than @Response 2 ", "n't", "while "):
        assert read(piece * 200_000).score >= 0


def scripted(elaboration: str) -> ScriptedEngine:
    """A judge that always prefers what it sees first, with that elaboration."""

    def answer(text: str, mode: Mode) -> Verdict | RowError:
        return Verdict(
            strength=-2,
            statement=render_statement(-2),
            elaboration=elaboration if mode == "justify" else None,
            finish_reason="stop",
        )

    return ScriptedEngine(answer)


def compared(tmp_path: Path, elaboration: str, **fields: Any) -> Any:
    rows = [row(n, label="response_1") for n in range(MOST + 10)]
    source = write_rows(tmp_path / "in.jsonl", rows)
    asked = config(source, tmp_path / "run", orders="given", **fields)
    batch.run(asked, lambda *_, **__: scripted(elaboration))
    return compare(CompareConfig(runs=(str(tmp_path / "run"),)))


def test_a_judge_that_contradicts_itself_is_found(tmp_path: Path) -> None:
    found = compared(tmp_path, "@Response 2 is clear, accurate and complete.", mode="justify")
    (of,) = found.explanations
    assert of.contrary.value == 1 and of.contrary.n == MOST + 10
    assert [c.pair_id for c in of.pairs[:2]] == ["p0", "p1"] and len(of.pairs) == MOST
    (table,) = [t for t in tables(found) if t.section == "explanations"]
    assert table.rows[0][2].startswith("100.0 %") and "p0" in table.rows[0][3]


def test_of_a_clean_judge_nothing_is_said(tmp_path: Path) -> None:
    found = compared(tmp_path, "@Response 1 is clear, accurate and complete.", mode="justify")
    (of,) = found.explanations
    assert of.contrary.value == 0 and not of.pairs


def test_without_explanations_there_is_no_table(tmp_path: Path) -> None:
    found = compared(tmp_path, "unused", mode="verdict")
    assert found.explanations == []
    assert not [t for t in tables(found) if t.section == "explanations"]


@pytest.mark.shared
def test_the_figures_of_the_docs(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """docs/compare.md and the note under the table say what the script prints."""
    load("explanation_check").main(str(shared / "data/human_pairs/test/preference.jsonl.gz"))
    printed = [line for line in capsys.readouterr().out.splitlines() if "UKPConvArg1" in line]
    page = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")
    assert len(printed) == 2
    for line in printed:
        figures = line.split(" | ", 3)[3]
        assert figures in page
    assert "| 42.2 % [" in printed[1] and "| 1.9 % [" in printed[1]


def test_the_script_counts_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reasons = ["@Response 1 is clear and exact.", "@Response 2 is clear and exact.", "Runs run."]
    statement = render_statement(-2)
    rows = [
        {"all_preferences_unprocessed": [{"strength": -2, "justification": f"{statement} {r}"}]}
        for r in reasons
    ]
    with gzip.open(tmp_path / "p.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(r) + "\n" for r in rows)
    load("explanation_check").main(str(tmp_path / "p.jsonl.gz"))
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("| all | 3 | 2 | 50.0 %") and line.count("33.3 %") == 2
