"""ZeRO-3 for real: two processes on a CPU, against one process and against their own resumption.

Two launches serve all tests, for each loads the libraries twice: every run whole, and one killed;
runs resumed from their first checkpoint, two with the optimizer on the host, the killed one again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from judge.train.config import RewardConfig, load_recipe
from judge.train.reward import training as reward
from tests.train.launches import (
    Runs,
    launch,
    one_after_another,
    run_all,
    section,
    small_llama,
    smoke,
)
from tests.train.online_runs import config, drawn, ending_policy, held_out, prompt_set
from tests.train.reward_sets import preference_set, regression_set
from tests.train.smoke_runs import losses
from tests.train.zero3_runs import train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

STEPS, SAVED = 12, 4
RESUMED = ("full", "lora", "reward", "dpo", "rloo")
COMPILER = os.environ.get("CXX", "c++")


@pytest.fixture(scope="session")
def recipes(prepared: Path, mini_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The runs by name, without an output folder. All start from saved weights."""
    folder = tmp_path_factory.mktemp("zero3")
    base = small_llama(folder / "base", mini_tokenizer)
    pairs = str(preference_set(folder / "pairs"))
    five = [
        "model=mini",
        f"data={regression_set(folder / 'ratings')}",
        f"output_dir={folder / 'five'}",
    ]
    reward.run(
        load_recipe("reward_smoke", [*five, "objective=regression", "max_steps=1"], RewardConfig)
    )
    exact = section("llama31_70b_zero3", bf16={"enabled": False})
    saved = {"save_steps": SAVED, "eval_steps": SAVED}
    judge: dict[str, Any] = {"model": base, "data": str(prepared), **saved}
    judge |= {"deepspeed": exact, "max_steps": STEPS}
    short = {"max_steps": 8}
    return {
        "full": smoke("smoke", **judge),
        # Checkpointing under PEFT and ZeRO-3 must be the re-entrant kind.
        "lora": smoke("smoke", **judge | short, lora={"r": 4}, gradient_checkpointing=True),
        "statement": smoke(
            "smoke", **judge | {"max_steps": 4}, statement_weight=5.0, order_consistency=0.1
        ),
        "bf16": smoke(
            "smoke",
            **judge | short | {"deepspeed": section("llama31_70b_zero3"), "bf16": True},
            gradient_checkpointing=True,
        ),
        # From one row of a head of five, with the recipe's own section.
        "reward": smoke(
            "reward_smoke",
            model=str(folder / "five"),
            data=pairs,
            deepspeed=section("llama31_70b_bt"),
            bf16=True,
            **saved,
            **short,
        ),
        # Its reference is computed by both processes before the first step.
        "dpo": smoke(
            "dpo_smoke",
            model=base,
            data=pairs,
            deepspeed=section("llama31_70b_dpo", bf16={"enabled": False}),
            loss="scaled",
            **saved,
            **short,
        ),
        # Its reference is parted too, its reward model whole in both processes.
        "rloo": config(
            ending_policy(folder / "policy"),
            prompt_set(folder / "prompts"),
            folder,
            reward={"model": "mini-bt"},
            deepspeed=section("llama31_70b_dpo", bf16={"enabled": False}),
            per_device_batch_size=4,
            learning_rate=1e-3,
            report_to=["tensorboard"],
            **saved,
            **short,
        ).model_dump(mode="json"),
    }


@dataclass(frozen=True)
class Killed:
    """A run that one of its two processes did not survive."""

    command: list[str]
    output: Path
    code: int
    said: str


@pytest.fixture(scope="session")
def killed(recipes: Runs, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """The last of a launch that runs everything else whole before, beside its output."""
    outputs = tmp_path_factory.mktemp("whole")
    output, recipe, log = (outputs / name for name in ("killed", "killed.yaml", "killed.log"))
    recipe.write_text(yaml.safe_dump(recipes["full"] | {"output_dir": str(output)}))
    command = ["train", "justifier", "--config", str(recipe)]
    with (
        log.open("wb") as file,
        launch(
            one_after_another(recipes, outputs, command), stdout=file, stderr=subprocess.STDOUT
        ) as two,
    ):
        _wait_for(output / f"checkpoint-{SAVED}" / "complete.json", two, log)
        os.kill(_process(two.pid, rank=1), signal.SIGKILL)
        code = two.wait(timeout=600)
    said = log.read_text(errors="replace")
    assert not (output / "manifest.json").exists()
    return Killed(command, output, code, said)


@pytest.fixture(scope="session")
def whole(killed: Killed) -> Path:
    """Every run, two processes, never interrupted."""
    return killed.output.parent


@dataclass(frozen=True)
class Second:
    """Runs by name in a folder, and what the launch of them printed."""

    outputs: Path
    said: str


@pytest.fixture(scope="session")
def launched_again(
    recipes: Runs, killed: Killed, whole: Path, tmp_path_factory: pytest.TempPathFactory
) -> Second:
    """Runs that go on from the first checkpoint of ``whole``; then, where a compiler is, two with
    the section of llama31_70b_offload, in ``full_off`` and ``bf16_off``; last the killed one, by
    the same command.

    DeepSpeed compiles its own AdamW for the processor: here into a folder of the test's, as a build
    that was killed leaves a lock for which every later one waits, and without what makes the
    compiler slow.
    """
    outputs = tmp_path_factory.mktemp("second")
    runs = {name: recipes[name] for name in RESUMED}
    for name in runs:
        output = outputs / name
        first = f"checkpoint-{SAVED}"
        shutil.copytree(whole / name / first, output / first)
        recipe = json.loads((whole / name / "recipe.json").read_text())
        (output / "recipe.json").write_text(json.dumps(recipe | {"output_dir": str(output)}))
    if can_compile():
        off = section("llama31_70b_offload")
        runs["bf16_off"] = recipes["bf16"] | {"deepspeed": off}
        runs["full_off"] = recipes["full"] | {"deepspeed": off | {"bf16": {"enabled": False}}}
    compiler = outputs / "quick-c++"
    compiler.write_text(f'#!/bin/sh\nexec {COMPILER} "$@" -O0 -g0\n')
    compiler.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_EXTENSIONS_DIR", str(outputs / "compiled"))
        patch.setenv("CXX", str(compiler))
        said = run_all(one_after_another(runs, outputs, killed.command))
    return Second(outputs, said)


@pytest.fixture(scope="session")
def second(launched_again: Second) -> Path:
    """The folder of the second launch's runs."""
    return launched_again.outputs


def can_compile() -> bool:
    return bool(shutil.which(COMPILER) and shutil.which("ninja"))


@pytest.fixture(scope="session")
def alone(recipes: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every run in one process, without DeepSpeed."""
    outputs = tmp_path_factory.mktemp("alone")
    for name, fields in recipes.items():
        train(fields | {"deepspeed": None, "output_dir": str(outputs / name)})
    return outputs


@pytest.mark.parametrize("name", ["full", "lora", "statement", "bf16", "reward", "dpo", "rloo"])
def test_the_loss_curve_is_that_of_one_process(
    name: str, recipes: Runs, whole: Path, alone: Path
) -> None:
    """Within 1e-4 in float32 (sums in another order); 0.01 in bfloat16, where ZeRO keeps the
    weights themselves in bfloat16 and one process only its products."""
    two, one = losses(whole / name), losses(alone / name)
    assert sorted(two) == list(range(1, recipes[name]["max_steps"] + 1))
    tolerance = 0.01 if recipes[name]["bf16"] else 1e-4
    assert two == pytest.approx(one, abs=tolerance)
    manifests = [json.loads((f / name / "manifest.json").read_text()) for f in (whole, alone)]
    assert manifests[0]["parameters"] == manifests[1]["parameters"]
    assert manifests[0]["counts"] == manifests[1]["counts"]
    assert manifests[0]["validation_losses"] == pytest.approx(
        manifests[1]["validation_losses"], abs=tolerance
    )


def test_two_processes_draw_what_one_draws(whole: Path, alone: Path) -> None:
    """Each answers every other prompt; the responses and what they earn are the same."""
    two, one = (drawn(folder / "rloo") for folder in (whole, alone))
    assert len(two) == 8 * 16
    assert [line.response for line in two] == [line.response for line in one]
    for name in ("reward", "kl", "advantage"):
        found, expected = ([getattr(line, name) for line in lines] for lines in (two, one))
        assert found == pytest.approx(expected, abs=1e-4)
    assert len(held_out(whole / "rloo", 8)) == 5


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_has_the_losses_of_the_whole_one(
    name: str, whole: Path, second: Path
) -> None:
    """Exactly: the optimizer's parts, the order of examples and the schedule come back."""
    assert losses(second / name) == losses(whole / name)
    file = "adapter_model.safetensors" if name == "lora" else "model.safetensors"
    weights, wanted = (load_file(f / name / file) for f in (second, whole))
    assert all(torch.equal(weights[key], wanted[key]) for key in wanted)


def test_an_optimizer_on_the_host_has_the_same_losses(whole: Path, second: Path) -> None:
    """With the section of llama31_70b_offload, in float32 and in bfloat16."""
    if not can_compile():
        assert not os.environ.get("CI"), "no C++ compiler: scripts/setup_services.sh"
        pytest.skip("no C++ compiler and ninja: scripts/setup_services.sh")
    off = section("llama31_70b_offload")
    assert off["zero_optimization"]["offload_optimizer"]["device"] == "cpu"
    assert list((second / "compiled").rglob("cpu_adam*.so"))
    assert losses(second / "full_off") == pytest.approx(losses(whole / "full"), abs=1e-4)
    assert losses(second / "bf16_off") == pytest.approx(losses(whole / "bf16"), abs=1e-3)


def test_the_saved_model_is_whole(recipes: Runs, whole: Path, alone: Path) -> None:
    """The files of a run of one process: names, shapes and formats of every tensor and the
    configuration are equal, so whatever loads the one loads the other: transformers here, vLLM in
    tests/vllm/test_trained_checkpoint.py."""
    two, one = (load_file(folder / "full" / "model.safetensors") for folder in (whole, alone))
    assert {k: (v.shape, v.dtype) for k, v in two.items()} == {
        k: (v.shape, v.dtype) for k, v in one.items()
    }
    assert all(torch.allclose(two[key], one[key], atol=1e-3) for key in one)
    described = [json.loads((f / "full" / "config.json").read_text()) for f in (whole, alone)]
    assert described[0] == described[1]
    model = AutoModelForCausalLM.from_pretrained(whole / "full")
    ids = torch.arange(40)[None]
    with torch.no_grad():
        found = model(input_ids=ids).logits
        wanted = AutoModelForCausalLM.from_pretrained(alone / "full")(input_ids=ids).logits
    assert torch.allclose(found, wanted, atol=1e-3)
    assert load_file(whole / "reward" / "model.safetensors")["score.weight"].shape == (1, 32)


def test_an_adapter_is_saved_whole(whole: Path, alone: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    two, one = (load_file(f / "lora" / "adapter_model.safetensors") for f in (whole, alone))
    assert two.keys() == one.keys()
    assert all(torch.allclose(two[key].float(), one[key].float(), atol=1e-3) for key in one)
    adapted = AutoPeftModelForCausalLM.from_pretrained(whole / "lora")
    moved = [p for name, p in adapted.named_parameters() if "lora_B" in name]
    assert moved and all(parameter.abs().max() > 0 for parameter in moved)


def test_a_killed_process_ends_the_launch(killed: Killed) -> None:
    assert killed.code != 0
    assert "SIGKILL" in killed.said  # torchrun says who died
    # Whoever is left says where to go on, unless torchrun ends it before it has noticed.
    ours = [line for line in killed.said.splitlines() if line.startswith("error: ")]
    assert len(ours) <= 1, killed.said[-6000:]
    for line in ours:
        assert "another process of this launch has ended" in line
        assert f"{killed.output}/checkpoint-" in line and "same command" in line
    assert not re.search(r'File ".*judge/train', killed.said)  # no traceback through our code


def test_the_same_command_goes_on(killed: Killed, launched_again: Second, whole: Path) -> None:
    assert losses(killed.output) == losses(whole / "full")
    # Both processes finish, one of them reports.
    said = launched_again.said
    assert said.count(f"the model is in {killed.output}\n") == 1, said


def _wait_for(path: Path, process: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + 1500
    while not path.exists():
        running = process.poll() is None and time.monotonic() < deadline
        assert running, log.read_text(errors="replace")[-6000:]
        time.sleep(0.02)


def _process(launcher: int, rank: int) -> int:
    """Return the process id of a rank under a launcher."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == launcher and f"RANK={rank}".encode() in environment:
            return int(folder.name)
    raise AssertionError(f"no process of rank {rank} under {launcher}")
