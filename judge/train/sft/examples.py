"""From prepared examples to batches: token ids, labels, where statements part, twins kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from datasets import Dataset

from judge.errors import UsageError
from judge.grammar import Answer, Grammar
from judge.prompt import PromptBuilder
from judge.train.batches.cutting import cut_prompts
from judge.train.batches.packing import pack, pad
from judge.verdict import render_statement

IGNORED = -100
"""The label of a token without loss (PyTorch's convention)."""


@dataclass
class ExampleSet:
    """Tokenised examples; ``twins`` says whether items 2k and 2k+1 are one example in both orders.

    An item holds ``index`` (into ``names``), ``input_ids``, ``labels`` (IGNORED on the prompt),
    ``weights`` and ``branch``: the index of the token whose logits choose between ``1`` and ``2``,
    or -1.
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Pair, style and order of each item, for errors."""
    twins: bool = False
    too_long: int = 0
    """Examples (both orders counted) that were dropped for their length."""
    cut: int = 0
    """Examples (both orders counted) whose prompt was cut."""
    answer: Answer = "statement"
    """What the completions answer with; ``label`` where every one is a bare label."""

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
    path: Path, styles: dict[str, float] | None, limit: int | None, pairs: int | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a prepared file: of each style in ``styles`` that share, evenly spaced.

    Args:
        limit: only the first so many of them.
        pairs: only those of the first so many pairs of the file.

    Raises:
        UsageError: when the file is missing or leaves no example.
    """
    seen: Counter[str] = Counter()
    known: set[str] = set()
    rows: list[dict[str, Any]] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                known.add(row["pair_id"])
                if pairs is not None and len(known) > pairs:
                    break
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
    rows: list[dict[str, Any]],
    builder: PromptBuilder,
    max_length: int,
    statement_weight: float,
    too_long: Literal["drop", "cut_prompt"] = "drop",
    opening_weight: float = 1.0,
) -> ExampleSet:
    """Tokenise prepared rows exactly as the engines tokenise prompts.

    The completion is encoded in two pieces, what stands before the statement and the statement, so
    that the statement's tokens are those an engine forces. It ends with the model's end token.
    With an ``opening_weight`` other than 1, an elaboration that opens with the name of the better
    response has its branch there, and that weight. An example of more than ``max_length`` tokens
    goes with its twin, or both prompts are cut
    (:mod:`judge.train.batches.cutting`).
    """
    contents = [row["prompt"][0]["content"] for row in rows]
    frames = builder.frame(contents)
    completions = _completions(rows, builder, statement_weight, opening_weight)
    labels_only = all(row["style"] == "label_only" for row in rows)
    result = ExampleSet(twins=_are_twins(rows), answer="label" if labels_only else "statement")
    for group in _groups(list(range(len(rows))), 2 if result.twins else 1):
        rooms = [max_length - len(completions[i].ids) for i in group]
        prompts: list[list[int]] | None = [frames[i] for i in group]
        if any(len(frames[i]) > room for i, room in zip(group, rooms, strict=True)):
            prompts = None  # a twin never stays alone
            if too_long == "cut_prompt":
                prompts = cut_prompts([contents[i] for i in group], rooms, builder)
                result.cut += 0 if prompts is None else len(group)
            result.too_long += len(group) if prompts is None else 0
        for i, prompt in zip(group, prompts or [], strict=False):
            row = rows[i]
            result.names.append(f"{row['pair_id']} ({row['style']}, {row['order']})")
            result.items.append({"index": len(result)} | completions[i].after(prompt))
    return result


@dataclass
class _Completion:
    """What is trained of an example, without its prompt."""

    ids: list[int]
    weights: list[float]
    branch: int | None
    """Counted from the first of ``ids``; -1 is the prompt's last token."""

    def after(self, prompt: list[int]) -> dict[str, Any]:
        """Return the item (:class:`ExampleSet`) without its index."""
        return {
            "input_ids": prompt + self.ids,
            "labels": [IGNORED] * len(prompt) + self.ids,
            "weights": [1.0] * len(prompt) + self.weights,
            "branch": -1 if self.branch is None else len(prompt) + self.branch,
        }


def _completions(
    rows: list[dict[str, Any]],
    builder: PromptBuilder,
    statement_weight: float,
    opening_weight: float,
) -> list[_Completion]:
    grammar = Grammar(builder)
    parts = [_split_completion(row) for row in rows]
    before, after = builder.encode([p[0] for p in parts]), builder.encode([p[2] for p in parts])
    completions = []
    for row, lead, (_, statement, _), tail in zip(rows, before, parts, after, strict=True):
        labelled = row["style"] == "label_only"
        words = grammar.labels[statement] if labelled else grammar.paths[row["strength"]]
        ids = [*lead, *words, *tail, builder.tokenizer.eos_token_id]
        weights = [1.0] * len(ids)
        for position in [0] if labelled else grammar.branches(row["strength"]):
            weights[len(lead) + position] = statement_weight
        branch = None if labelled else len(lead) + grammar.first_branch - 1
        opening = grammar.first_branch + 1
        if opening_weight != 1.0 and lead and lead[:opening] == [*words[:opening]]:
            weights[opening - 1] = opening_weight
            branch = opening - 2
        completions.append(_Completion(ids, weights, branch))
    return completions


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
    """Puts the examples of a batch into one input, packed or padded on the right.

    Returns ``index`` (``[examples]``, which examples these are), the arguments of
    :func:`judge.train.batches.packing.pack` or ``pad`` without ``ends``, and N = the completions'
    tokens:
    ``score_at`` (``[N]``, positions over all rows whose next token is trained), ``labels`` and
    ``shift_labels`` (``[1, N]``, those next tokens; the trainer counts the one, the loss reads the
    other). With ``statement_loss``, ``weights`` (``[N]``), ``branch`` (``[statements]``, positions
    that choose between ``1`` and ``2``) and ``said`` (``[statements]``, the token there).
    """

    packed: bool
    pad_id: int
    statement_loss: bool

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        sequences = [item["input_ids"] for item in items]
        inputs = pack(sequences) if self.packed else pad(sequences, self.pad_id)
        last = inputs.pop("ends").tolist()
        starts = [end - len(ids) + 1 for end, ids in zip(last, sequences, strict=True)]
        scored = [
            (start + place - 1, item["labels"][place], item["weights"][place])
            for start, item in zip(starts, items, strict=True)
            for place in range(len(item["labels"]))
            if item["labels"][place] != IGNORED
        ]
        at, labels, weights = zip(*scored, strict=True)
        batch = {
            "index": torch.tensor([item["index"] for item in items]),
            **inputs,
            "score_at": torch.tensor(at),
            "labels": torch.tensor([labels]),
            "shift_labels": torch.tensor([labels]),
        }
        if self.statement_loss:
            branches = [
                (start + item["branch"], item["input_ids"][item["branch"] + 1])
                for start, item in zip(starts, items, strict=True)
                if item["branch"] >= 0
            ]
            batch["weights"] = torch.tensor(weights)
            batch["branch"] = torch.tensor([at for at, _ in branches], dtype=torch.long)
            batch["said"] = torch.tensor([said for _, said in branches], dtype=torch.long)
        return batch
