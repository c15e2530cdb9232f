"""`judge train plan`: lengths, batches, hours, what fits instead, the command, everything bad."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from judge.cli import app
from judge.errors import UsageError
from judge.train.config import JustifierConfig, RewardConfig, load_recipe
from judge.train.plan.alternatives import smallest_count
from judge.train.plan.architecture import architecture_of
from judge.train.plan.batches import batches_of
from judge.train.plan.config import PlanRequest
from judge.train.plan.hardware import GPUS, find_gpu
from judge.train.plan.lengths import SAMPLE, ExampleLengths, data_lengths, paper_lengths
from judge.train.plan.planner import Plan, plan
from judge.train.plan.report import as_json, lines
from judge.train.plan.speed import flops_a_token, host_seconds, link_seconds
from tests.train.reward_sets import preference_set, regression_set

BIG = architecture_of("meta-llama/Llama-3.1-70B-Instruct")
H100 = find_gpu("h100-80gb")


def recipe(name: str = "llama31_70b_zero3", *overrides: str) -> JustifierConfig:
    return load_recipe(name, list(overrides), JustifierConfig)


def asked(name: str = "llama31_70b_zero3", **request: Any) -> Plan:
    return plan(PlanRequest(recipe=name, **{"counts": (), **request}))


def command(*words: str) -> Any:
    return CliRunner().invoke(app, ["train", "plan", *words])


def test_operations_by_hand() -> None:
    """70B: 2 x (80 layers + output layer), attention 2 x 80 x 8192 x length; LoRA: two thirds."""
    products = 80 * BIG.layer_weights + 128256 * 8192
    forward, step = flops_a_token(recipe(), BIG, 1000)
    assert forward == 2 * products + 2 * 80 * 8192 * 1000 and step == 3 * forward
    assert forward == pytest.approx(139e9 + 1.3e9, rel=0.01)  # 139 GFLOP of products a token
    _, lora = flops_a_token(recipe("llama31_70b_lora"), BIG, 0)
    assert lora == 4 * products
    rated = load_recipe("llama31_70b_regression", [], RewardConfig)
    assert flops_a_token(rated, BIG, 0)[0] == 2 * 80 * BIG.layer_weights


def test_links_and_hosts_by_hand() -> None:
    size = 2 * BIG.parameters()
    nodes_4 = link_seconds(recipe(), BIG, H100, 32, 8)
    assert nodes_4 == pytest.approx(max(size * 7 / 8 / 450e9, size * 3 / 4 / 400e9) / 0.7)
    assert link_seconds(recipe(), BIG, H100, 1, 8) == 0
    off = recipe("llama31_70b_offload", "per_device_batch_size=1")
    count = BIG.parameters()  # 16 micro-steps: 31 passes of 2 bytes, then 4 and 2
    expected = count * 30 / 200e9 + (2 * 31 + 6) * count / 8 / (50e9 * 0.7)
    assert host_seconds(off, BIG, H100, 8, 8) == pytest.approx(expected)
    assert host_seconds(recipe(), BIG, H100, 8, 8) == 0


def test_batches_by_hand() -> None:
    """Eight examples in two lengths, two GPUs: batches of like length wait for nobody."""
    config = recipe("llama31_70b_zero3", "global_batch_size=4", "epochs=2", "packing=false")
    lengths = ExampleLengths([(10,)] * 4 + [(30,)] * 4, [(10,)], twins=True, source="")
    found = batches_of(config, lengths, 2)
    assert (found.steps, found.tokens, found.forwarded) == (4, 160, 160)
    assert (found.busy, found.padding, found.micro_batch_tokens) == (1.0, 0.0, 40)
    mixed = recipe("llama31_70b_zero3", "global_batch_size=4", "group_by_length=false", "seed=1")
    unlike = batches_of(mixed, lengths, 2)
    assert unlike.forwarded == 160 and unlike.busy < 1  # packed: no padding, but waiting
    with pytest.raises(UsageError, match="not a multiple"):
        batches_of(config, lengths, 3)


def test_padding_is_that_of_the_training_s_own_sampler(mini_tokenizer: Any) -> None:
    """The same rule as LengthGroupedTwins, another generator: the same padding within a point."""
    from judge.train.batches.balancing import LengthGroupedTwins

    draw = torch.Generator().manual_seed(5)
    once = torch.randint(100, 2000, (1024,), generator=draw).tolist()
    both = [length for length in once for _ in range(2)]
    config = recipe("llama31_70b_zero3", "per_device_batch_size=4", "packing=false")
    found = batches_of(config, ExampleLengths([(n,) for n in both], [(1,)], True, ""), 8)
    order = list(LengthGroupedTwins(both, True, 32, 17))
    batches = [[both[i] for i in order[k : k + 4]] for k in range(0, len(order), 4)]
    padded = sum(4 * max(batch) for batch in batches)
    assert found.padding == pytest.approx(1 - sum(both) / padded, abs=0.01)
    assert 0 < found.padding < 0.05


def test_waiting_is_that_of_the_training_s_own_sampler() -> None:
    """The same rule as BalancedSteps, another generator: the same waiting within a point."""
    from judge.train.batches.balancing import BalancedSteps

    draw = torch.Generator().manual_seed(5)
    once = torch.randint(100, 2000, (1024,), generator=draw).tolist()
    both = [length for length in once for _ in range(2)]
    config = recipe("llama31_70b_zero3", "per_device_batch_size=4")
    lengths = ExampleLengths([(n,) for n in both], [(1,)], True, "")
    found = batches_of(config, lengths, 8)
    order = list(BalancedSteps(both, True, 4, 128, 17))
    rows = [sum(both[i] for i in order[k : k + 4]) for k in range(0, len(order), 4)]
    longest = sum(8 * max(rows[k : k + 8]) for k in range(0, len(rows), 8))
    assert found.busy == pytest.approx(sum(both) / longest, abs=0.01)
    unbalanced = batches_of(config.model_copy(update={"group_by_length": False}), lengths, 8)
    assert unbalanced.busy < found.busy < 1 and found.padding == 0


def test_prompts_that_are_cut_are_not_dropped() -> None:
    cut = paper_lengths(recipe("llama31_70b_zero3", "max_length=1000", "too_long=cut_prompt"))
    assert cut.too_long == 0 and len(cut.train) == 46_974 and max(map(max, cut.train)) == 1000


def test_the_paper_s_numbers_without_data() -> None:
    found = paper_lengths(recipe())
    assert len(found.train) == 46_974 and found.twins and found.too_long == 0
    assert found.train[0] == found.train[1] == ((251 + 72 + 620 + 500) // 4 + 40 + 1,)
    pairs = paper_lengths(load_recipe("llama31_70b_scaled_bt", [], RewardConfig))
    assert len(pairs.train) == 6_766 and len(pairs.train[0]) == 2
    rated = paper_lengths(load_recipe("llama31_70b_regression", [], RewardConfig))
    assert len(rated.train) == 20_324 and len(SAMPLE) == 12
    short = paper_lengths(recipe("llama31_70b_zero3", "max_length=1000"))
    assert 0 < short.too_long < 46_974 and max(map(max, short.train)) <= 1000


def test_lengths_are_those_that_the_training_counts(prepared: Path, mini_tokenizer: Any) -> None:
    """Of prepared data under the model's tokenizer, within the assumed size of the template."""
    from judge.prompt import PromptBuilder, load_template
    from judge.train.sft.examples import read_rows, tokenize

    config = load_recipe("smoke", [f"data={prepared}", "max_length=4096"], JustifierConfig)
    found = data_lengths(config, prepared)
    builder = PromptBuilder(mini_tokenizer, load_template(config.template))
    real = tokenize(read_rows(prepared / "train.jsonl", None, None), builder, 4096, 1.0)
    assert len(found.train) == len(real) and found.twins == real.twins
    assert "tokenizer of mini" in found.source
    for (ours,), theirs in zip(found.train, real.lengths, strict=True):
        assert ours == pytest.approx(theirs, abs=45)


def test_shares_of_styles_take_what_the_training_takes(prepared: Path) -> None:
    from judge.train.sft.examples import read_rows

    styles = "styles={statement_only: 1.0, elaboration_first: 0.3}"
    config = load_recipe("smoke", [f"data={prepared}", styles, "max_length=9999"], JustifierConfig)
    rows = read_rows(prepared / "train.jsonl", config.styles, None)
    assert len(data_lengths(config, prepared).train) == len(rows)


def test_reward_sets_are_read_and_the_tokenizer_is_counted_without(tmp_path: Path) -> None:
    pairs = preference_set(tmp_path / "pairs")
    found = data_lengths(load_recipe("llama31_70b_scaled_bt", [], RewardConfig), pairs)
    assert all(len(item) == 2 for item in found.train)
    assert "4 characters a token" in found.source and "not on this machine" in found.source
    rated = regression_set(tmp_path / "rated")
    config = load_recipe("llama31_70b_regression", [], RewardConfig)
    assert all(len(item) == 1 for item in data_lengths(config, rated).train)


def test_it_says_no_and_what_would() -> None:
    found = asked(gpus=8)
    assert not found.fits
    said = {(other.what, other.gpus) for other in found.instead}
    smallest = smallest_count(recipe(), BIG, H100, 0.1)
    assert smallest == 32
    assert ("the same recipe", 32) in said and ("optimizer on the host", 8) in said
    assert ("LoRA", 8) in said and ("QLoRA", 1) in said
    for other in found.instead:
        assert other.gib < 0.9 * GPUS[other.gpu].memory_gib
    text = "\n".join(lines(found))
    assert "does not fit" in text and "extends: [llama31_70b_zero3, parts/lora]" in text


def test_what_is_named_fits_when_it_is_planned(tmp_path: Path) -> None:
    for other in asked(gpus=8).instead:
        path = tmp_path / "other.yaml"
        layers = ["llama31_70b_zero3", *([other.extends] if other.extends else [])]
        path.write_text(f"extends: {json.dumps(layers)}\n")
        planned = asked(str(path), gpus=other.gpus, gpu=other.gpu)
        assert planned.fits and planned.memory.total / 2**30 == pytest.approx(other.gib, abs=0.1)


def test_nothing_fits_a_gpu_that_is_too_small() -> None:
    found = asked("llama31_70b_qlora", gpu="a100-40gb", overrides=["max_length=30000"])
    assert not found.fits and found.instead == []
    assert "a shorter max_length" in lines(found)[-1]


def test_more_gpus_need_less_memory_and_less_time() -> None:
    rows = asked(counts=(8, 16, 32, 64), price=2.0).table
    assert [row.gpus for row in rows] == [8, 16, 32, 64]
    assert [row.fits for row in rows] == [False, False, True, True]
    assert all(a.gib > b.gib for a, b in pairwise(rows))
    assert all(a.hours > b.hours for a, b in pairwise(rows))
    assert rows[0].cost == tuple(hours * 8 * 2.0 for hours in rows[0].hours)
    counts = {row.gpus for row in asked(counts=(3, 12, 24, 32, 128)).table}
    assert counts == {32}  # what divides 128, in whole nodes, at 2 a GPU


def test_bfloat16_weights_lose_small_steps_as_the_warning_says() -> None:
    """torch's AdamW at 2e-6 on bfloat16 weights: those above the threshold never move."""
    found = asked("llama31_70b_bf16_states")
    assert "rounded away on every weight above 0.001" in found.warnings[0]
    weights = torch.full((64,), 0.02, dtype=torch.bfloat16)
    weights[:32] = 1e-4
    weights.requires_grad_(True)
    before = weights.detach().clone()
    optimizer = torch.optim.AdamW([weights], lr=2e-6, weight_decay=0.0)
    for _ in range(20):
        weights.grad = torch.ones_like(weights)
        optimizer.step()
    assert optimizer.state[weights]["exp_avg"].dtype == torch.bfloat16
    moved = weights.detach() != before
    assert moved[:32].all() and not moved[32:].any()
    assert not asked("llama31_70b_offload").warnings


def test_the_text_and_the_json_say_the_same(prepared: Path) -> None:
    overrides = ["template=pairwise_justifier.v1", "eval_limit=10"]
    found = asked("llama31_8b_zero3", data=str(prepared), price=3.5, overrides=overrides)
    said = as_json(found)
    text = "\n".join(lines(found))
    assert json.loads(json.dumps(said)) == said | {"cost": list(said["cost"])} | {
        "table": json.loads(json.dumps(said["table"]))
    }
    assert said["fits"] and f"{said['memory_gib']['total']:.2f}"[:-1] in text
    parts = said["memory_gib"]
    step = max(parts["layer"], parts["loss"])
    named = ("parameters", "gradients", "optimizer", "gathered", "activations", "buffers")
    total = sum(parts[name] for name in (*named, "context")) + step
    assert total == pytest.approx(parts["total"], abs=0.01)
    assert said["batch"] == {"global": 128, "per_gpu": 8, "accumulation": 2}
    assert str(prepared) in text and "at 3.5 a GPU and hour" in text
    assert said["config"]["eval_limit"] == 10


def test_the_command_and_its_exit_codes() -> None:
    good = command("llama31_70b_lora")
    assert good.exit_code == 0 and "fits: " in good.output
    bad = command("llama31_70b_zero3", "--gpus", "8", "--json")
    assert bad.exit_code == 3
    said = json.loads(bad.output)
    assert not said["fits"] and said["instead"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nothing"], "no recipe 'nothing'"),
        (["llama31_70b_zero3", "max_lenght=3"], "max_lenght"),
        (["llama31_70b_zero3", "--gpu", "h100"], "unknown GPU 'h100'; expected one of"),
        (["llama31_70b_zero3", "--gpus", "48"], "global_batch_size 128 is not a multiple of 96"),
        (["llama31_70b_zero3", "--gpus", "12"], "not make whole nodes of 8"),
        (["llama31_70b_zero3", "--data", "nowhere"], "no folder nowhere"),
        (["llama31_70b_zero3", "--data", "."], "not a training set of `judge data prepare`"),
        (["smoke"], "does not name its hardware; give --gpus and --gpu"),
        (["ablation_small"], "plan takes recipes of"),
        (["mini_pretrain"], "plan takes recipes of"),
        (["llama31_70b_qlora", "--gpus", "8"], "runs on one GPU"),
        (["llama31_70b_zero3", "model=nowhere/at/all"], "no model folder at nowhere/at/all"),
        (["llama31_70b_zero3", "model=some/model"], "no config.json from the hub"),
        (["llama31_70b_lora", "lora.target_modules=[wq]"], "cannot count ['wq']"),
        (["llama31_70b_zero3", "deepspeed.zero_optimization.stage=2"], "plan counts stage 3"),
        (
            ["llama31_70b_zero3", "deepspeed.zero_optimization.reduce_bucket_size=much"],
            "expected a number or auto",
        ),
        (
            ["llama31_70b_zero3", "deepspeed.bf16.bf16_optimizer_states=true"],
            "needs bf16_master_weights_and_grads",
        ),
        (["llama31_70b_zero3", "max_length=10"], "every example is longer"),
    ],
)
def test_bad_input_is_one_clear_line(
    words: list[str], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = command(*words)
    assert result.exit_code == 2, result.output
    assert problem in result.output and len(result.output.strip().splitlines()) == 1


def test_damaged_and_foreign_data_is_named(tmp_path: Path) -> None:
    pairs = preference_set(tmp_path / "pairs")
    with pytest.raises(UsageError, match=r"holds data of kind preference; .* needs justifier"):
        data_lengths(recipe(), pairs)
    (pairs / "val.jsonl").write_text('{"pair_id": "x"}\n')
    config = load_recipe("llama31_70b_scaled_bt", [], RewardConfig)
    with pytest.raises(UsageError, match=r"val\.jsonl, line 1: .*'prompt'"):
        data_lengths(config, pairs)
    (pairs / "val.jsonl").unlink()
    with pytest.raises(UsageError, match=r"val\.jsonl: cannot be read"):
        data_lengths(config, pairs)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"model_type": "mamba"}', "model_type 'mamba'"),
        ('{"model_type": "llama"}', "not the configuration of a decoder"),
        ("{", "not the configuration of a model"),
    ],
)
def test_a_model_that_cannot_be_counted(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match=problem):
        architecture_of(str(tmp_path))


def test_sizes_come_from_a_folder_or_the_recipe_that_will_write_it(tmp_path: Path) -> None:
    assert architecture_of("mini").layers == 8
    assert architecture_of("work/regression_70b").hidden == BIG.hidden
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "mini"}')
    assert architecture_of(str(tmp_path)).layers == 8  # merged into its base, it has that one's
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="expected an object with base_model_name_or_path"):
        architecture_of(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "mini"}')
    assert architecture_of(str(tmp_path)).layers == 8  # an adapter has the sizes of its base


def test_planning_loads_no_model_library() -> None:
    code = (
        "import sys; from judge.train.plan.config import PlanRequest\n"
        "from judge.train.plan.planner import plan\n"
        "from judge.train.plan.report import lines\n"
        "lines(plan(PlanRequest(recipe='llama31_70b_zero3')))\n"
        "print(*({'torch', 'transformers', 'deepspeed', 'trl', 'peft'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
