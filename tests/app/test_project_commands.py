"""`judge project` as an administrator types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judge.cli import app
from tests.app.made import PASSWORD, judgment, made_run, pair_row, write_pairs


def judge(*words: str | Path, input: str | None = None, code: int = 0) -> str:
    """Run ``judge project``; return what it shows."""
    result = CliRunner().invoke(app, ["project", *map(str, words)], input=input)
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    if code == 2:
        assert result.output.startswith("error: ") and result.output.count("\n") == 1
    return result.output


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [pair_row(n) for n in range(3)]
    return made_run(tmp_path / "run", rows, [judgment(row["pair_id"]) for row in rows])


@pytest.fixture
def where(run: Path) -> Path:
    """A run folder with a project and its first manager."""
    judge("create", run, "demo", "annotations=1")
    judge("add", run, "Max", "--role", "manager", input=PASSWORD + "\n")
    return run


def test_from_nothing_to_an_export(where: Path, tmp_path: Path) -> None:
    assert (where / "review.sqlite").exists()
    assert "added 3" in judge("import", where, where)
    assert "added 0, known already 3" in judge("import", where, where)
    assert judge("list", where) == "demo\n"
    out = tmp_path / "history.jsonl"
    judge("export", where, "--kind", "history", "--out", out)
    kinds = [json.loads(line)["what"] for line in out.read_text().splitlines()]
    assert kinds == ["project", "role", "import"]
    shown = judge("export", where, "--out", tmp_path / "data")
    assert "0 rows" in shown and "no_annotation: 3" in shown


def test_settings_are_shown_and_changed(where: Path) -> None:
    assert "annotations=1\n" in judge("settings", where)
    assert "blind=False\n" in judge("settings", where, "blind=false", "order=random")
    assert "order=random\n" in judge("settings", where)
    assert "keys are name" in judge("settings", where, "colour=red", code=2)


def test_people(where: Path) -> None:
    from app.errors import SignInRefused
    from app.service import Service

    judge("add", where, "ann", input=PASSWORD)
    assert "adjudicator" in judge("add", where, "ann", "--role", "adjudicator")
    service = Service.open(f"sqlite:///{where}/review.sqlite")
    assert service.accounts.sign_in("ann", PASSWORD)
    judge("password", where, "ann", input="a new long password\n")
    assert service.accounts.sign_in("ann", "a new long password")
    judge("lock", where, "ann")
    with pytest.raises(SignInRefused):
        service.accounts.sign_in("ann", "a new long password")
    judge("unlock", where, "ann")
    judge("remove", where, "ann")
    assert [m.name for m in service.projects.members(None, 1)] == ["Max"]
    judge("add", where, "oidc", "--external-id", "https://id.example 1")
    assert service.accounts.sign_in_external("https://id.example 1")
    service.close()


def test_gold_tasks_and_the_queue_of_a_comparison(where: Path, tmp_path: Path) -> None:
    judge("import", where, where)
    gold = [pair_row(9, annotations=[{"strength": 2}]), pair_row(10)]
    file = write_pairs(tmp_path / "gold.jsonl", gold)
    assert "added 1" in judge("import", where, file, "--as", "gold", code=3)
    queue = write_pairs(tmp_path / "queue.jsonl", [{"pair_id": "pair-2"}])
    assert "1 tasks" in judge("import", where, queue, "--as", "queue")


def test_backup_and_copy(where: Path, tmp_path: Path, new_url: Callable[[str], str]) -> None:
    judge("import", where, where)
    judge("backup", where, tmp_path / "b.sqlite")
    assert judge("list", tmp_path / "b.sqlite") == "demo\n"
    url = new_url("postgresql")
    assert "task: 3\n" in judge("copy", where, url)
    assert judge("list", url) == "demo\n"
    assert "not empty" in judge("copy", where, url, code=2)


def test_several_projects_in_one_database(where: Path) -> None:
    judge("create", where, "second")
    assert "which project?" in judge("settings", where, code=2)
    assert "name=second" in judge("settings", where, "--project", "second")
    assert "'third'" in judge("settings", where, "--project", "third", code=2)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["list", "nowhere"], "no database at nowhere"),
        (["list", "{tmp}"], "review.sqlite"),
        (["list", "mysql://x"], "no database of the kind mysql"),
        (["create", "{run}", "demo"], "already"),
        (["create", "{run}", "other", "annotations=0"], "annotations"),
        (["create", "{tmp}/no/folder/x.sqlite", "demo"], "no database"),
        (["add", "{run}", "ben"], "12"),
        (["password", "{run}", "ben"], "no account called 'ben'"),
        (["remove", "{run}", "Max"], "needs a manager"),
        (["import", "{run}", "{tmp}"], "not a run folder"),
        (["import", "{run}", "{tmp}/none.jsonl"], "cannot read"),
        (["import", "{run}", "{tmp}/none.jsonl", "--as", "queue"], "cannot read"),
        (["import", "{run}", "{run}", "--as", "gold", "--evaluation"], "--evaluation is for"),
        (["import", "{run}", "x.jsonl", "--pairs", "y.jsonl"], "--pairs is for"),
        (["export", "{run}", "--out", "/proc/x", "--kind", "csv"], "cannot write"),
        (["backup", "{run}", "{run}/review.sqlite"], "exists"),
        (["copy", "{run}", "sqlite://"], "memory"),
    ],
)
def test_what_is_refused_is_one_line(
    where: Path, tmp_path: Path, words: list[str], why: str
) -> None:
    filled = [word.replace("{run}", str(where)).replace("{tmp}", str(tmp_path)) for word in words]
    enough: dict[str, Any] = {"input": f"{PASSWORD}\n"} if words[0] == "password" else {}
    assert why in judge(*filled, code=2, **enough)
