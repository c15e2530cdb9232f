"""Training sets of the reward models: preference and regression."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from judge.annotated import ATTRIBUTES
from judge.data.prepare import PrepareConfig, run
from judge.errors import UsageError
from judge.options import checked

TURNS = "A\n<extra_id_1>Assistant\nB\n<extra_id_1>User\nC"


def pair(number: int, *strengths: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"p{number}",
        "prompt": f"Question {number}?",
        "response_1": "one",
        "response_2": "two",
        "source": "s",
        "all_preferences_unprocessed": [{"strength": s, "justification": ""} for s in strengths],
        **more,
    }


def rated(number: int, prompt: str, helpfulness: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": f"r{number}",
        "prompt": prompt,
        "response": f"text {number}",
        "helpfulness": helpfulness,
        **more,
    }


def prepare(folder: Path, name: str, rows: list[Any], **options: Any) -> dict[str, Any]:
    source = folder / name
    source.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    source.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    options = {"val_share": 0, "output_dir": str(folder / "out"), "fresh": True, **options}
    return run(PrepareConfig(input=options.pop("input", str(source)), **options)).to_json()


def lines(folder: Path, name: str = "train.jsonl") -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "out" / name).read_text().splitlines()]
    return {row.get("pair_id") or row["rating_id"]: row for row in rows}


def test_preference_pairs_are_the_decided_ones(tmp_path: Path) -> None:
    rows = [
        pair(0, -3, -3, -2),
        pair(1, 1, prompt=TURNS),
        pair(2, -1, -1, 1),
        pair(3, -3, 3),
        pair(4, 2, response_2="one"),
        pair(5, 2, split="val"),
        pair(6, 2, split="test"),
    ]
    manifest = prepare(tmp_path, "preference.jsonl", rows, kind="preference")
    found = lines(tmp_path)
    assert found.keys() == {"p0", "p1"}
    assert found["p0"] == {
        "pair_id": "p0",
        "prompt": [{"role": "user", "content": "Question 0?"}],
        "chosen": [{"role": "assistant", "content": "one"}],
        "rejected": [{"role": "assistant", "content": "two"}],
        "margin": 3,
        "source": "s",
    }
    assert list(found["p0"]) == ["pair_id", "prompt", "chosen", "rejected", "margin", "source"]
    assert [m["role"] for m in found["p1"]["prompt"]] == ["user", "assistant", "user"]
    assert (found["p1"]["chosen"][0]["content"], found["p1"]["margin"]) == ("two", 1)
    assert lines(tmp_path, "val.jsonl").keys() == {"p5"}
    train = manifest["sides"]["train"]
    assert train["pairs"]["s"]["dropped"] == {"identical_responses": 1, "spread": 1, "zero": 1}
    assert train["strengths"] == {"-3": 1, "1": 1}
    assert manifest["sides"]["test"]["pairs"]["s"]["kept"] == 1
    assert manifest.keys() == {"options", "input", "sides", "problems", "outputs"}
    assert manifest["options"]["kind"] == "preference"
    assert "styles" not in manifest["options"]


def test_flipping_the_file_flips_the_pairs(tmp_path: Path) -> None:
    """The same responses are chosen, whichever came first."""
    rows = [pair(n, *s) for n, s in enumerate([(-3, -2), (1, 1, 2, 2), (2, -1, 2, 3), (1, 2, 3)])]
    prepare(tmp_path, "preference.jsonl", rows, kind="preference")
    given = lines(tmp_path)
    for row in rows:
        row["response_1"], row["response_2"] = row["response_2"], row["response_1"]
        for annotation in row["all_preferences_unprocessed"]:
            annotation["strength"] = -annotation["strength"]
    prepare(tmp_path, "preference.jsonl", rows, kind="preference")
    assert lines(tmp_path) == given


def test_regression_sets(tmp_path: Path) -> None:
    rows = [
        rated(0, "a", [0, 0, 0, 0, 4], correctness=[1, 1, 1, 1, 4], verbosity=None),
        rated(1, "a", [1, 2, 4]),
        rated(2, TURNS, 3, correctness=2.5, coherence=4, complexity=1, verbosity=0),
        rated(3, "c", None, coherence=2),
    ]
    manifest = prepare(tmp_path, "train.jsonl", rows, kind="regression")
    found = lines(tmp_path)
    assert list(found["r0"]) == ["rating_id", "prompt", "response", *ATTRIBUTES, "source"]
    assert [found["r0"][name] for name in ATTRIBUTES] == [0.0, 1.0, None, None, None]
    assert [found["r2"][name] for name in ATTRIBUTES] == [3.0, 2.5, 4.0, 1.0, 0.0]
    assert [found["r3"][name] for name in ATTRIBUTES] == [None, None, 2.0, None, None]
    assert found["r0"]["response"] == [{"role": "assistant", "content": "text 0"}]
    assert [m["role"] for m in found["r2"]["prompt"]] == ["user", "assistant", "user"]
    train = manifest["sides"]["train"]
    (counts,) = train["pairs"].values()
    assert counts == {"read": 4, "kept": 3, "dropped": {"helpfulness_spread": 1}}
    assert train["rated"]["coherence"] == 2

    manifest = prepare(tmp_path, "train.jsonl", rows, kind="regression", attributes="helpfulness")
    found = lines(tmp_path)
    assert list(found["r0"]) == ["rating_id", "prompt", "response", "helpfulness", "source"]
    assert found.keys() == {"r0", "r2"}
    (counts,) = manifest["sides"]["train"]["pairs"].values()
    assert counts["dropped"] == {"helpfulness_spread": 1, "not_rated": 1}


def test_ratings_options(tmp_path: Path) -> None:
    rows = [rated(0, "a", [1, 2, 4]), rated(1, "a", [3, 3, 4])]

    def means(**options: Any) -> dict[str, float]:
        prepare(tmp_path, "train.jsonl", rows, kind="regression", **options)
        return {name: row["helpfulness"] for name, row in lines(tmp_path).items()}

    assert means() == {"r1": 10 / 3}
    assert means(max_spread=None) == {"r0": 7 / 3, "r1": 10 / 3}
    assert means(max_spread=None, rounded=True) == {"r0": 2.0, "r1": 3.0}


def test_pairs_from_ratings(tmp_path: Path) -> None:
    rows = [
        *[rated(0, "a", 4), rated(1, "a", 1.5)],
        *[rated(2, "b", 2), rated(3, "b", 2)],
        *[rated(4, "c", [1, 2, 4]), rated(5, "c", 1)],
        *[rated(6, "d", None, coherence=1), rated(7, "d", 1)],
        rated(8, "e", 1),
        *[rated(9, "f", [0, 0, 0, 4]), rated(10, "f", [1, 1, 1])],
        *[rated(11, "g", 1, response="same"), rated(12, "g", 2, response="same")],
    ]
    manifest = prepare(tmp_path, "train.jsonl", rows, kind="preference", origin="ratings")
    found = lines(tmp_path)
    assert found.keys() == {"r0+r1", "r9+r10"}
    assert found["r0+r1"]["chosen"][0]["content"] == "text 0"
    assert found["r0+r1"]["margin"] == 2.5
    assert found["r9+r10"]["chosen"][0]["content"] == "text 10"
    (counts,) = manifest["sides"]["train"]["pairs"].values()
    assert counts["dropped"] == {
        "equal_helpfulness": 1,
        "helpfulness_spread": 1,
        "identical_responses": 1,
        "no_helpfulness": 1,
        "no_partner": 1,
    }
    assert manifest["sides"]["train"]["margins"] == {"1": 1, "2.5": 1}


def test_the_folder_of_the_data_set(tmp_path: Path) -> None:
    """Ratings come from ``train`` and ``validation``; no prompt is on two sides."""
    folder = tmp_path / "set"
    folder.mkdir()
    validation = [rated(9, "A ", 1), rated(8, "v", 1), rated(7, "w", 1)]
    content = "".join(json.dumps(row) + "\n" for row in validation).encode()
    (folder / "validation.jsonl.gz").write_bytes(gzip.compress(content))
    rows = [rated(0, "a", 1), rated(1, "b", 2)]
    manifest = prepare(
        folder, "train.jsonl.gz", rows, kind="regression", input=str(folder), val_share=0.05
    )
    assert lines(folder).keys() == {"r1"}
    assert lines(folder, "val.jsonl").keys() == {"r7", "r8", "r9"}
    (counts,) = manifest["sides"]["train"]["pairs"].values()
    assert counts["dropped"] == {"prompt_in_val": 1}
    assert manifest["input"].keys() == {"train.jsonl.gz", "validation.jsonl.gz"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "preference", "styles": ("label_only",)}, "styles has no meaning for kind pref"),
        ({"kind": "preference", "keep_zeros": True}, "keep_zeros has no meaning"),
        ({"attributes": "helpfulness"}, "attributes has no meaning for kind justifier"),
        ({"origin": "ratings"}, "justifier sets are made from annotations"),
        ({"kind": "regression", "origin": "annotations"}, "regression sets are made from ratings"),
        ({"kind": "preference", "rounded": True}, "rounded is for sets made from ratings"),
        ({"similar": 0}, "--similar: Input should be greater than or equal to 1"),
        ({"val_share": 2}, "--val-share: Input should be less than 1"),
    ],
)
def test_options_that_do_not_belong_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        checked(PrepareConfig, {"input": "i", "output_dir": "o", **options})
    assert str(error.value).startswith(message)


@pytest.mark.shared
def test_human_ratings(tmp_path: Path, shared: Path) -> None:
    source = str(shared / "data" / "human_pairs")
    config = PrepareConfig(input=source, output_dir=str(tmp_path / "out"), kind="regression")
    sides = run(config).to_json()["sides"]
    assert sides["train"]["rated"] == {"helpfulness": 616}
    assert sides["val"]["rated"] == {"helpfulness": 122}
    row = next(iter(lines(tmp_path).values()))
    assert row["correctness"] is None
