"""The bundled reward models: they load by name, are small, and say how they were trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judge.errors import UsageError
from judge.infer.scorers.load import load_scorer
from judge.models import BUNDLED, FOLDER, default_template
from judge.pair import Message, Pair
from judge.reward import Rewards

NAMES = ("mini-bt", "mini-regression")


def test_both_together_are_at_most_30_megabytes() -> None:
    folders = [FOLDER / BUNDLED[name] for name in NAMES]
    assert sum(f.stat().st_size for folder in folders for f in folder.rglob("*")) <= 30_000_000


@pytest.mark.parametrize("name", NAMES)
def test_it_scores_a_pair_alike_in_both_orders(name: str) -> None:
    prompt = (Message(role="user", content="The boat sank.\nWhat was the cause of this?"),)
    pair = Pair(pair_id="p", prompt=prompt, response_1="A storm hit the boat.", response_2="Yes.")
    scorer = load_scorer(name)
    (given,), (flipped,) = (scorer.score([one]) for one in (pair, pair.flipped()))
    assert isinstance(given, Rewards) and given.pair[0] != given.pair[1]
    assert isinstance(flipped, Rewards) and flipped.pair == given.pair[::-1]


@pytest.mark.parametrize("name", NAMES)
def test_its_manifest_names_recipe_and_data(name: str) -> None:
    manifest = json.loads((Path(FOLDER) / BUNDLED[name] / "manifest.json").read_text())
    about = json.loads((Path(FOLDER) / BUNDLED[name] / "judge.json").read_text())
    objective = "regression" if name == "mini-regression" else "scaled_bt"
    assert about["objective"] == manifest["recipe"]["objective"] == objective
    assert manifest["recipe"]["seed"] == 17 and manifest["data"]["outputs"]


def test_a_reward_model_is_no_judge() -> None:
    with pytest.raises(UsageError, match=r"mini-bt is a reward model, not a judge: .*--scorer"):
        default_template("mini-bt")
