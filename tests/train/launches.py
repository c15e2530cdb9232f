"""Two processes on a CPU that train with ZeRO-3, and the recipes they run at the smoke scale."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import LlamaConfig, LlamaForCausalLM

from judge.train.plan.config import PlanRequest
from judge.train.plan.planner import read_config
from judge.train.recipe_files import RECIPES

ROOT = Path(__file__).parents[2]
Runs = dict[str, dict[str, Any]]
"""The fields of recipes by a name for each."""


def section(name: str, **changes: Any) -> dict[str, Any]:
    """Return the DeepSpeed section of a recipe for the cluster."""
    found = read_config(PlanRequest(recipe=name)).deepspeed
    assert found is not None
    return found | changes


def smoke(name: str, **fields: Any) -> dict[str, Any]:
    """Return the fields of a smoke recipe that starts from weights, not from random ones."""
    base: dict[str, Any] = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
    return base | {"random_init": None, "per_device_batch_size": 2} | fields


def small_llama(folder: Path, tokenizer: Any, **fields: Any) -> str:
    """Write a random causal Llama; its heads are as small as kernels for them get.

    Args:
        fields: of its configuration.
    """
    torch.manual_seed(5)
    size = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
    LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), **size, **heads, **special, **fields)
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def launch(
    arguments: list[str], python: str | Path = sys.executable, **streams: Any
) -> subprocess.Popen[str]:
    """Start two processes, as docs/training.md says for a CPU.

    Whoever does something else before ``communicate`` names files as ``streams``: what the
    processes say fills a pipe, and then they wait.
    """
    # Standalone: at a free port, beside other launches of this machine.
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [str(python), *torchrun, *arguments]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        command, env=environment | {"PYTHONPATH": path}, text=True, **(pipes | streams)
    )


def one_after_another(runs: Runs, outputs: Path, *commands: list[str]) -> list[str]:
    """Return the arguments of a launch that runs each into ``outputs/NAME``, then `judge COMMAND`s.

    Every launch starts two interpreters, which load DeepSpeed and TRL.
    """
    outputs.mkdir(exist_ok=True)
    listed = [fields | {"output_dir": str(outputs / name)} for name, fields in runs.items()]
    file = outputs / "runs.json"
    file.write_text(json.dumps([*listed, *({"command": words} for words in commands)]))
    return [str(Path(__file__).with_name("zero3_runs.py")), str(file)]


def run_all(
    arguments: list[str], python: str | Path = sys.executable, timeout: float = 1500
) -> str:
    """Launch two processes that have to end well; return what they print.

    Args:
        timeout: in seconds.
    """
    with launch(arguments, python) as two:
        try:
            said, errors = two.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            two.terminate()  # torchrun ends its processes
            raise
    assert two.returncode == 0, errors[-6000:]
    return said
