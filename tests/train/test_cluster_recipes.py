"""Recipes for rented GPUs: complete, consistent with the plan, and launched by files that work."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from judge.train.align.config import DPOConfig
from judge.train.align.rloo_config import RLOOConfig
from judge.train.config import RewardConfig, TrainerConfig
from judge.train.plan.config import PlanRequest
from judge.train.plan.planner import read_config
from judge.train.recipe_files import RECIPES

OURS = ("llama31_70b_iterate", "llama31_70b_steerlm")
"""Whose hyper-parameters are not the paper's."""
NAMES = sorted({path.stem for path in RECIPES.glob("llama*.yaml")} - set(OURS))
CLUSTER = RECIPES / "cluster"
PAPER = {
    "warmup_steps": 10,
    "lr_scheduler": "constant_with_warmup",
    "max_length": 4096,
}
SAVED = {"justifier": 10, "reward": 10, "dpo": 10, "rloo": 20}
"""Optimizer steps: five rollouts of the online training make 20."""
BATCH = {"justifier": 128, "reward": 128, "dpo": 64, "rloo": 64}
DECAY = {"justifier": 0.0, "reward": 0.0, "dpo": 0.01, "rloo": 0.1}
ALIGNED = (1e-7, 1e-5)
RATES = {"justifier": (2e-6, 1e-4), "reward": (2e-6, 1e-4), "dpo": ALIGNED, "rloo": ALIGNED}
"""Of every weight, and of an adapter."""


@pytest.fixture(scope="module")
def tables(root: Path) -> Any:
    path = root / "scripts" / "plan_tables.py"
    spec = importlib.util.spec_from_file_location("plan_tables", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def plans(tables: Any) -> Any:
    return tables.plans()


def config_of(name: str) -> TrainerConfig:
    return read_config(PlanRequest(recipe=name))


def command_of(config: TrainerConfig) -> tuple[str, str]:
    """Return the two words after ``judge`` that train a recipe."""
    if isinstance(config, DPOConfig):
        return "align", "dpo"
    if isinstance(config, RLOOConfig):
        return "align", "rloo"
    return "train", "reward" if isinstance(config, RewardConfig) else "justifier"


def opening(name: str) -> str:
    text = (RECIPES / f"{name}.yaml").read_text()
    return "\n".join(line for line in text.splitlines() if line.startswith("#"))


def test_openings_and_the_page_say_what_the_plan_says(tables: Any, plans: Any) -> None:
    """`python scripts/plan_tables.py` writes them."""
    for path, found in plans.items():
        text = path.read_text()
        assert "# Plan: " in text and tables.opened(text, found) == text, path.stem
    page = tables.PAGE.read_text()
    assert tables.tabled(page, list(plans.values())) == page


def test_every_recipe_fits_what_it_was_made_for(plans: Any) -> None:
    for path, found in plans.items():
        assert found.fits, path.stem
        if path.stem in OURS:
            continue
        step = found.accumulation * found.gpus * found.config.per_device_batch_size
        assert step == BATCH[command_of(found.config)[1]]


def test_a_qlora_recipe_fits_an_h100_too() -> None:
    from judge.train.plan.planner import plan

    for name in NAMES:
        if name.endswith("qlora"):
            assert plan(PlanRequest(recipe=name, gpu="h100-80gb", counts=())).fits


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_opens_with_its_command_and_has_the_paper_s_parameters(name: str) -> None:
    config, text = config_of(name), opening(name)
    group, command = command_of(config)
    assert f"judge {group} {command} --config {name} data={config.data}" in text
    for word in ("# Needs: ", "# Plan: ", "runs out"):
        assert word in text, word
    assert config.hardware is not None
    nodes = config.hardware.gpus // 8
    if nodes > 1:
        assert f"--nnodes {nodes} --nproc_per_node 8" in text
        assert f"sbatch --nodes {nodes} cluster/slurm.sh {command} {name}" in text
    elif config.deepspeed is not None:
        assert f"--standalone --nproc_per_node {config.hardware.gpus}" in text
    for field, value in PAPER.items():
        assert getattr(config, field) == value, field
    assert config.save_steps == SAVED[command]
    assert config.global_batch_size == BATCH[command]
    assert config.weight_decay == DECAY[command]
    assert config.learning_rate == RATES[command][config.lora is not None]
    assert config.gradient_checkpointing
    assert config.epochs == (2.0 if "regression" in name or command == "dpo" else 1.0)


def test_no_two_recipes_write_to_one_folder() -> None:
    folders = [config_of(name).output_dir for name in NAMES]
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize("name", [n for n in NAMES if config_of(n).deepspeed is not None])
def test_deepspeed_accepts_a_recipe_s_section(name: str) -> None:
    """As filled in by transformers at the launch, by DeepSpeed's own reading of the whole."""
    from deepspeed.runtime.config import DeepSpeedConfig

    section = config_of(name).deepspeed
    assert section is not None
    filled = {
        key: {k: v for k, v in value.items() if v != "auto"} if isinstance(value, dict) else value
        for key, value in section.items()
        if value != "auto"
    }
    read = DeepSpeedConfig({**filled, "train_batch_size": 1})
    assert read.zero_config.stage == 3
    low = name.endswith("bf16_states")
    assert read.bfloat16_config.bf16_optimizer_states == low
    assert read.bfloat16_config.bf16_master_weights_and_grads == low
    off_loaded = read.zero_config.offload_optimizer is not None
    assert off_loaded == name.endswith(("offload", "1gpu"))


def slurm(folder: Path, *words: str, nodes: int = 4, **environment: str) -> Any:
    """Run slurm.sh with a Slurm and an environment of a few lines of shell."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(parents=True, exist_ok=True)
    fakes = {
        "scontrol": 'printf "node7\\nnode8\\n"',
        "srun": 'printf "srun"; printf " %s" "$@"; echo; echo "alloc $PYTORCH_CUDA_ALLOC_CONF"',
        "judge": 'printf "judge"; printf " %s" "$@"; echo; exit "${PLAN_CODE:-0}"',
    }
    for name, line in fakes.items():
        (bin_folder / name).write_text(f"#!/usr/bin/env bash\n{line}\n")
        (bin_folder / name).chmod(0o755)
    variables = {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "42",
        "SLURM_JOB_NODELIST": "node[7-8]",
        "SLURM_NNODES": str(nodes),
        "VENV": str(folder),
    }
    command = ["bash", str(CLUSTER / "slurm.sh"), *words]
    return subprocess.run(
        command, capture_output=True, text=True, env=variables | environment, check=False
    )


def test_the_slurm_script_plans_and_then_launches_every_node(tmp_path: Path) -> None:
    done = slurm(tmp_path, "reward", "llama31_70b_bt", "data=a b", "seed=3")
    assert done.returncode == 0, done.stderr
    plan, run, alloc = done.stdout.splitlines()
    assert plan == ("judge train plan llama31_70b_bt data=a b seed=3 --gpus 32 --gpus-per-node 8")
    assert run == (
        f"srun --kill-on-bad-exit=1 {tmp_path}/bin/torchrun --nnodes 4 --nproc_per_node 8 "
        "--rdzv_id 42 --rdzv_backend c10d --rdzv_endpoint node7:29500 --no-python "
        f"{tmp_path}/bin/judge train reward --config llama31_70b_bt data=a b seed=3"
    )
    assert alloc == "alloc expandable_segments:True"
    for name in ("dpo", "rloo"):
        aligned = slurm(tmp_path, name, f"llama31_70b_{name}").stdout.splitlines()
        last = f"{tmp_path}/bin/judge align {name} --config llama31_70b_{name}"
        assert aligned[1].endswith(last)
    smaller = slurm(tmp_path, "justifier", "x", nodes=2, GPUS_PER_NODE="4", MASTER_PORT="1234")
    assert "--gpus 8 --gpus-per-node 4" in smaller.stdout
    assert "--nproc_per_node 4" in smaller.stdout and "node7:1234" in smaller.stdout


def test_the_slurm_script_stops_when_the_plan_says_no(tmp_path: Path) -> None:
    done = slurm(tmp_path, "justifier", "llama31_70b_zero3", nodes=1, PLAN_CODE="3")
    assert done.returncode == 3 and "srun" not in done.stdout


@pytest.mark.parametrize(
    ("words", "environment", "problem"),
    [
        (["justifier"], {}, "usage: sbatch"),
        (["expo", "x"], {}, "usage: sbatch"),
        (["justifier", "x"], {"SLURM_JOB_ID": ""}, "not inside a Slurm job"),
    ],
)
def test_the_slurm_script_says_how_it_is_used(
    tmp_path: Path, words: list[str], environment: dict[str, str], problem: str
) -> None:
    done = slurm(tmp_path, *words, **environment)
    assert done.returncode == 2 and problem in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_slurm_script_is_clean_shell() -> None:
    subprocess.run(["bash", "-n", str(CLUSTER / "slurm.sh")], check=True)
    checker = shutil.which("shellcheck")
    assert checker is not None, "shellcheck comes with the extra `dev`"
    done = subprocess.run([checker, str(CLUSTER / "slurm.sh")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_words_of_the_slurm_script_are_those_of_torchrun_and_judge() -> None:
    from torch.distributed.run import get_args_parser

    known = {option for action in get_args_parser()._actions for option in action.option_strings}
    script = (CLUSTER / "slurm.sh").read_text()
    launch = script[script.index("srun --kill") :]
    used = set(re.findall(r"--[\w-]+", launch)) - {"--kill-on-bad-exit", "--config"}
    assert used <= known, used - known


def test_accelerate_and_deepspeed_read_their_files() -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from deepspeed.launcher.runner import fetch_hostfile

    path = CLUSTER / "accelerate.yaml"
    read = load_config_from_file(str(path))
    assert (read.num_machines, read.num_processes) == (4, 32)
    assert read.deepspeed_config == {} and read.mixed_precision == "bf16"
    assert set(yaml.safe_load(path.read_text())) <= set(vars(read))
    hosts = fetch_hostfile(str(CLUSTER / "hostfile"))
    assert list(hosts) == ["node1", "node2", "node3", "node4"] and set(hosts.values()) == {8}
