"""A wheel, installed where nothing else is than what the core needs (`make test-install`).

The dependencies are linked out of the environment of the tests, those of no extra alone: what the
core imports and does not require is missing there, as it would be for a user.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
LARGEST = 58_500_000
"""Bytes of the wheel: three quarters are the weights of the mini models, which are bfloat16."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a virtual environment with the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [site] = folder.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    [about] = site.glob("pairwise_justifier-*.dist-info")
    for found in required(Distribution.at(about)):
        link(found, site)
    return folder


def required(package: Distribution) -> dict[str, Distribution]:
    """Return the distributions that ``package`` requires without its extras, and theirs."""
    found: dict[str, Distribution] = {}
    waiting = [(package, "")]
    while waiting:
        current, extra = waiting.pop()
        for line in current.requires or ():
            needed = Requirement(line)
            if needed.marker and not needed.marker.evaluate({"extra": extra}):
                continue
            try:
                there = distribution(needed.name)
            except PackageNotFoundError:
                continue  # what the build of torch for GPUs would bring
            new = [(there, e) for e in needed.extras]
            if needed.name not in found:
                found[needed.name] = there
                new.append((there, ""))
            waiting += new
    return found


def link(name: str, site: Path) -> None:
    """Put what a distribution installed into ``site``, as links."""
    there = distribution(name)
    for top in {file.parts[0] for file in there.files or ()} - {"..", "__pycache__"}:
        source, target = Path(str(there.locate_file(top))), site / top
        if source.exists() and not target.exists():
            target.symlink_to(source)


def names(wheel: Path) -> Iterator[str]:
    with zipfile.ZipFile(wheel) as archive:
        yield from archive.namelist()


def test_what_is_in_the_wheel(wheel: Path) -> None:
    there = set(names(wheel))
    tops = {name.partition("/")[0] for name in there}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"app", "judge"}
    for name in (
        "judge/py.typed",
        "judge/prompts/pairwise_justifier.v1.txt",
        "judge/train/recipes/mini.yaml",
        "judge/models/small_judge/adapter_model.safetensors",
        "judge/report/page.html.j2",
    ):
        assert name in there, name
    assert any(name.startswith("app/static/") for name in there)
    assert [name for name in there if name.endswith("/tokenizer.json")] == [
        "judge/models/mini_judge/tokenizer.json"
    ]
    assert [name for name in there if re.search(r"_log\.jsonl$|/pretrain\.json$", name)] == []
    assert wheel.stat().st_size < LARGEST


def test_the_first_command_of_the_readme_runs_where_only_the_core_is(
    installed: Path, tmp_path: Path
) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    words = shlex.split(next(line for line in page.splitlines() if line.startswith("judge batch")))
    words[words.index("--model") + 1] = "mini"
    shutil.copy(ROOT / "examples" / "pairs.jsonl", tmp_path)
    more = ["--limit", "2", "--max-new-tokens", "8", "--scorer", "mini-bt"]
    command = [str(installed / "bin" / words[0]), *words[1:], *more]
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "runs" / "mine" / "judgments.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert all(json.loads(line)["rewards"].keys() == {"mini-bt"} for line in lines)
    resolved = json.loads((tmp_path / "runs" / "mine" / "config.json").read_text())
    assert str(ROOT) not in json.dumps(resolved)


def test_an_extra_that_is_not_there_is_named(installed: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "pairs.jsonl", tmp_path)
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(installed / "bin" / "judge"), "data", "stats", "pairs.jsonl", "--out", "stats"]
    done = subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'pairwise-justifier[stats]'" in done.stderr


def test_a_model_without_a_tokenizer_of_its_own_has_that_of_mini(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a wheel leaves out changes neither a model's digest nor a copy of it."""
    from judge import models
    from judge.infer.engines.weights import model_digest
    from judge.models.checkpoint import open_checkpoint
    from judge.models.layers import layers_of

    whole = Path(models.resolve_model("mini-bt"))
    digest, beside = model_digest(whole), sorted(open_checkpoint("mini-bt").beside())
    for name in ("mini_bt", "mini_judge"):
        (tmp_path / name).mkdir()
        for file in (models.FOLDER / name).iterdir():
            if name == "mini_judge" or not file.name.startswith(("tokenizer", "chat_template")):
                (tmp_path / name / file.name).symlink_to(file)
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    assert layers_of("mini-bt").tokenizer == str(tmp_path / "mini_judge")
    assert model_digest(tmp_path / "mini_bt") == digest
    assert sorted(open_checkpoint("mini-bt").beside()) == beside
    assert open_checkpoint("mini-bt").tokenizer_folder == tmp_path / "mini_judge"
