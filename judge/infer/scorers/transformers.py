"""The transformers scorer: sequence classifiers, and causal models whose reward is a logit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, Literal

import torch
from transformers.modeling_layers import GenericForSequenceClassification

from judge.conversation import ConversationBuilder
from judge.infer.engines.protocol import Counts
from judge.infer.engines.transformers.decode import Decoder
from judge.infer.scorers.batching import batches
from judge.pair import Message
from judge.reward import Objective

_ATTENTION = {"full_attention", "sliding_attention"}


class TransformersScorer:
    """Runs a reward model of transformers.

    The reward is read at the last token of the conversation, whatever that token is: transformers'
    own classifiers look for the last one that is not padding, and miss it where a template ends
    with the padding token. A decoder runs what both responses of a pair begin with once.

    Args:
        model: in eval mode, on its device; a sequence classifier, or a causal language model for
            the ``logit`` form (vocabulary entry 0 of the logits after the last token).
        tokenizer: its tokenizer, with a chat template.
        identity: what :meth:`describe` says of the model (name, digest).
        turn: entered around every use of the model, whose weights others may use in between.
        context: the most tokens of a conversation.
        batch_tokens: the most tokens, padding included, that go through the model at once.
    """

    name = "transformers"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        identity: dict[str, Any],
        *,
        outputs: tuple[str, ...],
        objective: Objective,
        context: int,
        turn: AbstractContextManager[None] | None = None,
        form: Literal["head", "logit"] = "head",
        batch_tokens: int = 8192,
    ) -> None:
        self.model = model
        self.outputs = outputs
        self.objective = objective
        self.context = context
        self.form = form
        self.batch_tokens = batch_tokens
        self.counts = Counts()
        self._identity = identity
        self._turn = turn or nullcontext()
        self._builder = ConversationBuilder(tokenizer)
        given = (tokenizer.pad_token_id, tokenizer.eos_token_id)
        self._pads = [pad for pad in given if pad is not None]
        self._decoder: Decoder | None = None
        if form == "logit":
            self._decoder = Decoder(model, [*self._pads, 0][0], self.counts)
        elif _is_plain_decoder(model):
            self._decoder = Decoder(_Head(model), [*self._pads, 0][0], self.counts)

    def build(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        return self._builder.build(conversations)

    def score(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        self.counts.prompt_tokens += sum(map(len, rows))
        results: dict[int, list[float]] = {}
        with self._turn:
            for batch, twins in batches(rows, self.batch_tokens):
                values = self._values([rows[i] for i in batch], twins).float().cpu()
                results.update(zip(batch, values.tolist(), strict=True))
        return [results[i] for i in range(len(rows))]

    def describe(self) -> dict[str, Any]:
        return {
            "engine": self.name,
            **self._identity,
            "form": self.form,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "device": self.model.device.type,
            "context": self.context,
            "batch_tokens": self.batch_tokens,
        }

    def _values(self, rows: list[Sequence[int]], twins: bool) -> torch.Tensor:
        """Return the outputs of a batch, ``[rows, outputs]``."""
        if self._decoder is None:
            return self._whole(rows)
        context = self._decoder.prefill_twins(rows) if twins else self._decoder.prefill(rows)
        return context.logits[:, : len(self.outputs)]

    def _whole(self, rows: list[Sequence[int]]) -> torch.Tensor:
        """Run rows padded on the right through the classifier's own forward pass."""
        last = {row[-1] for row in rows}
        # A classifier may look for the last token that is not padding: no row may end with it.
        pad = next(i for i in (*self._pads, *range(len(last) + 1)) if i not in last)
        width = max(map(len, rows))
        ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        self.model.config.get_text_config().pad_token_id = pad
        device = self.model.device
        with torch.inference_mode():
            logits: torch.Tensor = self.model(
                input_ids=ids.to(device), attention_mask=mask.to(device)
            ).logits
        self.counts.forwarded_tokens += ids.numel()
        self.counts.padding_tokens += ids.numel() - int(mask.sum())
        return logits


def _is_plain_decoder(model: Any) -> bool:
    """Say whether a classifier is a decoder with attention only and a linear head on top of it."""
    layers = getattr(model.config.get_text_config(), "layer_types", None) or []
    return (
        isinstance(model, GenericForSequenceClassification)
        and type(model).forward is GenericForSequenceClassification.forward
        and not model._is_stateful
        and set(layers) <= _ATTENTION
    )


class _Head:
    """A classifier seen as a language model whose vocabulary are its outputs.

    The head runs in float32: bfloat16 has too few digits for the difference of two rewards.
    """

    def __init__(self, model: Any) -> None:
        self.dtype = model.dtype
        self.device = model.device
        self._backbone = model.base_model
        self._head = model.score.float()

    def __call__(self, *, logits_to_keep: int, **inputs: Any) -> SimpleNamespace:
        hidden = self._backbone(**inputs).last_hidden_state[:, -logits_to_keep:]
        head = self._head
        return SimpleNamespace(logits=head(hidden.to(head.weight.device, head.weight.dtype)))
