"""The whole circle: judge, review, export, prepare, train, judge again, without a conversion."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judge.cli import app
from tests.app.made import PASSWORD, pair_row, write_pairs
from tests.app.people import Annotator, Server, run_people

PAIRS = 8
PEOPLE = ("ann", "ben", "cem", "dora", "eva")
DISPUTED = 4
"""Every fourth pair is one that cem sees otherwise than the others."""


def judge(*words: str | Path) -> None:
    """Run a command as it is typed."""
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == 0, f"{words}\n{result.output}\n{result.exception!r}"


def lines(path: Path) -> list[dict[str, Any]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


async def annotate(url: str, name: str) -> int:
    """Have one person work until nothing is left; return how many tasks that were.

    Everybody prefers the response that counts; cem finds the other one much better now and then.
    """
    person = Annotator(url)
    await person.sign_in(name, PASSWORD)
    assert (await person.open(1))["blind"]
    done = 0
    while person.order:
        number = person.order[0]
        entry = person.known[number]
        assert entry["reveal"] is None
        texts = entry["task"]["panels"]
        counting = 1 if "I count" in texts["response_1"] else 2
        (asked,) = re.findall(r"Question (\d+)", texts["prompt"][0]["html"])
        contrary = name == "cem" and int(asked) % DISPUTED == 0
        better = 3 - counting if contrary else counting
        strength = (-1 if better == 1 else 1) * (3 if contrary else 2)
        reason = f"@Response {better} convinces {name} in question {asked}."
        await person.begin(number)
        await person.draft(number, 1, reason)
        answer = await person.choose(number, strength, reason)
        assert answer["reveal"]["elaboration"]
        await person.complete(number, strength, elaboration=reason)
        await person.refill()
        done += 1
    await person.close()
    return done


async def all_annotate(url: str) -> list[int]:
    return [await annotate(url, name) for name in PEOPLE]


@pytest.mark.slow
def test_judge_review_export_prepare_train_and_judge_again(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs.jsonl", [pair_row(n) for n in range(PAIRS)])
    password = tmp_path / "password.txt"
    password.write_text(f"{PASSWORD}\n")
    first, sets, trained = tmp_path / "first", tmp_path / "sets", tmp_path / "trained"

    options = ("--model", "mini", "--mode", "justify", "--max-new-tokens", "24")
    judge("batch", pairs, "--out", first, *options)
    with Server(str(first)) as server:
        for name in PEOPLE:
            judge("project", "add", first, name, "--password-file", password)
        done = run_people(all_annotate(server.url))
    # Three annotate everything, two more what these disagree about.
    assert done == [PAIRS] * 3 + [PAIRS // DISPUTED] * 2

    judge("project", "export", first, "--out", tmp_path / "data")
    rows = lines(tmp_path / "data" / "preference" / "preference.jsonl.gz")
    assert [len(row["all_preferences_unprocessed"]) for row in rows] == [5, 3, 3, 3] * 2
    assert {row["preference_strength"] for row in rows} == {2}

    judge("data", "prepare", tmp_path / "data", "--out", sets, "--style", "elaboration_first")
    taught = "".join(json.dumps(row) for row in lines(sets / "train.jsonl"))
    assert "convinces ann in question" in taught
    judge(
        "train", "justifier", "--config", "smoke", f"data={sets}", f"output_dir={trained}",
        "max_steps=2",
    )  # fmt: skip

    again = tmp_path / "again"
    judge("batch", pairs, "--out", again, "--model", trained, "--mode", "verdict")
    judged = lines(again / "judgments.jsonl")
    assert [row["pair_id"] for row in judged] == [row["id"] for row in rows]
    assert all(row["statement"] for row in judged)
    # And the next review begins with what the new judge said.
    judge("project", "import", first, again)
