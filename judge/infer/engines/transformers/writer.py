"""Answers by transformers: any causal language model, batched by length, on CPU or GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from judge.errors import RowError
from judge.infer.capacity import BATCH_TOKENS, cache_tokens
from judge.infer.engines.protocol import Counts
from judge.infer.engines.transformers.batches import Limits
from judge.infer.engines.transformers.decode import Context, Decoder
from judge.infer.engines.transformers.drawing import noise, nucleus
from judge.infer.engines.transformers.matmul_precision import Products, products_in
from judge.infer.engines.writing import Answer, Drawing, Speech, Waiting, drawing_of
from judge.thinking import Marks

if TYPE_CHECKING:
    from judge.respond_config import RespondConfig


@dataclass
class _Row:
    """An answer that is being written."""

    index: int
    opened: Marks | None
    generator: torch.Generator
    tokens: list[int] = field(default_factory=list)
    ended: bool = False


class TransformersWriter:
    """Writes answers with a causal language model of transformers.

    Args:
        model: in eval mode, on its device.
        tokenizer: its tokenizer, with a chat template.
        identity: what :meth:`describe` says of the model (name, digest).
        drawing: how it writes.
        options: of its chat template.
        turn: entered around every use of the model, whose weights others may use in between.
        batch_tokens: the most prompt tokens, padding included, that go through the model at once.
        cached: the most tokens whose keys and values are in memory at once; None: no limit.
        products: how a float32 model multiplies on the CPU.
    """

    name = "transformers"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        identity: dict[str, Any],
        drawing: Drawing,
        *,
        options: Mapping[str, Any] = MappingProxyType({}),
        turn: AbstractContextManager[None] | None = None,
        batch_tokens: int = BATCH_TOKENS,
        cached: int | None = None,
        products: Products = "exact",
    ) -> None:
        self.identity = identity
        self.drawing = drawing
        self.products = products
        self.counts = Counts()
        context: int = model.config.get_text_config().max_position_embeddings
        self.speech = Speech(tokenizer, options, context, drawing)
        self.limits = Limits(batch_tokens, cached, drawing.max_new_tokens)
        self._turn = turn or nullcontext()
        pad = tokenizer.pad_token_id
        pad = tokenizer.eos_token_id if pad is None else pad
        self._model = model
        self._decoder = Decoder(model, pad, self.counts)

    def describe(self) -> dict[str, Any]:
        cached = self.limits.cache_tokens
        return {
            "engine": self.name,
            **self.identity,
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "products": self.products,
            "device": self._model.device.type,
            "batch_tokens": self.limits.batch_tokens,
            **({} if cached is None else {"cache_tokens": cached}),
            **self.drawing.describe(),
        }

    def sizes(self, waiting: Sequence[Waiting]) -> list[int | RowError | None]:
        return [p if isinstance(p, RowError) else len(p) for p in self.speech.prompts(waiting)]

    def write(self, waiting: Sequence[Waiting]) -> list[Answer | RowError]:
        prompts = self.speech.prompts(waiting)
        results = {i: p for i, p in enumerate(prompts) if isinstance(p, RowError)}
        ids = [[] if isinstance(prompt, RowError) else prompt for prompt in prompts]
        lengths = list(map(len, ids))
        self.counts.prompt_tokens += sum(lengths)
        said: dict[int, Answer | RowError] = dict(results)
        whole = [[i] for i in range(len(ids)) if i not in results]
        with self._turn, products_in(self.products):
            for batch in self.limits.batches(whole, lengths):
                rows = [self._row(i, waiting[i]) for i in batch]
                self._write(rows, [ids[i] for i in batch])
                for row in rows:
                    said[row.index] = self.speech.answer(row.tokens, row.opened)
        return [said[i] for i in range(len(waiting))]

    def _row(self, index: int, waiting: Waiting) -> _Row:
        generator = torch.Generator().manual_seed(waiting.seed)
        return _Row(index, self.speech.opened(waiting), generator)

    def _write(self, rows: list[_Row], prompts: list[list[int]]) -> None:
        """Write the answers of a batch; rows that ended leave it when they are half of it."""
        context = self._prefill(prompts)
        for left in range(self.drawing.max_new_tokens - 1, -1, -1):
            self._append(rows, context.logits)
            live = [place for place, row in enumerate(rows) if not row.ended]
            if not live or not left:
                return
            if 2 * len(live) <= len(rows):
                rows, context = [rows[place] for place in live], context.select(live)
            going = [not row.ended for row in rows]
            self._decoder.step(context, [row.tokens[-1] for row in rows], going)

    def _prefill(self, prompts: list[list[int]]) -> Context:
        """Run prompts through the model, those of several samples once."""
        places: dict[tuple[int, ...], int] = {}
        rows = [places.setdefault(tuple(ids), len(places)) for ids in prompts]
        context = self._decoder.prefill(list(map(list, places)))
        return context if len(places) == len(rows) else context.select(rows)

    def _append(self, rows: list[_Row], logits: torch.Tensor) -> None:
        """Append the next token of each row that goes on."""
        scores = logits.float()
        if self.drawing.temperature > 0:
            scores = nucleus(scores / self.drawing.temperature, self.drawing.top_p)
            scores = scores + noise([row.generator for row in rows], scores)
        for row, token in zip(rows, scores.argmax(-1).tolist(), strict=True):
            if not row.ended:
                row.tokens.append(token)
                row.ended = token in self.speech.ends
                self.counts.completion_tokens += 1


def load_transformers_writer(
    config: RespondConfig, note: Callable[[str], None]
) -> TransformersWriter:
    """Return a writer that runs the model of ``config`` in this process.

    Raises:
        UsageError: for a model that is missing or damaged, in one line.
    """
    from judge.infer.engines.transformers.attention import use_grouped_sdpa
    from judge.infer.engines.transformers.matmul_precision import fast_products
    from judge.infer.engines.weights import digests, load_weights
    from judge.infer.tokenizers import tokenizer_of
    from judge.models.layers import layers_of

    layers = layers_of(config.model)
    tokenizer = tokenizer_of(layers)
    model, turn = load_weights(layers, config.dtype)
    use_grouped_sdpa(model)
    return TransformersWriter(
        model,
        tokenizer,
        {"model": config.model, **digests(layers, model.config)},
        drawing_of(config),
        options=config.chat_template_kwargs,
        turn=turn,
        batch_tokens=config.batch_tokens or BATCH_TOKENS,
        cached=None if config.batch_tokens else cache_tokens(model),
        products=fast_products(model) if config.dtype == "auto" else "exact",
    )
