"""Answers by transformers: any causal language model, batched by length, on CPU or GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from judge.errors import RowError
from judge.infer.capacity import BATCH_TOKENS, cache_tokens
from judge.infer.engines.protocol import Counts
from judge.infer.engines.transformers.batches import Limits
from judge.infer.engines.transformers.matmul_precision import Products, products_in
from judge.infer.engines.transformers.token_writer import TokenWriter
from judge.infer.engines.writing import Answer, Drawing, Speech, Waiting, drawing_of

if TYPE_CHECKING:
    from judge.respond_config import RespondConfig


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
        self._tokens = TokenWriter(model, pad, self.speech.ends, drawing, self.counts)

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
                seeds = [waiting[i].seed for i in batch]
                written = self._tokens.write([ids[i] for i in batch], seeds)
                for i, tokens in zip(batch, written, strict=True):
                    said[i] = self.speech.answer(tokens, self.speech.opened(waiting[i]))
        return [said[i] for i in range(len(waiting))]


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
