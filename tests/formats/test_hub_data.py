"""Annotated data from the hub: the real ``datasets`` on local files, both caches, revisions.

No network: the one seam is where ``datasets`` would look a repository up.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from judge.annotated import AnnotatedPair, Problem, RatedResponse
from judge.errors import UsageError
from judge.formats.annotated import read_annotated, read_rated
from tests.scripted import write_rows

NAME = "nvidia/HelpSteer2"
COMMIT = "ab" * 20


def pair(number: int, **fields: Any) -> dict[str, Any]:
    raw = [{"strength": 1, "justification": "why &lt;"}]
    return {
        "prompt": f"Question {number}?",
        "response_1": "a",
        "response_2": "b",
        "all_preferences_unprocessed": raw,
        **fields,
    }


def rating(number: int, value: Any = 3) -> dict[str, Any]:
    return {
        "prompt": f"Q {number}",
        "response": "r",
        "helpfulness": value,
        "correctness": None,
    }


def helpsteer2(root: Path) -> Path:
    """Write a folder of the layout of nvidia/HelpSteer2."""
    for folder in ("preference", "disagreements"):
        (root / folder).mkdir(parents=True)
    rows = [pair(1, split="train"), pair(2, split="val")]
    write_rows(root / "preference" / "preference.jsonl.gz", rows)
    write_rows(root / "disagreements" / "disagreements.jsonl.gz", [rating(1, [1, 2])])
    write_rows(root / "train.jsonl.gz", [rating(1), rating(2)])
    write_rows(root / "validation.jsonl.gz", [rating(3)])
    return root


def splits(found: Any) -> list[str]:
    rows = list(found)
    assert not [row for row in rows if isinstance(row, Problem)], rows
    return [row.split for row in rows if isinstance(row, AnnotatedPair | RatedResponse)]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Repositories are folders of ``tmp_path/hub``; returned are the calls to the client."""
    import datasets
    import huggingface_hub

    calls: list[dict[str, Any]] = []
    load = datasets.load_dataset_builder

    def load_dataset_builder(path: str, **options: Any) -> Any:
        calls.append({"path": path, **options})
        revision = options.pop("revision")
        builder = load(str(tmp_path / "hub" / path), cache_dir=str(tmp_path / "cache"), **options)
        builder.hash = revision or COMMIT
        return builder

    monkeypatch.setattr(datasets, "load_dataset_builder", load_dataset_builder)
    monkeypatch.setattr(huggingface_hub, "is_offline_mode", lambda: False)
    return calls


def test_helpsteer2_is_read_by_its_parts(tmp_path: Path, hub: list[dict[str, Any]]) -> None:
    helpsteer2(tmp_path / "hub" / NAME)
    # The hub calls every preference row "train"; the rows know better.
    assert splits(read_annotated(NAME, revision=COMMIT)) == ["train", "val"]
    assert hub[0] == {
        "path": NAME,
        "name": None,
        "data_dir": "preference",
        "revision": COMMIT,
    }
    assert splits(read_annotated(NAME, split="train")) == ["train"]
    assert splits(read_annotated(NAME, split="validation")) == ["val"]
    assert splits(read_annotated(f"{NAME}/preference", split="val")) == ["val"]
    assert splits(read_rated(NAME)) == ["train", "train", "val"]
    assert splits(read_rated(NAME, split="val")) == ["val"]
    [lists] = read_rated(NAME, format="disagreements")
    assert isinstance(lists, RatedResponse)
    assert lists.ratings == {"helpfulness": (1.0, 2.0)}
    assert [call["data_dir"] for call in hub[-3:]] == [None, None, "disagreements"]


def test_the_same_rows_as_from_the_folder(tmp_path: Path, hub: list[dict[str, Any]]) -> None:
    root = helpsteer2(tmp_path / "hub" / NAME)
    assert list(read_annotated(NAME)) == list(read_annotated(str(root)))
    assert list(read_rated(NAME)) == list(read_rated(str(root)))


def test_a_bad_row_of_the_hub_has_its_row_number(tmp_path: Path, hub: list[dict[str, Any]]) -> None:
    folder = tmp_path / "hub" / "owner" / "pairs"
    folder.mkdir(parents=True)
    rows = [{"prompt": "p", "chosen": "a", "rejected": r} for r in ("b", " ", "c")]
    write_rows(folder / "train.jsonl", rows)
    first, bad, last = read_annotated("owner/pairs")
    assert isinstance(bad, Problem)
    assert (bad.file, bad.line, bad.reason) == ("owner/pairs:train", 2, "empty_response")
    assert isinstance(first, AnnotatedPair)
    assert isinstance(last, AnnotatedPair)


def test_splits_of_other_names_must_be_chosen(tmp_path: Path, hub: list[dict[str, Any]]) -> None:
    folder = tmp_path / "hub" / "allenai" / "reward-bench"
    folder.mkdir(parents=True)
    row = {"prompt": "p", "chosen": "a", "rejected": "b", "subset": "s"}
    write_rows(folder / "raw.jsonl", [row, {**row, "prompt": "q"}])
    write_rows(folder / "filtered.jsonl", [row])
    card = "configs:\n- config_name: default\n  data_files:\n" + "".join(
        f"  - split: {name}\n    path: {name}.jsonl\n" for name in ("raw", "filtered")
    )
    (folder / "README.md").write_text(f"---\n{card}---\n")
    assert splits(read_annotated("allenai/reward-bench", split="filtered")) == ["test"]
    with pytest.raises(UsageError, match="has the splits raw, filtered; choose one"):
        list(read_annotated("allenai/reward-bench"))
    with pytest.raises(UsageError, match="expected one of them, not train"):
        list(read_annotated("allenai/reward-bench", split="train"))


def test_a_benchmark_in_a_lone_split_called_train(
    tmp_path: Path, hub: list[dict[str, Any]]
) -> None:
    folder = tmp_path / "hub" / "THU-KEG" / "RM-Bench"
    folder.mkdir(parents=True)
    rows = [{"id": "1", "prompt": "p", "chosen": ["a"] * 3, "rejected": ["b"] * 3, "domain": "d"}]
    write_rows(folder / "total.jsonl", rows)
    assert splits(read_annotated("THU-KEG/RM-Bench")) == ["test"] * 9
    assert splits(read_annotated("THU-KEG/RM-Bench", split="train")) == ["train"] * 9


def test_a_stream_that_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub

    def rows() -> Any:
        yield pair(1)
        raise ConnectionError("reset by peer")

    there = SimpleNamespace(hash=COMMIT, as_streaming_dataset=lambda: {"train": rows()})
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_, **__: there)
    monkeypatch.setattr(huggingface_hub, "is_offline_mode", lambda: False)
    first, broken = read_annotated("owner/pairs")
    assert isinstance(first, AnnotatedPair)
    assert isinstance(broken, Problem)
    assert (broken.file, broken.line, broken.reason) == ("owner/pairs:train", 2, "unreadable")
    assert broken.detail == "damaged after row 1: reset by peer"


def test_a_damaged_file_of_the_hub_is_one_line(tmp_path: Path, hub: list[dict[str, Any]]) -> None:
    """``datasets`` looks at the first rows of a stream to know its fields."""
    folder = tmp_path / "hub" / "owner" / "pairs"
    folder.mkdir(parents=True)
    torn = write_rows(folder / "train.jsonl.gz", [pair(n) for n in range(100)])
    torn.write_bytes(torn.read_bytes()[:-40])
    with pytest.raises(UsageError, match="Compressed file ended"):
        list(read_annotated("owner/pairs"))


# --- offline -------------------------------------------------------------------------------------


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits in the cache of the hub's client, ``main`` the first; returned is the second."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "files"))
    repository = tmp_path / "files" / f"datasets--{NAME.replace('/', '--')}"
    helpsteer2(repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    other = repository / "snapshots" / ("cd" * 20)
    (other / "preference").mkdir(parents=True)
    write_rows(other / "preference" / "preference.jsonl.gz", [pair(3, split="test")])
    return other


def test_offline_the_fetched_files_are_read(fetched: Path) -> None:
    assert splits(read_annotated(NAME)) == ["train", "val"]
    assert splits(read_annotated(NAME, revision="main", split="val")) == ["val"]
    assert splits(read_annotated(NAME, revision=fetched.name)) == ["test"]
    assert splits(read_rated(NAME)) == ["train", "train", "val"]
    assert splits(read_rated(NAME, format="disagreements")) == ["train"]


def test_offline_a_revision_that_was_not_fetched_is_refused(fetched: Path) -> None:
    with pytest.raises(UsageError, match="neither a file nor a data set that the hub gives out"):
        list(read_annotated(NAME, revision="ef" * 20))
    with pytest.raises(UsageError, match="neither a file nor a data set"):
        list(read_rated("nvidia/HelpSteer2/absent"))


def test_offline_the_cache_of_datasets_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prepared data set, put where ``load_dataset("owner/pairs")`` leaves it."""
    import datasets

    rows = [{"prompt": f"p{n}", "chosen": "a", "rejected": "b"} for n in range(3)]
    source = write_rows(tmp_path / "train.jsonl", rows)
    made = datasets.load_dataset(
        "json", data_files=str(source), cache_dir=str(tmp_path / "made"), split="train"
    )
    [arrow] = made.cache_files
    there = tmp_path / "cache" / "owner___pairs" / "default" / "0.0.0" / COMMIT
    shutil.copytree(Path(arrow["filename"]).parent, there)
    (there / "json-train.arrow").rename(there / "pairs-train.arrow")
    info = (there / "dataset_info.json").read_text()
    info = info.replace(made.info.config_name, "default").replace('"json"', '"pairs"')
    (there / "dataset_info.json").write_text(info)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    assert splits(read_annotated("owner/pairs")) == ["train"] * 3
    assert splits(read_annotated("owner/pairs", revision=COMMIT)) == ["train"] * 3
    # Its client would silently give the newest commit that the cache has.
    with pytest.raises(
        UsageError, match=f"asked for in revision v1.0, but the cache holds {COMMIT}"
    ):
        list(read_annotated("owner/pairs", revision="v1.0"))
