"""The transformers engine: any causal language model, batched by length, on CPU or GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from judge.errors import RowError
from judge.grammar import Answer, Grammar, label_distribution
from judge.infer.engines.elaboration import tokens_of
from judge.infer.engines.protocol import Counts, Listener, Mode, Sampling
from judge.infer.engines.statement_reader import Bound, Reader, seed_of, verdict_of
from judge.infer.engines.streaming import Telling
from judge.infer.engines.transformers.batches import Limits
from judge.infer.engines.transformers.constraint import Constraint
from judge.infer.engines.transformers.decode import Context, Decoder, common_prefix
from judge.infer.engines.transformers.drawing import noise
from judge.infer.engines.transformers.matmul_precision import Products, products_in
from judge.prompt import THINKS, Chat, Prompt, Template
from judge.verdict import Distribution, Verdict

SHARED = 16
"""Two neighbouring prompts are run as twins when they share at least so many tokens."""


@dataclass
class _Row:
    """A row that is being written: its prompt's place, the automaton's state, who is told of it,
    and its tokens."""

    index: int
    prompt_ids: Sequence[int]
    state: int
    stopped: bool
    """Whether it came to its own end."""
    generator: torch.Generator | None
    telling: Telling | None
    tokens: list[int] = field(default_factory=list)


class TransformersEngine(Bound):
    """Runs a causal language model of transformers.

    Args:
        model: in eval mode, on its device.
        tokenizer: its tokenizer, with a chat template.
        identity: what :meth:`describe` says of the model (name, digest).
        template: of the prompts.
        sampling: how it writes.
        turn: entered around every use of the model, whose weights others may use in between.
        batch_tokens: the most prompt tokens, padding included, that go through the model at once.
        cache_tokens: the most tokens, texts still to be written included, whose keys and values are
            in memory at once; None: as many as come together.
        products: how a float32 model multiplies on the CPU
            (:mod:`judge.infer.engines.transformers.matmul_precision`).
        answer: ``label`` for a model that was trained to answer with the bare label.
        chat: how its chat template is used.
    """

    name = "transformers"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        identity: dict[str, Any],
        template: Template,
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
        *,
        turn: AbstractContextManager[None] | None = None,
        batch_tokens: int = 8192,
        cache_tokens: int | None = None,
        products: Products = "exact",
        answer: Answer = "statement",
        chat: Chat = THINKS,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.identity = identity
        self.sampling = sampling
        self._turn = turn or nullcontext()
        self.batch_tokens = batch_tokens
        self.cache_tokens = cache_tokens
        self.products = products
        self.context: int = model.config.max_position_embeddings
        self._constraints: dict[str, Constraint] = {}
        self.counts = Counts()
        self._use(Reader(tokenizer, template, answer, chat))

    def _use(self, reader: Reader) -> None:
        super()._use(reader)
        pad = self.tokenizer.pad_token_id
        pad = self.tokenizer.eos_token_id if pad is None else pad
        self._decoder = Decoder(self.model, pad, self.counts)

    @property
    def grammar(self) -> Grammar:
        """The statements as the model's tokenizer writes them."""
        return self.reader.reading.grammar

    def reserve(self, mode: Mode) -> int:
        statement = len(self.grammar.nodes) + len(self.reader.reading.lead)
        if mode == "justify":
            return statement + self.sampling.max_new_tokens
        return statement + len(self.builder.closing)

    def describe(self) -> dict[str, Any]:
        return {
            "engine": self.name,
            **self.identity,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "products": self.products,
            "device": self.model.device.type,
            "max_new_tokens": self.sampling.max_new_tokens,
            "batch_tokens": self.batch_tokens,
            **({} if self.cache_tokens is None else {"cache_tokens": self.cache_tokens}),
            "temperature": self.sampling.temperature,
            **self.reader.describe(),
        }

    def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
        return self.stream(prompts, mode, {})

    def stream(
        self, prompts: Sequence[Prompt], mode: Mode, listeners: Mapping[int, Listener]
    ) -> list[Verdict | RowError]:
        self.counts.prompt_tokens += sum(len(prompt.ids) for prompt in prompts)
        results: dict[int, Verdict | RowError] = {}
        if mode == "verdict" and self.builder.closing:
            prompts = [replace(p, ids=self.reader.closed(p.ids)) for p in prompts]
        with self._turn, products_in(self.products):
            for batch, twins in self._batches(prompts, self.reserve(mode)):
                ids = [prompts[i].ids for i in batch]
                context = self._decoder.prefill_twins(ids) if twins else self._decoder.prefill(ids)
                if mode == "verdict":
                    for i, distribution in zip(batch, self._read(context), strict=True):
                        results[i] = verdict_of(distribution, None, "read", len(prompts[i].ids), 0)
                else:
                    results.update(self._justify(batch, ids, context, listeners))
        return [results[i] for i in range(len(prompts))]

    def _batches(self, prompts: Sequence[Prompt], room: int) -> Iterator[tuple[list[int], bool]]:
        """Yield ``(indices, twins)``: rows of like length within the limits.

        Args:
            room: how many tokens may be added to each row.
        """
        twins: list[list[int]] = []
        singles: list[list[int]] = []
        i = 0
        while i < len(prompts):
            following = prompts[i + 1].ids if i + 1 < len(prompts) else []
            if common_prefix(prompts[i].ids, following) >= SHARED:
                twins.append([i, i + 1])
                i += 2
            else:
                singles.append([i])
                i += 1
        lengths = [len(prompt.ids) for prompt in prompts]
        limits = Limits(self.batch_tokens, self.cache_tokens, room)
        for groups, are_twins in ((twins, True), (singles, False)):
            for batch in limits.batches(groups, lengths):
                yield batch, are_twins

    def _justify(
        self,
        batch: list[int],
        ids: list[list[int]],
        context: Context,
        listeners: Mapping[int, Listener],
    ) -> dict[int, Verdict | RowError]:
        """Write the elaborations of a batch, then read every row's statement.

        Finished rows leave the batch when they are half of it; their statements are read then.
        """
        start, width = self._constraint(context).start, context.mask.shape[1]
        opened = self.reader.thought.opened
        told = {i: Telling(heard, opened) for i, heard in listeners.items()}
        rows = [
            _Row(i, p, start, False, self._generator(p), told.get(i))
            for i, p in zip(batch, ids, strict=True)
        ]
        results: dict[int, Verdict | RowError] = {}
        for _ in range(self.sampling.max_new_tokens):
            live = self._write(rows, context)
            done = [place for place, alive in enumerate(live) if not alive]
            if 2 * len(done) >= len(rows):
                results.update(self._finish([rows[p] for p in done], context.select(done), width))
                left = [place for place, alive in enumerate(live) if alive]
                if not left:
                    return results
                rows, context = [rows[p] for p in left], context.select(left)
                live = [True] * len(rows)
            self._decoder.step(context, [row.tokens[-1] for row in rows], live)
        return results | self._finish(rows, context, width)

    def _constraint(self, context: Context) -> Constraint:
        """Return the constraint of what is written, compiled once for all that write alike."""
        thought = self.reader.thought
        if thought.regex not in self._constraints:
            size, device = context.logits.shape[1], self._decoder.device
            self._constraints[thought.regex] = Constraint(
                self.tokenizer, thought.forbidden, size, device, thought.regex
            )
        return self._constraints[thought.regex]

    def _write(self, rows: list[_Row], context: Context) -> list[bool]:
        """Append each unfinished row's next token; return which rows go on after it."""
        constraint = self._constraint(context)
        forbidden = constraint.forbidden(row.state for row in rows)
        scores = context.logits.float().masked_fill(forbidden, -torch.inf)
        if self.sampling.temperature > 0:
            drawn = noise([row.generator for row in rows], scores)
            scores = scores / self.sampling.temperature + drawn
        for row, token in zip(rows, scores.argmax(-1).tolist(), strict=True):
            if not row.stopped:
                row.tokens.append(token)
                row.state = constraint.advance(row.state, token)
                row.stopped = constraint.finished(row.state)
                self.counts.completion_tokens += 1
                if row.telling:
                    row.telling.written(self.reader.decode(row.tokens))
        return [not row.stopped for row in rows]

    def _generator(self, prompt_ids: Sequence[int]) -> torch.Generator | None:
        if self.sampling.temperature <= 0:
            return None
        return torch.Generator().manual_seed(seed_of(self.sampling.seed, prompt_ids))

    def _finish(
        self, rows: list[_Row], context: Context, width: int
    ) -> dict[int, Verdict | RowError]:
        """Read the statements of rows that are finished or out of tokens.

        Args:
            rows: the rows of ``context``, in order.
            context: its cache is used up.
            width: slots of the prompts; the tokens written stand in the slots after them.
        """
        kept: list[tuple[str, int | None]] = [self._elaboration(row) for row in rows]
        slots = torch.arange(context.mask.shape[1], device=context.mask.device)
        for place, (_, tokens) in enumerate(kept):
            if tokens is not None:
                context.mask[place] &= slots < width + tokens
        context.lengths = context.mask.sum(-1)
        led = [not text.endswith("\n") for text, _ in kept]
        distributions = self._read(context, led)
        torn = [place for place, (_, tokens) in enumerate(kept) if tokens is None]
        if torn:  # a token holds both the newline and the statement's beginning: write it anew
            encode = self.reader.thought.encode
            again = [[*rows[p].prompt_ids, *encode(kept[p][0])] for p in torn]
            for place, distribution in zip(
                torn, self._read(self._decoder.prefill(again)), strict=True
            ):
                distributions[place] = distribution
        return {
            row.index: self._said(row, distribution, text)
            for row, distribution, (text, _) in zip(rows, distributions, kept, strict=True)
        }

    def _said(self, row: _Row, distribution: Distribution, text: str) -> Verdict | RowError:
        """Return the verdict of a row that wrote ``text`` before its statement."""
        try:
            thinking, elaboration = self.reader.thought.parts(text, len(row.tokens))
        except RowError as error:
            return error
        if row.telling:
            row.telling.ended(elaboration)
        return verdict_of(
            distribution,
            elaboration,
            "stop" if row.stopped else "forced",
            len(row.prompt_ids),
            len(row.tokens),
            thinking,
        )

    def _elaboration(self, row: _Row) -> tuple[str, int | None]:
        """Return the text before the row's statement, and how many of its tokens make that text
        (None when a token reaches over its end)."""
        text = self.reader.decode(row.tokens)
        if not row.stopped:
            return text, len(row.tokens)
        text = text[: text.rindex("\n") + 1]
        return text, tokens_of(text, row.tokens, self.reader.decode)

    def _read(self, context: Context, led: Sequence[bool] | None = None) -> list[Distribution]:
        if self.reader.answer == "label":
            labels = self.grammar.label_tokens()
            found = torch.log_softmax(context.logits.float(), dim=-1)[:, labels].tolist()
            return [label_distribution(one, two) for one, two in found]
        if led is None:
            return self._decoder.read(context, self.grammar, [], [False] * len(context.mask))
        return self._decoder.read(context, self.grammar, self.reader.reading.lead, led)
