"""Run under torchrun: a policy that ZeRO-3 has in parts gives the weights that it had whole."""

from __future__ import annotations

import sys
from typing import Any

import deepspeed
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from judge.online.policy_weights import whole_weights

PARTED = {
    "train_micro_batch_size_per_gpu": 1,
    "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
    "optimizer": {"type": "AdamW", "params": {"lr": 1e-3, "torch_adam": True}},
    "zero_force_ds_cpu_optimizer": False,
}


def policy(lora: bool) -> Any:
    torch.manual_seed(1)
    shape = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(**shape, **layers, tie_word_embeddings=True))
    if not lora:
        return model
    whole = {"modules_to_save": ["norm"]}
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", **whole))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_()
    return adapted


def main() -> None:
    deepspeed.init_distributed("gloo")
    for lora in (False, True):
        model = policy(lora)
        expected = {name: value.clone() for name, value in whole_weights(model)}
        learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
        deepspeed.initialize(model=model, model_parameters=learnt, config=PARTED)
        assert all(parameter.numel() == 0 for parameter in model.parameters())
        found = dict(whole_weights(model))
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())
        assert all(parameter.numel() == 0 for parameter in model.parameters())
        rank = torch.distributed.get_rank()
        # In one write: what two processes print may meet in one line.
        sys.stdout.write(f"{rank}:{'lora' if lora else 'full'}:{len(found)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
