"""TRL's RLOOTrainer as the oracle: the same responses, and everything that follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from judge.pair import Message
from judge.reward import Reward
from judge.train.align.examples import ResponseCollator
from judge.train.align.log_probs import add_scores, token_log_probs
from judge.train.align.online.estimator import by_response, divergences, losses
from judge.train.align.online.experience import Ask, Response, estimate
from judge.train.align.rollouts import DrawnTokens
from judge.train.finetune import choose_packing
from tests.train.online_runs import config, ending_policy

BETA = 0.3
PROMPTS = ("Name a river.", "What is seven times eight?")


def moved(folder: Path) -> Any:
    """Return the policy some way from its start, so that it differs from the reference."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=generator)
    return model


def reward(text: str) -> float:
    return len(set(text)) / 10


def trl(folder: Path, output: Path) -> tuple[dict[str, Any], list[float], dict[str, torch.Tensor]]:
    """Return TRL's rollout, its rewards, and its gradient by the names of the weights."""
    from datasets import Dataset
    from trl import RLOOConfig, RLOOTrainer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    tokenizer.pad_token = "<|pad|>" if "<|pad|>" in tokenizer.get_vocab() else tokenizer.unk_token
    options: dict[str, Any] = {
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 12,
        "beta": BETA,
        "bf16": False,
        "use_cpu": True,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "report_to": [],
        "seed": 3,
    }
    earned: list[float] = []

    def score(prompts: Any, completions: list[str], **others: Any) -> list[float]:
        earned.extend(reward(text) for text in completions)
        return earned

    trainer = RLOOTrainer(
        model=moved(folder),
        reward_funcs=score,
        args=RLOOConfig(output_dir=str(output), **options),
        train_dataset=Dataset.from_list([{"prompt": text} for text in PROMPTS]),
        processing_class=tokenizer,
    )
    inputs = [{"prompt": text} for text in PROMPTS for _ in range(4)]
    trainer.model.train()
    batch = trainer._generate_and_score_completions(inputs)
    trainer._compute_loss(trainer.model, batch).backward()
    found = {
        name: weight.grad.clone()
        for name, weight in trainer.model.named_parameters()
        if weight.grad is not None
    }
    return batch | {"beta": BETA}, earned, found


def responses_of(batch: dict[str, Any], rewards: list[float]) -> list[Response]:
    """Return TRL's rollout as ours."""
    rows = zip(
        batch["prompt_ids"],
        batch["prompt_mask"].bool(),
        batch["completion_ids"],
        batch["completion_mask"].bool(),
        rewards,
        strict=True,
    )
    found = []
    for number, (prompt, given, completion, written, value) in enumerate(rows):
        ids = tuple(prompt[given].tolist())
        said = (Message(role="user", content="-"),)
        ask = Ask(f"p{number // 4}", said, ids, number % 4, 0)
        rollout = DrawnTokens(tuple(completion[written].tolist()), True)
        found.append(Response(ask, rollout, "", Reward(value=value)))
    return found


@pytest.mark.parametrize("size", [8, 3])
def test_advantages_and_gradient_are_trl_s(size: int, tmp_path: Path) -> None:
    """Under ``kl: sum`` and ``response_loss: sum``; in packed micro-batches of any size."""
    folder = ending_policy(tmp_path / "base")
    batch, rewards, expected = trl(folder, tmp_path / "trl")
    responses = responses_of(batch, rewards)
    assert len({len(one.drawn.tokens) for one in responses}) > 2
    recipe = config(folder, tmp_path, tmp_path, beta=BETA, kl="sum", response_loss="sum")
    policy = moved(folder)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for model in (policy, reference):
        assert choose_packing(recipe, model)
        add_scores(model)
    collate = ResponseCollator(True, 0)
    parts = [responses[i : i + size] for i in range(0, 8, size)]
    with torch.no_grad():
        for part in parts:
            inputs = collate([one.item(0) for one in part])
            own, other = (token_log_probs(model, inputs) for model in (policy, reference))
            far = divergences(own, other, inputs["of"], len(part))["sum"]
            whole = by_response(own, inputs["of"], len(part))
            for one, value, log_prob in zip(part, far.tolist(), whole.tolist(), strict=True):
                one.kl_sum, one.log_prob = value, log_prob
    assert [r.log_prob for r in responses] == pytest.approx(batch["old_logps"].tolist(), rel=1e-5)
    estimate(recipe, responses)
    found = [one.advantage for one in responses]
    assert found == pytest.approx(batch["advantages"].tolist(), abs=1e-4)
    assert max(map(abs, found)) > 0.1
    assert any(abs(one.kl_sum) > 0.05 for one in responses)
    for part in parts:
        inputs = collate([one.item(0) for one in part])
        told = losses(token_log_probs(policy, inputs), inputs["of"], inputs["labels"][:, 0], "sum")
        (told.sum() / 8).backward()
    gradients = {name: weight.grad for name, weight in policy.named_parameters()}
    assert {name for name, value in gradients.items() if value is not None} == expected.keys()
    for name, value in expected.items():
        assert gradients[name] is not None
        assert torch.allclose(gradients[name], value, atol=2e-5), name
