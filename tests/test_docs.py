"""Every command in the documentation is run, every option is documented."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.engine_options import ENGINES
from judge.infer.engines.writing import Answer
from tests.ahead import READS_AHEAD
from tests.scripted import engine as scripted
from tests.writers import ScriptedWriter

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]
DOCS += sorted((ROOT / "docs").glob("*.md"))
DOCS += sorted((ROOT / "judge" / "models").glob("*/README.md"))

STAND_INS = {
    "pairs.jsonl": "examples/pairs.jsonl",
    "annotations/": "examples/pairs.jsonl",
    "meta-llama/Llama-3.1-8B-Instruct": "mini",
    "our-chat-model": "mini",
    "our-judge-70b": "mini",
    "our-judge": "mini",
    "small": "mini",
    "small-bt": "mini-bt",
    "small-regression": "mini-regression",
    "recipe.yaml": "smoke",
    "small_own": "smoke",
    "reward_recipe.yaml": "reward_smoke",
    "policy.yaml": "policy_smoke",
    "dpo.yaml": "dpo_smoke",
    "rloo.yaml": "rloo_smoke",
    "work/dpo": "work/dpo_smoke",
    "password.txt": "examples/README.md",
    "gold.jsonl": "examples/benchmarks/rewardbench.jsonl",
    "eval.jsonl": "examples/benchmarks/judgebench.jsonl",
    "postgresql+psycopg://review@localhost/review": "sqlite:///copied.sqlite",
}
"""What a reader has and this machine does not, or what takes long, and what a test takes for it."""
DEFAULTS = {
    **{name: ["--model", "mini"] for name in ("arena", "batch", "bench", "probe", "serve")},
    "score": ["--model", "mini-bt"],
}
"""The models of commands that name none: those that need no base."""
ALWAYS = {
    "batch": ["--max-new-tokens", "8", "--limit", "2"],
    "arena pairs": ["--max-new-tokens", "8", "--limit", "2"],
    "arena arena-hard": ["--max-new-tokens", "8", "--limit", "2"],
    "arena alpaca-eval": ["--max-new-tokens", "8", "--limit", "2"],
    "respond": ["--max-new-tokens", "8", "--limit", "2"],
    "probe": ["--max-new-tokens", "8", "--limit", "2"],
    "train justifier": ["max_steps=2"],
    "train reward": ["max_steps=2"],
    "align sft": ["max_steps=2", "train_limit=8"],
    "align dpo": ["max_steps=2", "train_limit=8"],
    "align rloo": ["max_steps=2", "held_out=2"],
}
"""Keeps a command to seconds; a command's own option is given later and wins."""


def commands(path: Path) -> list[str]:
    """Return the command lines in the fenced blocks of a page, continued lines joined.

    ``judge = Judge(...)`` is Python: tests/test_python_docs.py runs it.
    """
    blocks = re.findall(r"^```\w*\n(.*?)^```", path.read_text(encoding="utf-8"), re.S | re.M)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    command = re.compile(r"(judge|make|python) (?!=)")
    return [line.split("  #")[0].strip() for line in lines if command.match(line)]


PAGES = {str(path.relative_to(ROOT)): commands(path) for path in DOCS if path.name != "cli.md"}


def test_the_documentation_has_commands() -> None:
    assert sum(map(len, PAGES.values())) > 10


@pytest.fixture
def served() -> Iterator[str]:
    """The address of a server with a model that is called ``judge``."""
    from tests.fault_server import Running, Server

    with Running(Server()) as running:
        yield running.url


@pytest.fixture
def served_by_llamacpp() -> Iterator[str]:
    """The address of a scripted ``llama-server`` with such a model."""
    from tests.fault_server import Running
    from tests.llamacpp_server import LlamaCppServer

    with Running(LlamaCppServer()) as running:
        yield running.url


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page, lines in PAGES.items() if lines])
def test_every_command_of_a_page_runs_in_its_order(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    if page == "docs/server.md":  # its servers are scripted ones
        served = request.getfixturevalue("served")
        monkeypatch.setitem(STAND_INS, "http://localhost:8000/v1", served)
        by_llamacpp = request.getfixturevalue("served_by_llamacpp")
        monkeypatch.setitem(STAND_INS, "http://localhost:8080", by_llamacpp)
    if page == "docs/models.md":  # there is a base, and it is not fetched again
        request.getfixturevalue("cached")
    if page in ("docs/respond.md", "docs/alignment.md"):  # answers of a model that needs no base
        monkeypatch.setitem(STAND_INS, "small-base", "mini")
    if page == "docs/arena.md":  # a judge that gives grades
        writer = ScriptedWriter(lambda waiting: Answer("Fine. Grade: [[7]]", "stop", 5))
        monkeypatch.setattr(
            "judge.infer.engines.registry.load_writer", lambda config, note=None: writer
        )
    if page == "README.md":  # `make demo` only says what it would do
        monkeypatch.setitem(STAND_INS, "runs/demo", "runs/mine")
    if page == "docs/vllm.md":  # neither vLLM nor Ray is installed here
        monkeypatch.setattr(
            "judge.infer.engines.registry.load_engine", lambda config, note=None: scripted()
        )
        monkeypatch.setitem(ENGINES, "ray", READS_AHEAD)
    for line in PAGES[page]:
        words = with_a_model([STAND_INS.get(word, word) for word in shlex.split(line)])
        if words[:2] in (["judge", "serve"], ["judge", "review"]):
            start_and_stop(words)
        elif words[0] == "judge":
            names = (words[1], " ".join(words[1:3]))
            extra = next((ALWAYS[name] for name in names if name in ALWAYS), [])
            extra = [] if "--limit" in words else extra
            result = CliRunner().invoke(app, [*words[1:], *extra])
            assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"
        elif words[0] == "make":
            done = subprocess.run(
                ["make", "--dry-run", "--directory", str(ROOT), *words[1:]], capture_output=True
            )
            assert done.returncode == 0, done.stderr.decode()
        else:
            assert (ROOT / words[1]).is_file(), line


def with_a_model(words: list[str]) -> list[str]:
    """Return a command with the model that it is run with here, where it names none."""
    if words[1:3] == ["arena", "report"]:
        return words
    named = {"--model", "--reward-model", "--config", "--help"} & set(words)
    return words if words[0] != "judge" or named else [*words, *DEFAULTS.get(words[1], [])]


def start_and_stop(words: list[str]) -> None:
    """Start a server on a free port and end it once it listens."""
    command = [sys.executable, "-m", "judge.cli", *words[1:], "--port", "0"]
    said = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout
        for line in server.stdout:
            said.append(line)
            if "listening on" in line or "the pages:" in line:
                break
        server.terminate()
        assert server.wait(60) == 0, said
        assert "http://" in said[-1], said


def test_the_command_line_page_is_what_the_commands_say() -> None:
    """`python -m typer judge.cli utils docs --name judge --output docs/cli.md` writes it."""
    written = subprocess.run(
        [sys.executable, "-m", "typer", "judge.cli", "utils", "docs", "--name", "judge"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").strip() == written.strip()


def test_every_picture_of_a_page_is_there_and_small() -> None:
    shown = {
        (path.parent / target).resolve()
        for path in DOCS
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    }
    for picture in shown:
        assert picture.stat().st_size < 150_000, picture
    assert set((ROOT / "docs" / "images").iterdir()) <= shown


def test_every_recipe_is_documented() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for recipe in (ROOT / "judge" / "train" / "recipes").glob("*.yaml"):
        assert f"`{recipe.stem}`" in text, recipe.stem


def test_every_failure_reason_is_documented() -> None:
    from typing import get_args

    from judge.errors import FailureReason

    text = (ROOT / "docs" / "judging.md").read_text(encoding="utf-8")
    for reason in get_args(FailureReason):
        assert f"`{reason}`" in text, reason
