"""The six statements as one tokenizer writes them: token paths, and the tree where they part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from judge.errors import UsageError
from judge.verdict import STRENGTHS, Distribution, render_statement

Answer = Literal["statement", "label"]
"""What a judge answers: a statement, or the bare label ``1`` or ``2`` of the better response."""


class Encoder(Protocol):
    """Encodes plain text as token ids; :class:`judge.prompt.PromptBuilder` is one."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]: ...


@dataclass(frozen=True)
class Node:
    """A token on the common part of several statements."""

    token: int
    parent: int
    """Index of the node before it, -1 for the first."""
    depth: int
    """How many tokens of the statement stand before this one."""
    children: dict[int, tuple[int, ...]]
    """For each possible next token, the strengths whose statements go on with it."""


class Grammar:
    """The statements' tokens for one tokenizer.

    ``nodes`` are the tokens that must go through a model to know its probabilities of all six
    statements: everything before the last branch, nothing after it. Parents come before children.

    Raises:
        UsageError: when the statements do not share a first token: the text before a statement
            would then decide it too, and no tokenizer known to us does that.
    """

    def __init__(self, encoder: Encoder) -> None:
        texts = [render_statement(strength) for strength in STRENGTHS]
        self.paths = dict(zip(STRENGTHS, map(tuple, encoder.encode(texts)), strict=True))
        one, two = encoder.encode(["1", "2"])
        self.labels = {"1": tuple(one), "2": tuple(two)}
        self.nodes: list[Node] = []
        if len({path[0] for path in self.paths.values()}) != 1:
            raise UsageError("the tokenizer starts the six statements with different tokens")
        self._grow(-1, (self.paths[STRENGTHS[0]][0],))
        branch = next(node for node in self.nodes if len(node.children) > 1)
        self.first_branch = branch.depth + 1
        """Index in every statement of the token that says which response is better."""
        self.sides = (self.paths[-2][self.first_branch], self.paths[2][self.first_branch])
        """The token ids at that index where Response 1, and where Response 2 is better."""

    def label_tokens(self) -> tuple[int, int]:
        """Return the token ids where the labels ``1`` and ``2`` part: their first ones.

        Raises:
            UsageError: when a tokenizer starts both with the same token.
        """
        one, two = self.labels["1"][0], self.labels["2"][0]
        if one == two:
            raise UsageError("the tokenizer starts the labels 1 and 2 with the same token")
        return one, two

    def _grow(self, parent: int, prefix: tuple[int, ...]) -> None:
        on_path = {s: path for s, path in self.paths.items() if path[: len(prefix)] == prefix}
        if len(on_path) == 1:
            return  # past the last branch
        children: dict[int, tuple[int, ...]] = {}
        for strength, path in on_path.items():
            token = path[len(prefix)]
            children[token] = (*children.get(token, ()), strength)
        index = len(self.nodes)
        self.nodes.append(Node(prefix[-1], parent, len(prefix) - 1, children))
        for token in children:
            self._grow(index, (*prefix, token))

    def ancestors(self, index: int) -> list[int]:
        """Return the indices of a node's line from the first node down to itself."""
        line: list[int] = []
        while index >= 0:
            line.append(index)
            index = self.nodes[index].parent
        return line[::-1]

    def branches(self, strength: int) -> list[int]:
        """Return the indices of the statement's tokens where another one goes on otherwise."""
        return [
            node.depth + 1
            for node in self.nodes
            if len(node.children) > 1 and any(strength in s for s in node.children.values())
        ]

    def distribution(self, log_probs: Sequence[dict[int, float]]) -> Distribution:
        """Return the distribution over strengths.

        Args:
            log_probs: for each node, the model's log-probability of each of its children, over the
                whole vocabulary (a node with one child may be empty: constant text says nothing).

        At each branch the children are normalised among themselves, as constrained decoding does;
        ``off_grammar`` is what the branches leave of the true probabilities.
        """
        within = dict.fromkeys(STRENGTHS, 0.0)
        true = dict.fromkeys(STRENGTHS, 0.0)
        for node, values in zip(self.nodes, log_probs, strict=True):
            if len(node.children) < 2:
                continue
            top = max(values.values())
            total = top + math.log(math.fsum(math.exp(v - top) for v in values.values()))
            for token, strengths in node.children.items():
                for strength in strengths:
                    true[strength] += values[token]
                    within[strength] += values[token] - total
        on_grammar = math.fsum(math.exp(value) for value in true.values())
        a, b, c, d, e, f = (within[strength] for strength in STRENGTHS)
        return Distribution(
            log_probs=(a, b, c, d, e, f), off_grammar=min(1.0, max(0.0, 1.0 - on_grammar))
        )


def label_distribution(one: float, two: float) -> Distribution:
    """Return the distribution of a judge that answers with a label.

    A label has no degree: all of a side's probability lies on its plain "better".

    Args:
        one: the model's log-probability of the label ``1``, over the whole vocabulary.
        two: that of ``2``.
    """
    top = max(one, two)
    total = top + math.log(math.exp(one - top) + math.exp(two - top))
    nothing = -math.inf
    return Distribution(
        log_probs=(nothing, one - total, nothing, nothing, two - total, nothing),
        off_grammar=min(1.0, max(0.0, 1.0 - math.exp(total))),
    )
