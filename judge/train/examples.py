"""From prepared examples to batches: token ids, labels, where statements part, twins kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler

from judge.errors import UsageError
from judge.grammar import Grammar
from judge.prompt import PromptBuilder
from judge.verdict import render_statement

IGNORED = -100
"""The label of a token without loss (PyTorch's convention)."""


@dataclass
class ExampleSet:
    """Tokenised examples; ``twins`` says whether items 2k and 2k+1 are one example in both orders.

    An item holds ``input_ids``, ``labels`` (IGNORED on the prompt), ``weights`` and ``branch``: the
    index of the token whose logits choose between ``1`` and ``2``, or -1.
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    twins: bool = False
    too_long: int = 0
    """Examples (both orders counted) that were dropped for their length."""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> list[int]:
        """Tokens of every item."""
        return [len(item["input_ids"]) for item in self.items]

    def dataset(self) -> Dataset:
        """Return the items as the Dataset that TRL asks for."""
        return Dataset.from_list(self.items)


def read_rows(
    path: Path, styles: dict[str, float] | None, limit: int | None
) -> list[dict[str, Any]]:
    """Return the rows of a prepared file: of each style in ``styles`` that share, evenly spaced.

    Raises:
        UsageError: when the file is missing or leaves no example.
    """
    seen: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                style = row["style"]
                share = 1.0 if styles is None else styles.get(style, 0.0)
                if row["order"] == "given":
                    seen[style] += 1
                if int(seen[style] * share) > int((seen[style] - 1) * share):
                    rows.append(row)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path}: not a file of `judge data prepare`: {error}") from None
    if not rows:
        raise UsageError(f"{path}: no example of style {styles or 'any'}")
    return rows[:limit]


def tokenize(
    rows: list[dict[str, Any]], builder: PromptBuilder, max_length: int, statement_weight: float
) -> ExampleSet:
    """Tokenise prepared rows exactly as the engines tokenise prompts.

    The completion is encoded in two pieces, what stands before the statement and the statement, so
    that the statement's tokens are those an engine forces. It ends with the model's end token.
    """
    grammar = Grammar(builder)
    frames = builder.frame([row["prompt"][0]["content"] for row in rows])
    parts = [_split_completion(row) for row in rows]
    before, after = builder.encode([p[0] for p in parts]), builder.encode([p[2] for p in parts])
    end = builder.tokenizer.eos_token_id
    result = ExampleSet(twins=_are_twins(rows))
    items: list[dict[str, Any] | None] = []
    for row, prompt, lead, (_, statement, _), tail in zip(
        rows, frames, before, parts, after, strict=True
    ):
        labelled = row["style"] == "label_only"
        words = grammar.labels[statement] if labelled else grammar.paths[row["strength"]]
        ids = [*prompt, *lead, *words, *tail, end]
        start = len(prompt) + len(lead)
        weights = [1.0] * len(ids)
        for position in [0] if labelled else grammar.branches(row["strength"]):
            weights[start + position] = statement_weight
        branch = -1 if labelled else start + grammar.first_branch - 1
        item = {
            "input_ids": ids,
            "labels": [IGNORED] * len(prompt) + ids[len(prompt) :],
            "weights": weights,
            "branch": branch,
        }
        items.append(item if len(ids) <= max_length else None)
    for group in _groups(items, 2 if result.twins else 1):
        if None in group:  # a twin never stays alone
            result.too_long += len(group)
        else:
            result.items.extend(item for item in group if item is not None)
    return result


def _groups(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _are_twins(rows: list[dict[str, Any]]) -> bool:
    """Say whether every two rows are one example in given and flipped order."""
    if len(rows) % 2:
        return False
    return all(
        (a["pair_id"], a["style"], a["order"], b["order"])
        == (b["pair_id"], b["style"], "given", "flipped")
        for a, b in _groups(rows, 2)
    )


def _split_completion(row: dict[str, Any]) -> tuple[str, str, str]:
    """Return the completion as what stands before its statement (or label), that, and the rest."""
    text: str = row["completion"][0]["content"]
    statement = text if row["style"] == "label_only" else render_statement(row["strength"])
    if row["style"] == "statement_first":
        before, found, after = text.partition(statement)
    else:
        before, found, after = text.rpartition(statement)
    if not found:
        raise UsageError(f"{row['pair_id']}: the completion lacks its statement {statement!r}")
    return before, statement, after


@dataclass
class JustifierCollator:
    """Pads a batch on the left, so that every completion ends at the last position.

    Returns tensors of shape ``[batch, tokens]``: ``input_ids``, ``attention_mask``,
    ``position_ids``, ``labels`` and, with ``statement_loss``, ``weights``; then ``branch`` of shape
    ``[batch]`` counts from the end (-1 is the last position; 0 means none).
    """

    pad_id: int
    statement_loss: bool

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        width = max(len(item["input_ids"]) for item in items)

        def pad(values: list[Any], fill: Any) -> list[Any]:
            return [fill] * (width - len(values)) + values

        mask = torch.tensor([pad([1] * len(item["input_ids"]), 0) for item in items])
        batch = {
            "input_ids": torch.tensor([pad(item["input_ids"], self.pad_id) for item in items]),
            "attention_mask": mask,
            "position_ids": (mask.cumsum(-1) - 1).clamp(min=0),
            "labels": torch.tensor([pad(item["labels"], IGNORED) for item in items]),
        }
        if self.statement_loss:
            batch["weights"] = torch.tensor([pad(item["weights"], 0.0) for item in items])
            batch["branch"] = torch.tensor(
                [
                    item["branch"] - len(item["input_ids"]) if item["branch"] >= 0 else 0
                    for item in items
                ]
            )
        return batch


class LengthGroupedTwins(Sampler[int]):
    """Yields item indices: groups (twins, or single items) shuffled, then sorted by length within
    stretches of ``batch_size * 50`` items; the batches of a stretch come in random order.

    Deterministic in ``seed`` and the epoch (:meth:`set_epoch`): a resumed run sees the same order.
    """

    def __init__(self, lengths: list[int], twins: bool, batch_size: int, seed: int) -> None:
        self.lengths = lengths
        self.group = 2 if twins else 1
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        starts = range(0, len(self.lengths), self.group)
        order = [starts[i] for i in torch.randperm(len(starts), generator=generator).tolist()]
        stretch = max(1, self.batch_size // self.group) * 50
        for chunk in _groups(order, stretch):
            ranked = sorted(chunk, key=lambda i: -self.lengths[i])
            batches = list(_groups(ranked, max(1, self.batch_size // self.group)))
            # A short batch must stay the last one, or every batch after it would shift.
            whole = [b for b in batches if len(b) * self.group == self.batch_size]
            rest = [b for b in batches if len(b) * self.group != self.batch_size]
            mixed = [whole[i] for i in torch.randperm(len(whole), generator=generator).tolist()]
            for batch in mixed + rest:
                for start in batch:
                    yield from range(start, start + self.group)
