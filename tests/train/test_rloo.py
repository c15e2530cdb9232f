"""Online alignment of a tiny Llama: controls with known ends, what counts, resume, refusals."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from judge.errors import RowError, UsageError
from judge.online import rloo as online
from judge.train.align.online import rloo
from judge.train.align.online.trainer import RLOOTrainer, place_of
from judge.train.align.rloo_config import RLOOConfig
from judge.train.align.rollouts import DrawnTokens
from tests.train.online_runs import (
    FIELDS,
    ScriptedRewards,
    Told,
    config,
    drawn,
    ending_policy,
    figures,
    held_out,
    helpers,
    prompt_set,
    train,
)
from tests.train.reward_sets import preference_set

SAME_BYTES = (
    "model.safetensors",
    "rollouts.jsonl",
    "responses.jsonl",
    "held_out.jsonl",
    "online.json",
)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ending_policy(tmp_path_factory.mktemp("policy") / "base")


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prompt_set(tmp_path_factory.mktemp("prompts") / "prompts")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def letters(text: str) -> float:
    """A reward that differs from response to response."""
    return len(set(text)) / 10


def test_a_constant_reward_moves_nothing_but_weight_decay(
    policy: Path, prompts: Path, tmp_path: Path
) -> None:
    still = train(config(policy, prompts, tmp_path / "0", beta=0, max_steps=2), lambda text: 1.5)
    start = weights(policy)
    assert all(torch.equal(value, start[name]) for name, value in weights(still).items())
    assert all(one.advantage == 0 for one in drawn(still))
    decay = config(policy, prompts, tmp_path / "1", beta=0, max_steps=2, weight_decay=0.5)
    found = weights(train(decay, lambda text: 1.5))
    shrunk = (1 - 1e-2 * 0.5) ** 2
    for name, value in found.items():
        factor = 1.0 if "norm" in name else shrunk
        assert torch.allclose(value, start[name] * factor, rtol=1e-5), name


def test_rewards_of_short_responses_shorten_them_and_the_pull_to_the_reference_holds(
    policy: Path, prompts: Path, tmp_path: Path
) -> None:
    """The same 5 held-out prompts by the same draws; a beta of 50 leaves little to gain."""
    ends = {}
    for beta in (0.0, 50.0):
        recipe = config(policy, prompts, tmp_path / f"{beta}", beta=beta, max_steps=8, kl="sum")
        folder = train(recipe, lambda text: -float(len(text)))
        start, end = held_out(folder, 0), held_out(folder, 8)
        assert [one.prompt_id for one in start] == [one.prompt_id for one in end]
        ends[beta] = sum(one.tokens for one in end), figures(folder)[-1].kl_mean_absolute
    before = sum(one.tokens for one in start)
    assert ends[0.0][0] < before / 2
    assert ends[50.0][0] > ends[0.0][0]
    assert ends[0.0][1] > ends[50.0][1]


def test_what_has_no_reward_or_an_infinite_one_leaves_its_group_counted(
    policy: Path, prompts: Path, tmp_path: Path
) -> None:
    """In TRL one infinite reward makes every weight NaN."""
    seen: list[str] = []

    def script(text: str) -> float | RowError:
        seen.append(text)
        number = len(seen) - 6  # after the five held-out prompts
        bad = {0: math.inf, 1: math.nan, 4: RowError("prompt_too_long", "9 tokens")}
        return bad.get(number, letters(text))

    folder = train(config(policy, prompts, tmp_path / "out", max_steps=1), script)
    assert all(value.isfinite().all() for value in weights(folder).values())
    (told,) = figures(folder)
    assert told.left_out == {"prompt_too_long": 1, "reward_not_finite": 2}
    assert told.unscored == 3
    first = drawn(folder)[:8]
    assert [one.left_out for one in first[:3]] == ["reward_not_finite", "reward_not_finite", None]
    assert [one.reward for one in first[:2]] == [None, None]
    rest = [one.advantage for one in first[2:4]]
    assert None not in rest and sum(rest) == pytest.approx(0)  # type: ignore[arg-type]


def test_truncated_responses_are_left_out_or_not(
    policy: Path, prompts: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"max_steps": 1, "rollout": {"max_new_tokens": 2}}
    notes: list[str] = []
    without = config(policy, prompts, tmp_path / "0", leave_out_truncated=True, **options)
    folder = train(without, letters, notes)
    (told,) = figures(folder)
    cut = [one for one in drawn(folder) if one.truncated]
    assert told.truncated == pytest.approx(len(cut) / 16)
    assert told.left_out["truncated"] == len(cut) > 8
    assert {one.left_out for one in cut} == {"truncated"}
    assert any("truncated at 2 tokens" in note for note in notes)
    kept = train(config(policy, prompts, tmp_path / "1", **options), letters)
    assert figures(kept)[0].left_out == {}


def test_length_costs_what_the_recipe_says(policy: Path, prompts: Path, tmp_path: Path) -> None:
    recipe = config(policy, prompts, tmp_path / "out", beta=0, length_penalty=0.5, max_steps=1)
    rows = drawn(train(recipe, letters))
    for group in (rows[i : i + 4] for i in range(0, 16, 4)):
        earned = [(one.reward or 0) - 0.5 * one.tokens for one in group]
        for one, value in zip(group, earned, strict=True):
            assert one.advantage == pytest.approx(value - (sum(earned) - value) / 3, abs=1e-6)


def test_equal_rewards_are_told(policy: Path, prompts: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    recipe = config(policy, prompts, tmp_path / "out", equal_rollouts=2, max_steps=4)
    train(recipe, lambda text: 0.25, notes)
    told = [note for note in notes if "nothing to learn" in note]
    assert [note.partition(":")[0] for note in told] == ["rollout 2 (step 1)", "rollout 4 (step 3)"]


def test_too_far_from_the_reference_stops_and_names_the_last_checkpoint(
    policy: Path, prompts: Path, tmp_path: Path
) -> None:
    often = {"save_steps": 1, "eval_steps": 1, "held_out": 0, "max_steps": 20}
    recipe = config(policy, prompts, tmp_path / "out", beta=0, max_kl=0.05, **often)
    with pytest.raises(UsageError, match=r"KL 0\.\d+ \(mean_absolute\) is above max_kl 0\.05") as e:
        train(recipe, lambda text: -float(len(text)))
    newest = sorted((tmp_path / "out").glob("checkpoint-*"))[-1]
    assert f"the last good checkpoint is {newest}" in str(e.value)


def test_too_many_responses_without_a_reward_stop(
    policy: Path, prompts: Path, tmp_path: Path
) -> None:
    recipe = config(policy, prompts, tmp_path / "out", held_out=0, max_unscored=0.5)
    with pytest.raises(UsageError, match=r"16 of 16 responses got no reward \(engine_error\)"):
        train(recipe, lambda text: RowError("engine_error", "no answer"))


def test_responses_of_other_weights_stop(policy: Path, prompts: Path, tmp_path: Path) -> None:
    """An engine that was not given the weights: it writes what the policy would never."""

    class Foreign:
        whole_policy = False

        def draw(self, policy: Any, prompts: Any, seeds: Any) -> list[DrawnTokens]:
            unlikely = _unlikeliest(policy)
            return [DrawnTokens((unlikely,) * 5, False) for _ in prompts]

        def describe(self) -> dict[str, Any]:
            return {"engine": "foreign"}

    recipe = config(policy, prompts, tmp_path / "out", held_out=0)
    with pytest.raises(UsageError, match="what drew them had other weights"):
        made = helpers(ScriptedRewards(letters), lambda c, t: Foreign())
        rloo.run(recipe, made, Told([]))


def _unlikeliest(policy: Any) -> int:
    """Return a token that the policy finds unlikely wherever it is, after making it so."""
    with torch.no_grad():
        policy.lm_head.weight[100] = -0.5 * policy.lm_head.weight.abs().max()
        policy.lm_head.weight[100, 0] = -2.0
    return 100


class Stops(BaseException):
    """What ends a run in the midst of something."""


@pytest.fixture(scope="module")
def wholes(
    policy: Path, prompts: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, Path]:
    """Return uninterrupted runs of one and two updates a rollout."""
    folder = tmp_path_factory.mktemp("whole")
    return {
        n: train(config(policy, prompts, folder / str(n), **_sizes(n)), letters) for n in (1, 2)
    }


def _sizes(updates: int) -> dict[str, Any]:
    often = {"save_steps": 2 * updates, "eval_steps": 2 * updates}
    return {"global_batch_size": 16 // updates, "max_steps": 4 * updates, **often}


@pytest.mark.parametrize(("where", "updates"), [("rollout", 1), ("scoring", 2), ("update", 2)])
def test_an_interrupted_run_ends_with_the_same_bytes(
    where: str,
    updates: int,
    policy: Path,
    prompts: Path,
    wholes: dict[int, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two updates a rollout too, whose second one is taken on other weights than drew it."""
    recipe = config(policy, prompts, tmp_path / "again", **_sizes(updates))
    calls = 0

    def stop(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == {"rollout": 5, "scoring": 5, "update": 6}[where]:
            raise Stops
        return original(*args)

    with monkeypatch.context() as patch:
        made = helpers(ScriptedRewards(letters))
        if where == "rollout":
            engine = made.engine(recipe, _tokenizer(policy))
            original: Any = engine.draw
            patch.setattr(engine, "draw", stop)
            made = helpers(ScriptedRewards(letters), lambda c, t: engine)
        elif where == "scoring":
            rewards = ScriptedRewards(letters)
            original = rewards.rewards
            patch.setattr(rewards, "rewards", stop)
            made = helpers(rewards)
        else:
            original = RLOOTrainer.summed_loss
            patch.setattr(RLOOTrainer, "summed_loss", lambda *args: stop(*args))
        with pytest.raises(Stops):
            rloo.run(recipe, made, Told([]))
    assert list((tmp_path / "again").glob("checkpoint-*"))
    train(recipe, letters)
    for name in SAME_BYTES:
        assert (tmp_path / "again" / name).read_bytes() == (wholes[updates] / name).read_bytes()


def _tokenizer(policy: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(policy)


@pytest.mark.slow
def test_a_run_that_is_killed_ends_with_the_same_bytes(
    policy: Path, prompts: Path, wholes: dict[int, Path], tmp_path: Path
) -> None:
    """kill -9 before the first checkpoint, in a rollout, in scoring, in an update, in a line."""
    script = """
import os, signal, sys
from pathlib import Path
from judge.runs import online
from judge.train.align.online import rloo
from judge.train.align.online.trainer import RLOOTrainer
from tests.train.online_runs import *
where, policy, prompts, output = sys.argv[1:]
recipe = config(Path(policy), Path(prompts), Path(output))
calls = 0
def killing(call, number):
    def counted(*args):
        global calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args)
    return counted
rewards = ScriptedRewards(lambda text: len(set(text)) / 10)
engine = TransformersRollouts(recipe.rollout, AutoTokenizer.from_pretrained(policy), 1024)
if where == "first":
    RLOOTrainer.summed_loss = killing(RLOOTrainer.summed_loss, 2)
elif where == "rollout":
    engine.draw = killing(engine.draw, 5)
elif where == "scoring":
    rewards.rewards = killing(rewards.rewards, 3)
elif where == "update":
    RLOOTrainer.summed_loss = killing(RLOOTrainer.summed_loss, 4)
else:
    append = online.append_synced
    def torn(path, data):
        global calls
        calls += 1
        if calls == 4:
            append(path, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        append(path, data)
    online.append_synced = torn
rloo.run(recipe, helpers(rewards, lambda c, t: engine), Told([]))
"""
    again = tmp_path / "again"
    for where in ("first", "rollout", "scoring", "update", "line"):
        command = [sys.executable, "-c", script, where, str(policy), str(prompts), str(again)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == -9, (where, done.stderr[-2000:])
    train(config(policy, prompts, again), letters)
    for name in SAME_BYTES:
        assert (again / name).read_bytes() == (wholes[1] / name).read_bytes(), name


def test_draws_depend_on_no_neighbour(policy: Path, prompts: Path, tmp_path: Path) -> None:
    wide = train(config(policy, prompts, tmp_path / "0", max_steps=1, held_out=0), letters)
    narrow = {"rollout": {"max_new_tokens": 16, "batch_tokens": 64}, "per_device_batch_size": 1}
    recipe = config(policy, prompts, tmp_path / "1", max_steps=1, held_out=0, **narrow)
    texts = [[one.response for one in drawn(folder)] for folder in (wide, train(recipe, letters))]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 8


def test_the_checkpoint_of_the_highest_held_out_reward_is_kept(
    policy: Path, prompts: Path, tmp_path: Path
) -> None:
    """Rewards turn against what was learnt, so that a checkpoint in between is the best."""
    calls = 0

    def turning(text: str) -> float:
        nonlocal calls
        calls += 1
        return -float(len(text)) if calls < 90 else float(len(text)) - 1000

    recipe = config(policy, prompts, tmp_path / "out", beta=0, keep_best=True, max_steps=8)
    manifest = rloo.run(recipe, helpers(ScriptedRewards(turning)), Told([]))
    assert manifest is not None and manifest.best_checkpoint is not None
    assert manifest.best_checkpoint.endswith(("checkpoint-2", "checkpoint-4"))
    kept = load_file(Path(manifest.best_checkpoint) / "model.safetensors")
    found = weights(tmp_path / "out")
    assert all(torch.equal(found[name], kept[name]) for name in kept)


def test_an_adapter_is_held_to_the_model_without_it(
    policy: Path, prompts: Path, tmp_path: Path
) -> None:
    lora = {"r": 4, "alpha": 8, "target_modules": ["q_proj", "v_proj", "lm_head"]}
    recipe = config(policy, prompts, tmp_path / "out", lora=lora, learning_rate=5e-2)
    told = figures(train(recipe, letters))
    assert told[0].kl == 0
    assert told[-1].kl is not None and told[-1].kl > 1e-3


def test_each_pass_takes_every_prompt_once_in_another_order() -> None:
    passes = [[place_of(place, 7, 17) for place in range(n, n + 7)] for n in (0, 7)]
    assert [sorted(one) for one in passes] == [list(range(7))] * 2
    assert passes[0] != passes[1]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"samples": 1}, "greater than or equal to 2"),
        (
            {"global_batch_size": 5, "per_device_batch_size": 1},
            r"no multiple of global_batch_size 5; fitting: 1, 2, 4, 8, 16",
        ),
        ({"global_batch_size": 8, "save_steps": 3}, "save_steps 3 is no multiple of the 2"),
        ({"rollout": {"engine": "vllm", "mode": "server"}}, r"rollout\.url"),
        ({"keep_best": True, "held_out": 0}, "keep_best chooses by the reward of held-out"),
        ({"beta": -0.1}, "greater than or equal to 0"),
    ],
)
def test_a_recipe_that_cannot_be(fields: dict[str, Any], said: str) -> None:
    places = {"model": "m", "data": "d", "output_dir": "o"}
    with pytest.raises(ValidationError, match=said):
        RLOOConfig.model_validate(FIELDS | places | fields)


def test_what_cannot_begin_is_refused_in_one_line(
    policy: Path, prompts: Path, tmp_path: Path
) -> None:
    pairs = preference_set(tmp_path / "pairs")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"data": str(pairs)}, "data of kind preference; RLOO needs"),
        ({"reward": {"model": "mini"}}, "mini"),
        ({"max_steps": -1, "epochs": 0.1}, "fewer than the 4 of a rollout"),
        ({"global_batch_size": 8, "max_steps": 3}, "max_steps 3 is no multiple of the 2"),
        ({"max_length": 20}, "no prompt to learn from"),
        ({"data": str(tmp_path / "nothing")}, "not a training set"),
    ]
    for number, (fields, said) in enumerate(cases):
        with pytest.raises(UsageError, match=said) as error:
            online.run(config(policy, prompts, tmp_path / f"o{number}", **fields))
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match=r"4 cannot be shared by 3 processes; fitting: 1, 2, 4"):
        recipe = config(policy, prompts, tmp_path / "three")
        rloo.RLOOTuning(recipe, helpers(None), Told([])).check_processes(3)


def test_a_training_goes_on_with_no_other_reward_model(
    policy: Path, prompts: Path, tmp_path: Path
) -> None:
    recipe = config(policy, prompts, tmp_path / "out", max_steps=4)
    calls = 0

    def until(text: str) -> float:
        nonlocal calls
        calls += 1
        if calls > 50:
            raise Stops
        return letters(text)

    with pytest.raises(Stops):
        train(recipe, until)
    with pytest.raises(
        UsageError, match=r"another reward.*model is \"scripted\" there, \"other\" now"
    ):
        rloo.run(recipe, helpers(ScriptedRewards(letters, "other")), Told([]))
