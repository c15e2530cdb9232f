"""What `judge review` does before it serves: the project, its tasks, who can sign in."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.listening import bound_socket
from app.service import Service
from judge.cli import app
from judge.runs.folder import RunDir
from tests.app.made import judgment, made_run, pair_row

ROWS = [pair_row(0)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [pair_row(n) for n in range(3)]
    return made_run(tmp_path / "run", rows, [judgment(row["pair_id"]) for row in rows])


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the server would have been started with; nothing listens in these tests."""
    found: list[dict[str, Any]] = []

    def serve(service: Service, options: Any, listener: socket.socket) -> None:
        names = service.projects.names()
        settings = [service.projects.settings(service.projects.find(name)) for name in names]
        found.append({"options": options, "settings": settings})
        assert listener.getsockname()[1] > 0

    monkeypatch.setattr("app.main.serve", serve, raising=False)
    # Tests that run beside each other take no port from each other.
    free = bound_socket
    monkeypatch.setattr("app.listening.bound_socket", lambda host, port: free(host, 0))
    return found


def review(*words: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["review", *map(str, words)])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result.output


def test_one_command_opens_a_project_that_a_manager_can_sign_in_to(
    run: Path, served: list[dict[str, Any]]
) -> None:
    shown = review(run)
    assert "project run: 3 tasks added" in shown
    (password,) = re.findall(r"name manager, password (\S+)", shown)
    again = review(run, "--port", "0")
    assert "0 tasks added, 3 known already" in again and "password" not in again
    assert [one["options"].port for one in served] == [7860, 0]
    assert served[0]["settings"][0].annotations == 3
    service = Service.open(f"sqlite:///{run}/review.sqlite")
    who = service.accounts.person(service.accounts.sign_in("manager", password))
    assert service.projects.of(who)[0].role == "manager"
    service.close()


def test_alone_there_is_no_password_and_one_annotation_a_task(
    run: Path, served: list[dict[str, Any]]
) -> None:
    assert "password" not in review(run, "--no-auth", "--judge", "none")
    assert served[0]["options"].no_auth and served[0]["options"].judge is None
    assert served[0]["settings"][0].annotations == 1


def test_a_judge_that_cannot_be_asked_is_told_and_the_pages_open(
    run: Path, served: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_CACHE", str(tmp_path / "empty"))
    shown = review(run, "--no-auth")
    assert "no judge to ask yet" in shown and "`judge models fetch`" in shown
    assert "no judge" not in review(run, "--no-auth", "--judge", "mini")
    assert [one["options"].judge for one in served] == ["small", "mini"]


def test_an_evaluation_set_stays_one(run: Path, served: list[dict[str, Any]]) -> None:
    review(run, "--evaluation", "--no-auth", "--project", "gold standard")
    service = Service.open(f"sqlite:///{run}/review.sqlite")
    (source,) = service.projects.sources(None, service.projects.find("gold standard"))
    assert source.evaluation
    service.close()


def test_a_provider_is_handed_on_with_the_secret_of_the_environment(
    run: Path, served: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_OIDC_SECRET", "hush")
    words = ["--oidc-issuer", "https://id.example/x", "--oidc-client-id", "review"]
    shown = review(run, *words, "--oidc-name", "Example")
    oidc = served[0]["options"].oidc
    assert (oidc.issuer, oidc.client_id, oidc.name) == ("https://id.example/x", "review", "Example")
    assert oidc.secret.get_secret_value() == "hush"
    assert "hush" not in shown and "hush" not in repr(served[0]["options"])
    review(run)
    assert served[1]["options"].oidc is None


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "nothing to review"),
        (["{tmp}/none"], "no such folder"),
        (["{tmp}"], "not a run folder"),
        (["{run}", "--no-auth", "--host", "0.0.0.0"], "only this machine"),
        (["{run}", "--port", "70000"], "--port"),
        (["{run}", "--database", "mysql://x"], "no database of the kind mysql"),
        (["{run}", "--oidc-issuer", "https://id.example"], "needs both"),
        (["{run}", "--oidc-client-id", "review"], "needs both"),
        (
            ["{run}", "--oidc-issuer", "http://id.example", "--oidc-client-id", "review"],
            "--oidc-issuer: 'http://id.example' is not an https:// URL",
        ),
    ],
)
def test_what_is_refused_is_one_line(
    run: Path, tmp_path: Path, served: list[dict[str, Any]], words: list[str], why: str
) -> None:
    filled = [word.replace("{run}", str(run)).replace("{tmp}", str(tmp_path)) for word in words]
    shown = review(*filled, code=2)
    assert why in shown and shown.startswith("error: ") and shown.count("\n") == 1
    assert served == []
    assert not list(tmp_path.rglob("*.sqlite"))


def test_a_taken_port_is_refused_before_anything_is_made(run: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        shown = review(run, "--port", str(port), code=2)
    assert f"port {port}" in shown and "choose another one (--port)" in shown
    assert "password" not in shown
    assert not (run / "review.sqlite").exists()


@pytest.mark.parametrize("older", [False, True])
def test_a_run_is_opened_from_any_directory(
    tmp_path: Path, served: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, older: bool
) -> None:
    """Its input was named from where the run began; another file of that name is not taken."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    made_run(here / "runs" / "one", ROWS, [judgment("pair-0")])
    (here / "in").mkdir()
    (here / "runs" / "one.jsonl").rename(here / "in" / "pairs.jsonl")
    config = json.loads((here / "runs/one/config.json").read_bytes())
    config["config"]["input"] = "in/pairs.jsonl"
    if not older:
        monkeypatch.chdir(here)
        with RunDir.open(Path("runs/two")) as folder:
            folder.begin(config["config"], config["identity"])
        assert json.loads(Path("runs/two/config.json").read_bytes())["input_from_here"] == (
            "../../in/pairs.jsonl"
        )
        made = here / "runs"
        (made / "two/judgments.jsonl").write_bytes((made / "one/judgments.jsonl").read_bytes())
        here = here.rename(tmp_path / "moved")  # both may move, as long as they do together
        run = here / "runs" / "two"
    else:
        run = here / "runs" / "one"
        (run / "config.json").write_text(json.dumps(config))
    (elsewhere / "in").mkdir(parents=True)
    (elsewhere / "in" / "pairs.jsonl").write_text("another file of that name")
    monkeypatch.chdir(elsewhere)
    assert "1 tasks added" in review(run, "--port", "0")
