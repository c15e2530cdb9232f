"""Small online alignments for tests: a policy that ends its turns, scripted rewards."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from judge.errors import RowError
from judge.models import resolve_model
from judge.online.rollouts import TransformersRollouts
from judge.pair import Message
from judge.reward import Reward
from judge.runs.online import Drawn, HeldOut, RolloutFigures, read_lines
from judge.train.align.online import rloo
from judge.train.align.rloo_config import RLOOConfig
from tests.train.reward_sets import example_pairs

FIELDS: dict[str, Any] = {
    "rollout": {"max_new_tokens": 16},
    "samples": 4,
    "prompts_per_rollout": 4,
    "global_batch_size": 16,
    "per_device_batch_size": 8,
    "max_length": 1024,
    "max_steps": 4,
    "beta": 0.05,
    "learning_rate": 1.0e-2,
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "leave_out_truncated": False,
    "bf16": False,
    "save_steps": 2,
    "eval_steps": 2,
    "held_out": 5,
    "report_to": [],
}


def ending_policy(folder: Path) -> Path:
    """Write a tiny random Llama that ends its turn with every eighth token or so.

    Every hidden state has much of one direction, and the end token's weights too.
    """
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("mini"))
    torch.manual_seed(3)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **size, **heads, **special))
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = 1.0
        model.lm_head.weight[tokenizer.eos_token_id, 0] = 1.8
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def prompt_set(folder: Path) -> Path:
    """Write the prompts of the example pairs as ``judge data prepare --kind prompts`` does."""
    folder.mkdir(parents=True)
    rows = [
        {"prompt_id": f"p{i}", "messages": [{"role": "user", "content": row["prompt"]}]}
        for i, row in enumerate(example_pairs())
    ]
    for name, part in (("train", rows[:-8]), ("val", rows[-8:])):
        text = "".join(json.dumps(row) + "\n" for row in part)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    (folder / "manifest.json").write_text(
        json.dumps({"options": {"kind": "prompts"}, "outputs": {}})
    )
    return folder


@dataclass
class ScriptedRewards:
    """Rewards by a function of the response's text."""

    script: Callable[[str], float | RowError]
    name: str = "scripted"

    def rewards(self, conversations: Sequence[Sequence[Message]]) -> list[Reward | RowError]:
        found = [self.script(conversation[-1].content) for conversation in conversations]
        return [f if isinstance(f, RowError) else Reward.model_construct(value=f) for f in found]

    def describe(self) -> dict[str, Any]:
        return {"model": self.name}


@dataclass
class Told:
    """Who watches, and keeps what a person is told."""

    notes: list[str]

    def note(self, text: str) -> None:
        self.notes.append(text)

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def helpers(rewards: Any, engine: Any = None) -> rloo.Helpers:
    """Return the transformers engine and these rewards."""
    made = engine or (lambda c, t: TransformersRollouts(c.rollout, t, c.max_length))
    return rloo.Helpers(made, lambda: rewards)


def config(policy: Path, prompts: Path, output: Path, **fields: Any) -> RLOOConfig:
    """Return a recipe of a few seconds."""
    places = {"model": str(policy), "data": str(prompts), "output_dir": str(output)}
    return RLOOConfig.model_validate(FIELDS | places | fields)


def train(
    recipe: RLOOConfig, script: Callable[[str], float | RowError], notes: list[str] | None = None
) -> Path:
    """Train with scripted rewards; return the folder."""
    rloo.run(recipe, helpers(ScriptedRewards(script)), Told([] if notes is None else notes))
    return Path(recipe.output_dir)


def figures(folder: Path) -> list[RolloutFigures]:
    return list(read_lines(RolloutFigures, folder))


def drawn(folder: Path) -> list[Drawn]:
    return list(read_lines(Drawn, folder))


def held_out(folder: Path, step: int) -> list[HeldOut]:
    return [line for line in read_lines(HeldOut, folder) if line.step == step]
