"""`judge align ppo` is a refusal that says why, whatever it is given."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from judge.cli import app


@pytest.mark.parametrize("words", [[], ["--config", "x", "beta=0.1"]])
def test_there_is_no_ppo_and_one_line_says_why(words: list[str]) -> None:
    done = CliRunner().invoke(app, ["align", "ppo", *words])
    assert done.exit_code == 2
    said = done.stderr.strip()
    assert len(said.splitlines()) == 1
    for part in ("TRL", "36 GiB", "judge align rloo", "docs/alignment.md"):
        assert part in said
