"""A response without a word: a failure, or with ``--empty-responses`` one to be judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judge.compare.config import CompareConfig
from judge.compare.gather import gather
from judge.compare.reports.run import write_report
from judge.errors import UsageError
from judge.formats.labels import row_label
from judge.formats.pairs import read_row
from judge.formats.records import Record
from judge.formats.sources import open_source
from judge.idset import IdSet
from judge.infer import batch, score
from judge.infer.dryrun import dry_run
from judge.judgment import Failure
from judge.pair import Pair
from tests.scripted import config, engine, failures, judgments, row, write_rows
from tests.scripted_scorers import beside, bt, score_config, scored_config


def rows() -> list[dict[str, Any]]:
    """As people judged them in PandaLM's test set: one of two models said nothing."""
    return [
        row(1, response_1="", label=2),
        row(2, response_2=" \n", label=1),
        row(3, label=1),
        row(4, response_1="", response_2=" ", label="tie"),
        row(5, response_1=None, label=2),
    ]


def read(fields: dict[str, Any], **options: bool) -> Pair | Failure:
    return read_row(Record(1, fields), IdSet(), **options)


@pytest.mark.parametrize(
    "fields",
    [
        row(1, response_1=""),
        row(1, response_2="\t\n"),
        row(1, response_1={"role": "assistant", "content": ""}),
        {"id": 1, "prompt": "Q?", "chosen": "yes", "rejected": ""},
        {"id": 1, "question": "Q?", "response_A": "", "response_B": "yes"},
        {
            "id": 1,
            "chosen": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "yes"}],
            "rejected": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": ""}],
        },
    ],
)
def test_every_layout_may_have_one(fields: dict[str, Any]) -> None:
    refused = read(fields)
    assert isinstance(refused, Failure) and refused.reason == "empty_response"
    pair = read(fields, empty_responses=True)
    assert isinstance(pair, Pair), pair
    assert sum(not text.strip() for text in (pair.response_1, pair.response_2)) == 1


def test_what_is_none_stays_a_failure() -> None:
    """Nothing against nothing, null, thinking without an end, an empty prompt."""
    reasons = {
        "identical_responses": row(1, response_1="", response_2=" "),
        "wrong_type": row(1, response_1=None),
        "bad_prompt": row(1, prompt=""),
    }
    for reason, fields in reasons.items():
        found = read(fields, empty_responses=True)
        assert isinstance(found, Failure) and found.reason == reason
    thinking = row(1, response_1="<think>hm</think>")
    found = read(thinking, empty_responses=True, strip_thinking=True)
    assert isinstance(found, Pair) and found.response_1 == ""
    found = read(row(1, response_1="<think>hm"), empty_responses=True, strip_thinking=True)
    assert isinstance(found, Failure) and found.reason == "empty_response"


def test_a_run_judges_and_scores_them(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", rows())
    plain = batch.run(scored_config(input, tmp_path / "plain"), engine, None, beside)
    assert plain.failures == {"empty_response": 3, "wrong_type": 1}
    asked = scored_config(input, tmp_path / "run", empty_responses=True)
    found = batch.run(asked, engine, None, beside)
    assert [f["reason"] for f in failures(tmp_path / "run")] == [
        "identical_responses",
        "wrong_type",
    ]
    assert [j["pair_id"] for j in judgments(tmp_path / "run")] == ["p1", "p2", "p3"]
    assert all(set(j["rewards"]) == {"bt", "reg"} for j in judgments(tmp_path / "run"))
    assert found.labels is not None and found.labels.labelled == 3
    assert found.labels.systems["judge"].longer.value == pytest.approx(2 / 3, abs=1e-6)
    dry = dry_run(config(input, tmp_path / "dry", empty_responses=True), engine)
    assert dry.judged == 3
    scored = score.run(score_config(input, tmp_path / "scored", empty_responses=True), bt)
    assert scored.judged == 3
    with pytest.raises(UsageError, match="empty_responses is true there, false now"):
        batch.run(scored_config(input, tmp_path / "run"), engine, None, beside)


def test_who_reads_the_run_reads_them_too(tmp_path: Path) -> None:
    input = write_rows(tmp_path / "in.jsonl", rows())
    batch.run(config(input, tmp_path / "run", empty_responses=True), engine)
    page = write_report(tmp_path / "run", open_source(str(input))).read_text()
    assert "Question 1?" in page and "Second answer 1." in page
    there = gather(CompareConfig(runs=(str(tmp_path / "run"),)))
    assert there.matched.metadata["p1"].lengths == (0, len("Second answer 1."))
    assert there.people.decisions["p1"].preference == "response_2"
    assert there.baseline.decisions["p1"].preference == "response_2"


def test_the_label_of_a_pair_is_read_as_the_pair_was() -> None:
    first = Record(1, json.dumps(rows()[0]).encode())
    assert row_label(first).why_not == "empty_response"
    found = row_label(first, empty_responses=True)
    assert (found.preference, found.longer) == ("response_2", "response_2")
    long_thought = row(1, response_1="<think>long, long, long</think>ok", label=1)
    record = Record(1, json.dumps(long_thought).encode())
    assert row_label(record).longer == "response_1"
    assert row_label(record, strip_thinking=True).longer == "response_2"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_empty_cell_is_an_empty_response(tmp_path: Path, suffix: str) -> None:
    import pandas

    frame = pandas.DataFrame(rows()[:3])
    input = tmp_path / f"in{suffix}"
    frame.to_csv(input, index=False) if suffix == ".csv" else frame.to_parquet(input)
    found = batch.run(config(input, tmp_path / "run", empty_responses=True), engine)
    assert found.judged == 3 and found.labels is not None and found.labels.labelled == 3
