"""`judge train plan` of online alignment: reference, rollouts, rewards, weights, disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judge.cli import app
from judge.data.prepare import PrepareConfig, run
from judge.errors import UsageError
from judge.train.align.rloo_config import RLOOConfig
from judge.train.config import load_recipe
from judge.train.plan.architecture import architecture_of
from judge.train.plan.config import PlanRequest
from judge.train.plan.hardware import find_gpu
from judge.train.plan.lengths import paper_lengths
from judge.train.plan.online import cache_bytes, engine_of, memory_on
from judge.train.plan.planner import Plan, plan
from judge.train.plan.report import as_json, header, lines
from judge.train.plan.rollouts import tokens_a_second

GIB = 2**30
BIG = architecture_of("meta-llama/Llama-3.1-70B-Instruct")
H100 = find_gpu("h100-80gb")
WEIGHTS = 2 * BIG.parameters()
COLOCATED = ["rollout.mode=colocate", "rollout.tensor_parallel=8", "rollout.memory_share=0.334"]


def asked(name: str = "llama31_70b_rloo", *overrides: str, **request: Any) -> Plan:
    given = {"counts": (), "overrides": list(overrides), **request}
    return plan(PlanRequest(recipe=name, **given))


def gib(size: float) -> float:
    return round(size / GIB, 1)


def test_a_token_s_keys_and_values_by_hand() -> None:
    assert cache_bytes(BIG) == 80 * 2 * 8 * 128 * 2 == 0.3125 * 2**20
    assert gib(WEIGHTS) == 131.4


def test_every_weight_on_six_nodes() -> None:
    """4 nodes train, as DPO's pairs do; a second copy is divided by 32, one layer of it whole."""
    found = asked("llama31_70b_rloo", "per_device_batch_size=2", "max_length=4096")
    assert found.memory.reference == WEIGHTS // 32 + 2 * 128256 * 8192
    assert gib(found.memory.reference) == 6.1
    assert gib(asked("llama31_70b_dpo").memory.total) == 58.1
    assert gib(found.memory.total) == pytest.approx(58.1 + 6.1, abs=0.1)
    assert found.memory.engine == found.memory.reward == 0
    assert found.fits and found.online is not None
    assert gib(found.online.reward_bytes) == pytest.approx(16.4 + 2.0, abs=0.5)
    assert header(found).startswith("32 x h100-80gb: 64.2 of 79.1 GiB a GPU + 8 for vLLM: ")


def test_the_node_that_draws() -> None:
    """256 responses of 3,072 tokens: 240 GiB, 30 a GPU, beside an eighth of the weights."""
    found = asked("llama31_70b_rloo", "max_length=3072", "rollout.max_new_tokens=2048")
    assert found.online is not None
    engine = found.online.engine
    assert gib(engine.weights) == 16.4
    assert 256 * engine.a_response == 30 * GIB
    assert gib(engine.total) == pytest.approx(16.4 + 30 + 2.0, abs=0.1)
    assert engine.at_once == int((0.9 * 79.1 - 16.43 - 1.95) / (30 / 256))


def test_colocated_engines_fit_eight_nodes_while_they_sleep() -> None:
    found = asked("llama31_70b_rloo", *COLOCATED, gpus=64)
    memory = found.memory
    assert gib(memory.reference) == pytest.approx(2.05 + 1.96, abs=0.05)
    assert gib(memory.engine) == pytest.approx(16.4 + 10, abs=0.1)
    assert memory.total == memory.resting + memory.engine > memory.resting + memory.activations
    assert found.fits and found.online and found.online.engine.copies == 8


def test_colocated_engines_do_not_fit_four_nodes() -> None:
    """Nor would they if the policy's activations were beside them: 58.1 + 6.1 + 26.4 of 79.1."""
    found = asked("llama31_70b_rloo", *COLOCATED, "per_device_batch_size=2", gpus=32)
    memory = found.memory
    training = memory.resting + memory.activations + max(memory.layer, memory.loss)
    assert gib(training + memory.engine) == pytest.approx(58.1 + 6.1 + 26.4, abs=0.2)
    assert memory.total == memory.resting + memory.engine
    assert gib(memory.total) == pytest.approx(90.6 - 14.4, abs=0.5)
    assert not found.fits
    assert f"does not fit: {gib(memory.total)}" in "\n".join(lines(found))


def test_an_adapter_needs_no_second_model_and_three_nodes() -> None:
    found = asked("llama31_70b_rloo_lora", "per_device_batch_size=4")
    assert found.memory.reference == 0 and found.fits
    assert gib(found.memory.total) == gib(asked("llama31_70b_lora").memory.total) == 49.4
    assert as_json(found)["online"]["engine"]["gpus"] == 8


def test_transformers_needs_the_whole_policy_on_every_gpu() -> None:
    found = asked("llama31_70b_rloo", "rollout.engine=transformers")
    assert not found.fits and gib(found.memory.engine) == pytest.approx(131.4 + 1.25, abs=0.1)
    small = asked("llama31_8b_rloo", "rollout.engine=transformers")
    assert gib(small.memory.engine) == pytest.approx(15.0 + 0.5, abs=0.1) and small.fits
    alone = asked("llama31_8b_rloo_1gpu", "rollout.engine=transformers")
    assert gib(alone.memory.engine) == 0.5


def test_a_reward_model_in_the_process_is_whole_on_every_gpu() -> None:
    eight = architecture_of("meta-llama/Llama-3.1-8B-Instruct")
    found = asked("llama31_8b_rloo").memory
    weights, widest = 2 * eight.parameters(1), 4096 * 3 * 2 * eight.intermediate
    assert found.reward == weights + widest
    assert asked("llama31_8b_rloo", "reward.url=http://reward:8000").memory.reward == 0


def test_seconds_of_a_rollout_by_hand() -> None:
    found = asked("llama31_70b_rloo", tokens_a_second=5000.0, sync_gb_s=25.0)
    assert found.online is not None
    took = found.online.rollouts
    assert took.count == 6766 // 64 == 105 and found.batches.steps == 420
    assert took.evaluations == 1 + 420 // 20
    assert took.draw == pytest.approx(256 * 549.95 / 5000)
    gathered = max(WEIGHTS * 7 / 8 / 450e9, WEIGHTS * 3 / 4 / 400e9) / 0.7
    assert took.sync == pytest.approx(gathered + WEIGHTS / 25e9)
    read = 256 * found.batches.mean_length
    products = 2 * (BIG.parameters(1)) * read
    assert took.score == pytest.approx(products / (0.362 * 989e12), rel=0.01)
    forward = 2 * (80 * BIG.layer_weights + BIG.embedding) * read / 32 / (0.362 * 989e12)
    assert took.log_probs == pytest.approx(2 * (forward + 8 * gathered), rel=0.02)
    rollouts = 105 + 22 * 96 / 256
    assert found.hours.rollouts == pytest.approx(took.seconds * rollouts / 3600)
    assert found.hours.low > found.hours.rollouts


def test_a_rate_that_nobody_measured_is_said_to_be_assumed() -> None:
    assert tokens_a_second(68_980_000_000, 4) == pytest.approx(4 * 437, rel=0.001)
    assert tokens_a_second(6_740_000_000, 1) == pytest.approx(2566, rel=0.001)
    assert "tokens/s (assumed)" in "\n".join(lines(asked()))
    assert "(assumed)  " not in "\n".join(lines(asked(tokens_a_second=5000.0)))
    slow = asked("llama31_8b_rloo_1gpu", "rollout.engine=transformers").online
    fast = asked("llama31_8b_rloo_1gpu").online
    assert slow and fast and slow.rollouts.rate == pytest.approx(fast.rollouts.rate / 10)
    assert fast.rollouts.draw >= 2048 * 0.02 * 14.9 / 16, "the longest response is waited for"


def test_lengths_are_prompts_and_what_is_written_to_them() -> None:
    config = load_recipe("llama31_70b_rloo", ["samples=2"], RLOOConfig)
    found = paper_lengths(config)
    assert len(found.train) == 2 * 6766 and len(found.validation) == 96
    assert found.train[0] == found.train[1] == (round(251 / 4) + 40 + 550,)
    short = load_recipe("llama31_70b_rloo", ["rollout.max_new_tokens=64"], RLOOConfig)
    assert paper_lengths(short).train[0] == (round(251 / 4) + 40 + 64,)
    room = load_recipe("llama31_70b_rloo", ["max_length=2148"], RLOOConfig)
    assert 0 < paper_lengths(room).too_long < 6766
    none = load_recipe("llama31_70b_rloo", ["max_length=2048"], RLOOConfig)
    with pytest.raises(UsageError, match="no prompt is shorter than max_length less max_new_tok"):
        paper_lengths(none)


def test_prompts_of_one_s_own_are_counted(tmp_path: Path, prepared: Path) -> None:
    run(PrepareConfig(input="examples/pairs.jsonl", output_dir=str(tmp_path), kind="prompts"))
    found = asked("llama31_8b_rloo", "prompts_per_rollout=16", data=str(tmp_path))
    assert found.batches.steps == 39 // 16 * 1 and found.batches.examples == 4 * 39
    with pytest.raises(UsageError, match=r"kind justifier; this recipe needs prompts"):
        asked("llama31_8b_rloo", data=str(prepared))


def test_terabytes_of_checkpoints_are_said_and_what_to_set() -> None:
    assert gib(asked().checkpoint_bytes * GIB / 1e9) == 987.8
    assert asked().checkpoints == 4 and not any("save_total" in w for w in asked().warnings)
    found = asked("llama31_70b_rloo", "save_total_limit=null")
    assert found.checkpoints == 21
    assert any(
        "21 checkpoints of 988 GB" in w and "save_total_limit=4" in w for w in found.warnings
    )


def test_a_value_model_beside_all_this_does_not_fit_four_nodes() -> None:
    """Why there is no `judge align ppo`: 18 bytes of states for each of its parameters."""
    value = 18 * BIG.parameters(1) / 32
    assert gib(value) == pytest.approx(36.4, abs=0.1)
    assert asked().memory.total + value > 0.9 * H100.memory


def test_what_does_not_fit_beside_the_training_ends_with_3() -> None:
    runner = CliRunner()
    words = ["train", "plan", "llama31_8b_rloo"]
    tight = runner.invoke(app, [*words, "rollout.memory_share=0.15"])
    assert tight.exit_code == 3
    assert "does not fit: rollout.memory_share 0.15: no room for a response" in tight.output
    words = ["train", "plan", "llama31_70b_rloo"]
    one = runner.invoke(app, [*words, "hardware.reward_gpus=1"])
    assert one.exit_code == 3 and "does not fit: the reward model on 1 GPUs" in one.output
    drawn = runner.invoke(app, [*words, "hardware.rollout_gpus=1", "--json"])
    assert drawn.exit_code == 3
    assert "the rollout GPUs: no room" in json.loads(drawn.output)["online"]["problems"][0]


@pytest.mark.parametrize(
    ("overrides", "gpus", "problem"),
    [
        ((), 48, "prompts_per_rollout 64 cannot be shared by 48 GPUs; fitting: 1, 2, 4, 8, 16, 32"),
        (COLOCATED[:2], 4, "rollout.tensor_parallel 8 does not divide 4 GPUs"),
    ],
)
def test_gpus_that_share_nothing_are_refused(
    overrides: tuple[str, ...], gpus: int, problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        asked("llama31_70b_rloo", *overrides, gpus=gpus)


def test_other_recipes_have_no_rollouts() -> None:
    found = asked("llama31_70b_dpo")
    assert found.online is None and found.hours.rollouts == 0 and as_json(found)["online"] is None
    config = load_recipe("llama31_70b_rloo", [], RLOOConfig)
    assert memory_on(config, BIG, H100, 32).total == asked().memory.total
    assert engine_of(config, BIG, H100, 32, 8, 0.1).gpus == 8
