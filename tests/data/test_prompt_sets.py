"""Sets of prompts that a policy is trained on: of any input, each once, none to evaluate with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.data.prepare import PrepareConfig, run
from judge.errors import UsageError
from judge.options import checked
from judge.runs.training import read_set_manifest

TURNS = "A\n<extra_id_1>Assistant\nB\n<extra_id_1>User\nC"
ASKED = "How many moons does the planet Neptune have in all, and who found them?"


def pair(id: str, prompt: Any, **more: Any) -> dict[str, Any]:
    return {"id": id, "prompt": prompt, "response_1": "x", "response_2": "", "source": "s", **more}


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def written(path: Path, rows: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def prepare(source: Path, **options: Any) -> dict[str, Any]:
    given = {"kind": "prompts", "val_share": 0, "fresh": True, **options}
    return run(
        PrepareConfig(input=str(source), output_dir=str(source.parent / "out"), **given)
    ).to_json()


def lines(source: Path, name: str = "train.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (source.parent / "out" / name).open()]


def test_each_layout_gives_its_prompt(tmp_path: Path) -> None:
    """Labels and responses do not matter: an empty response or a tie costs nothing."""
    rows = [
        pair("p", TURNS, preference_strength=0),
        {"id": "r", "prompt": "Rated?", "response": "x", "helpfulness": 3},
        {"question_id": 81, "category": "writing", "turns": ["First?", "Second?"]},
        {"instruction": "Do it.", "dataset": "d"},
        {"chosen": [said("user", "Q?"), said("assistant", "1")],
         "rejected": [said("user", "Q?"), said("assistant", "2")]},
        {"id": "m", "messages": [said("system", "S"), said("user", "U")]},
        {"id": "p2", "prompt": " "},
        {"id": "m", "prompt": "Another, but the id was there."},
    ]  # fmt: skip
    source = written(tmp_path / "mixed.jsonl", rows)
    manifest = prepare(source)
    found = {row["prompt_id"]: row for row in lines(source)}
    turns = {name: [(m["role"], m["content"]) for m in r["messages"]] for name, r in found.items()}
    assert turns["p"] == [("user", "A"), ("assistant", "B"), ("user", "C")]
    assert turns["r"] == [("user", "Rated?")]
    assert turns["81"] == [("user", "First?")]
    assert turns["m"] == [("system", "S"), ("user", "U")]
    assert sorted(s[-1][1] for s in turns.values()) == [
        "C",
        "Do it.",
        "First?",
        "Q?",
        "Rated?",
        "U",
    ]
    assert list(found["p"]) == ["prompt_id", "messages", "source"]
    assert manifest["problems"]["counts"] == {"bad_prompt": 1, "duplicate_id": 1}
    assert manifest["sides"]["train"]["later_turns"] == {"left_out": 1}
    assert manifest["sides"]["train"]["examples"] == {"prompts": 6}
    assert manifest["options"]["kind"] == "prompts"
    assert "similar" not in manifest["options"]


def test_each_prompt_is_there_once_and_on_one_side(tmp_path: Path) -> None:
    rows = [
        pair("a", "What is it?"),
        pair("b", "what  is IT?"),
        pair("c", "Held out?", split="val"),
        pair("d", "Held out?"),
        pair("e", "Tested?", split="test"),
        pair("f", "Tested?", split="val"),
        {"prompt": "No id."},
        {"prompt": "No id."},
    ]
    manifest = prepare(source := written(tmp_path / "rows.jsonl", rows))
    trained = lines(source)
    asked = {" ".join(row["messages"][0]["content"].casefold().split()) for row in trained}
    assert asked == {"what is it?", "no id."}
    assert len(trained) == 2
    assert [row["prompt_id"] for row in lines(source, "val.jsonl")] == ["c"]
    dropped = manifest["sides"]["train"]["pairs"]
    assert dropped["s"]["dropped"] == {"prompt_in_val": 1, "repeated_prompt": 1}
    assert dropped["unnamed"] == {"read": 2, "kept": 1, "dropped": {"repeated_prompt": 1}}
    assert manifest["sides"]["val"]["pairs"]["s"]["dropped"] == {"prompt_in_test": 1}
    before = (tmp_path / "out" / "train.jsonl").read_bytes()
    prepare(written(source, reversed(rows)))
    assert (tmp_path / "out" / "train.jsonl").read_bytes() == before


def test_the_files_of_a_folder_and_one_format(tmp_path: Path) -> None:
    data = tmp_path / "data"
    written(data / "preference" / "preference.jsonl", [pair("p", "Of a pair?")])
    rated = {"prompt": "Of a rating?", "response": "x", "helpfulness": 3}
    written(data / "train.jsonl", [rated])
    prepare(data)
    assert [row["prompt_id"] for row in lines(data)] == ["p"]
    prepare(data, origin="ratings", format="ratings")
    assert [row["messages"][0]["content"] for row in lines(data)] == ["Of a rating?"]
    with pytest.raises(UsageError, match="no training example is left; 0 rows read, 1 problems"):
        prepare(data, origin="ratings", format="rewardbench")
    with pytest.raises(UsageError, match=r"first has the fields text; expected .* a question"):
        prepare(written(tmp_path / "other.jsonl", [{"text": "x"}]))


@pytest.mark.parametrize("kind", ["prompts", "preference"])
def test_evaluation_prompts_are_left_out(tmp_path: Path, kind: str) -> None:
    rows = [
        pair("whole", ASKED, response_2="y", label=1),
        pair("part", f"Please say: {ASKED[:50]}", response_2="y", label=1),
        pair("other", "How many moons does Mars have?", response_2="y", label=1),
    ]
    source = written(tmp_path / "rows.jsonl", rows)
    against = written(tmp_path / "bench.jsonl", [{"question_id": 1, "turns": ["Hi.", ASKED]}])
    manifest = prepare(source, kind=kind, against=(str(against),))
    assert [row.get("prompt_id") or row["pair_id"] for row in lines(source)] == ["other"]
    counts = manifest["sides"]["train"]["pairs"]["s"]
    assert counts["dropped"] == {"evaluation_prompt": 2}
    assert list(manifest["options"]["against"]) == ["bench.jsonl"]
    used = read_set_manifest(tmp_path / "out").used().model_dump(exclude_unset=True)
    assert used.keys() == {"outputs", "input", "against"}, "a training repeats it"
    assert used["against"] == manifest["options"]["against"]
    with pytest.raises(UsageError, match=r"bench.jsonl: holds no prompt|no row has a known format"):
        prepare(source, kind=kind, against=(str(written(against, [{"turns": []}])),))


def test_what_the_sets_were_compared_with_tells_them_apart(
    tmp_path: Path,
) -> None:
    source = written(tmp_path / "rows.jsonl", [pair("p", "Kept?")])
    against = written(tmp_path / "bench.jsonl", [{"prompt": ASKED}])
    prepare(source)
    used = read_set_manifest(tmp_path / "out").used().model_dump(exclude_unset=True)
    assert used.keys() == {"outputs", "input"}
    prepare(source, against=(str(against),))
    command = ["data", "prepare", str(source), "--out", str(tmp_path / "out"), "--kind", "prompts"]
    refused = CliRunner().invoke(app, [*command, "--val-share", "0"])
    assert refused.exit_code == 2
    assert "against" in refused.output
    again = [*command, "--val-share", "0", "--against", str(against)]
    assert CliRunner().invoke(app, again).exit_code == 0


@pytest.mark.parametrize("option", ["similar", "max_spread", "styles", "attributes"])
def test_rules_of_annotations_mean_nothing_here(option: str) -> None:
    value = {"styles": ("label_only",), "attributes": "helpfulness"}.get(option, 3)
    given = {"input": "a", "output_dir": "b", "kind": "prompts", option: value}
    with pytest.raises(UsageError, match=f"{option} has no meaning for kind prompts"):
        checked(PrepareConfig, given)
