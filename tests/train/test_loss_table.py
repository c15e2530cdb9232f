"""``judge train losses``: the paper's Table 10, worked out by hand."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner, Result

from judge.cli import app
from judge.exits import USAGE
from judge.train.loss_table import LossTable, as_json, losses, table


def judge(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", "losses", *arguments])


def minus_log_s(x: float) -> float:
    return math.log1p(math.exp(-x))


def test_the_24_losses_by_hand() -> None:
    found = losses(LossTable())
    cases = [(one.difference, one.strength) for one in found.scenarios]
    assert cases == [(d, m) for d in (3, 1, -1, -3) for m in (1, 3)]
    for one in found.scenarios:
        d, m = one.difference, one.strength
        assert one.losses["bt"] == pytest.approx(minus_log_s(d), abs=1e-12)
        assert one.losses["margin_bt"] == pytest.approx(minus_log_s(d - m), abs=1e-12)
        assert one.losses["scaled_bt"] == pytest.approx(m * minus_log_s(d), abs=1e-12)


def test_the_values_that_the_paper_prints() -> None:
    """Its means are rounded otherwise: 2.3619 of scaled and 2.4767 of margin."""
    *rows, mean = table(losses(LossTable())).rows
    shown = {(row[0], row[1]): row[2:] for row in rows}
    assert shown["1", "3"][1] == "2.1269"
    assert shown["-3", "3"][1:] == ("6.0025", "9.1458")
    assert mean == ("mean", "", "1.1809", "2.4757", "2.3618")


def test_other_scenarios_on_the_command_line() -> None:
    shown = judge("--difference", "-2", "--difference", "0.5", "--strength", "2", "--json")
    assert shown.exit_code == 0
    asked = LossTable(differences=(-2, 0.5), strengths=(2,))
    assert json.loads(shown.output) == as_json(losses(asked))
    assert len(json.loads(shown.output)["scenarios"]) == 2
    assert "2.4757" in judge().output


@pytest.mark.parametrize(
    ("option", "value"), [("--strength", "0"), ("--strength", "4"), ("--difference", "nan")]
)
def test_a_bad_value_is_told_by_its_option(option: str, value: str) -> None:
    refused = judge(option, value)
    assert refused.exit_code == USAGE
    assert refused.output.count("\n") == 1
    assert option in refused.output
