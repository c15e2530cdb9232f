"""A reward model: a decoder with a linear head, read at the last token of each conversation."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from types import MethodType
from typing import Any

import torch
from transformers import (
    LlamaForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.modeling_outputs import SequenceClassifierOutputWithPast

from judge.errors import UsageError
from judge.models import JUDGE_FILE
from judge.models.adapters import head_of
from judge.models.layers import Layers, layers_of
from judge.models.loading import load_classifier
from judge.models.merging import load_merged_classifier, merge_into
from judge.train.config import RewardConfig
from judge.train.finetune import check_adapters, model_config, random_config, weight_options

_LAYER = re.compile(r"\.(?:layers|h|blocks)\.(\d+)\.")
HEAD = "score"
"""What transformers calls the linear head of a decoder that classifies sequences."""


def load_reward_model(config: RewardConfig, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Return the model to train: the base of ``config`` with a head for ``config.outputs``.

    A causal language model gets a new head, drawn from torch's generator. The head of a sequence
    classifier is taken over, as far as it has the outputs (:func:`head_rows`). An adapter folder is
    merged into its base first.

    Raises:
        UsageError: when the model does not load, is no decoder, or its head does not fit.
    """
    if config.random_init is not None:
        return LlamaForSequenceClassification(
            _named(random_config(config, tokenizer), config.outputs)
        )
    layers = layers_of(config.model)
    check_adapters(config, layers)
    if layers.adapters and config.layers is not None:
        raise UsageError(
            f"model {config.model}: an adapter belongs to all layers of its base; layers= cannot"
            " cut it"
        )
    if layers.adapters and head_of(layers.adapters[-1]) is not None:
        model, has_head = _merged_adapter(layers, config), True
    else:
        model, has_head = _from_checkpoint(layers, config)
        if layers.adapters:
            model = merge_into(model, layers.adapters).requires_grad_(True)
    if not isinstance(getattr(model, HEAD, None), torch.nn.Linear):
        raise UsageError(f"model {config.model}: a reward model needs a decoder with a linear head")
    if has_head:
        _take_over_head(model, config)
    return model


def _from_checkpoint(layers: Layers, config: RewardConfig) -> tuple[PreTrainedModel, bool]:
    """Return the loaded model and whether it came with a head."""
    described = model_config(config)
    has_head = "ForSequenceClassification" in str(described.architectures)
    if not has_head:
        described = _named(described, config.outputs)
    _keep_layers(described, config)
    kept = described.get_text_config().num_hidden_layers
    model = load_classifier(
        layers.base,
        config.model,
        brought=lambda key: not has_head and key.startswith(HEAD),
        unused=lambda key: config.layers is not None and _layer(key) >= kept,
        revision=config.revision,
        config=described,
        **weight_options(config),
    )
    return model, has_head


def _layer(key: str) -> int:
    """Return the number of the layer that a weight belongs to; -1 outside of them."""
    found = _LAYER.search(key)
    return int(found[1]) if found else -1


def _keep_layers(described: PreTrainedConfig, config: RewardConfig) -> None:
    """Shorten a model's configuration to the recipe's ``layers``: the others are not loaded."""
    decoder = described.get_text_config()
    there = int(decoder.num_hidden_layers)
    if config.layers is None:
        return
    if config.layers > there:
        raise UsageError(f"model {config.model}: layers={config.layers}, the model has {there}")
    decoder.num_hidden_layers = config.layers
    if getattr(decoder, "layer_types", None):
        decoder.layer_types = decoder.layer_types[: config.layers]


def _merged_adapter(layers: Layers, config: RewardConfig) -> PreTrainedModel:
    """Return the base of a reward adapter with it, and what is below it, merged into it."""
    path = layers.adapters[-1] / JUDGE_FILE
    try:
        outputs = tuple(map(str, json.loads(path.read_text(encoding="utf-8"))["outputs"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"model {config.model}: an adapter without outputs in its {JUDGE_FILE} is not a"
            " reward model of `judge train`"
        ) from None
    described = _named(model_config(config), outputs)
    merged = load_merged_classifier(layers, described, **weight_options(config))
    return merged.requires_grad_(True)


def _named(described: PreTrainedConfig, outputs: tuple[str, ...]) -> PreTrainedConfig:
    """Write the names of the outputs into a model's configuration and return it."""
    described.num_labels = len(outputs)
    described.id2label = dict(enumerate(outputs))
    described.label2id = {name: index for index, name in enumerate(outputs)}
    return described


def head_rows(have: list[str], want: tuple[str, ...]) -> list[int] | None:
    """Return the rows of a head with the outputs ``have`` that give ``want``, or None.

    One output is taken for any other one: a helpfulness head starts a Bradley-Terry reward and the
    other way round. Of several, the reward starts from helpfulness.
    """
    if len(have) == len(want) == 1:
        return [0]
    names = ["helpfulness" if name == "reward" and name not in have else name for name in want]
    return [have.index(name) for name in names] if set(names) <= set(have) else None


def _take_over_head(model: PreTrainedModel, config: RewardConfig) -> None:
    """Keep the rows of the checkpoint's head that the recipe's outputs start from."""
    have = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]
    rows = head_rows(have, config.outputs)
    if rows is None:
        raise UsageError(
            f"model {config.model}: its head has the outputs {', '.join(have)}; objective "
            f"{config.objective} needs {', '.join(config.outputs)}"
        )
    old = getattr(model, HEAD)
    if rows != list(range(len(have))):
        with _gathered(old):
            new = torch.nn.Linear(old.in_features, len(rows), bias=old.bias is not None)
            new = new.to(dtype=old.weight.dtype)
            new.load_state_dict({k: v[rows].clone() for k, v in old.state_dict().items()})
        setattr(model, HEAD, new)
        model.num_labels = len(rows)
    _named(model.config, config.outputs)


def _gathered(module: torch.nn.Module) -> Any:
    """Return a context in which ZeRO-3 has put a module's parameters together."""
    if not is_deepspeed_zero3_enabled():
        return nullcontext()
    import deepspeed

    return deepspeed.zero.GatheredParameters(list(module.parameters()))


def read_at_ends(model: PreTrainedModel) -> None:
    """Make ``model`` give one row of outputs for each of the positions ``ends``.

    transformers reads one position a row and looks for it by the padding token. Here a row may hold
    many sequences, and a text may end with any token. ``model(..., ends=...)`` returns ``logits``
    of shape ``[ends, outputs]`` in the head's own precision: bfloat16 has too few digits for the
    difference of two rewards.
    """
    model.forward = MethodType(_forward, model)


def _forward(
    self: Any,
    input_ids: torch.Tensor,
    ends: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    labels: None = None,
    inputs_embeds: None = None,
    **kwargs: Any,
) -> SequenceClassifierOutputWithPast:
    kwargs.pop("return_dict", None)
    hidden = self.base_model(
        input_ids=input_ids,
        attention_mask=attention_mask,
        position_ids=position_ids,
        use_cache=False,
        **kwargs,
    ).last_hidden_state
    last = hidden.flatten(0, 1)[ends]
    head = getattr(self, HEAD)
    with torch.autocast(last.device.type, enabled=False):
        logits = head(last.to(next(head.parameters()).dtype))
    return SequenceClassifierOutputWithPast(logits=logits)


def choose_padding(tokenizer: PreTrainedTokenizerBase, last_ids: set[int]) -> None:
    """Give ``tokenizer`` a padding token that no conversation ends with (``last_ids``).

    Others read a reward at the last token that is not padding, so one that ends conversations (the
    end token is often taken for padding) would move it.

    Raises:
        UsageError: when there is no such special token.
    """
    special = {str(t): i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    usual = [tokenizer.pad_token, "<|finetune_right_pad_id|>", tokenizer.eos_token]
    for token in [*usual, tokenizer.unk_token, tokenizer.bos_token, *special]:
        if special.get(token, next(iter(last_ids))) not in last_ids:
            tokenizer.pad_token = token
            return
    raise UsageError(
        "the tokenizer has no padding token that differs from every conversation's last token"
    )
