"""What engines share that read a statement where it branches, by requests for few tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal, Self

from judge.grammar import Answer, Encoder, Grammar, label_distribution
from judge.infer.engines.elaboration import tokens_of
from judge.infer.engines.protocol import Counts, Sampling
from judge.infer.engines.thought import Thought
from judge.prompt import THINKS, Chat, PromptBuilder, Template
from judge.verdict import Distribution, Verdict, render_statement


@dataclass(frozen=True)
class Fork:
    """A place where the six statements part."""

    path: tuple[int, ...]
    """The statement's tokens up to there."""
    children: tuple[int, ...]
    """The tokens that may follow: their probabilities are read."""


@dataclass(frozen=True)
class Chain:
    """Forks that lie on one path: who writes the path from the first on passes the others."""

    path: tuple[int, ...]
    """The statement's tokens up to the first fork."""
    forced: tuple[int, ...]
    """The tokens from there to the last one, no two of them alike."""
    forks: tuple[tuple[int, int], ...]
    """The place of each fork in :attr:`Reading.forks`, and how many tokens of ``forced`` lie before
    it."""


@dataclass(frozen=True)
class WrittenBefore:
    """What a model wrote before its statement, and what it has before it when it states it."""

    elaboration: str
    thinking: str | None
    tokens: list[int]
    """What the statement follows: the text's own tokens where they make it, and the newline."""


class Reader:
    """One prompt template with one tokenizer: prompts, and what was written to statements.

    Args:
        tokenizer: with a chat template.
        template: of the prompts.
        answer: ``label`` for a model that was trained to answer with the bare label.
        chat: how its chat template is used.
    """

    def __init__(
        self,
        tokenizer: Any,
        template: Template,
        answer: Answer = "statement",
        chat: Chat = THINKS,
    ) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.answer: Answer = answer
        self.chat = chat
        self.builder = PromptBuilder(tokenizer, template, chat)
        self.thought = Thought(self.builder)
        self.reading = StatementReading(self.builder, answer)

    def bound(self, template: Template | None) -> Reader:
        """Return the reader of another template; None is this one."""
        if template is None or template == self.template:
            return self
        return Reader(self.tokenizer, template, self.answer, self.chat)

    def describe(self) -> dict[str, Any]:
        """Return what an engine says of its answers, where they are no statements."""
        return {} if self.answer == "statement" else {"answer": self.answer}

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text that tokens make, as a model wrote it."""
        text: str = self.tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False)
        return text

    def closed(self, prompt_ids: Sequence[int]) -> list[int]:
        """Return what a statement alone follows: the prompt, and the end of thinking."""
        return [*prompt_ids, *self.builder.closing]

    def written(self, text: str, tokens: Sequence[int] | None, count: int) -> WrittenBefore:
        """Return what a model wrote before its statement.

        Args:
            text: the elaboration after any thinking, up to the newline where there is one.
            tokens: what it wrote, of which the first make ``text``; None where they are not known.
            count: how many it wrote.

        Raises:
            RowError: ``truncated`` when its thinking did not end within them.
        """
        thinking, elaboration = self.thought.parts(text, count)
        kept = None if tokens is None else tokens_of(text, tokens, self.decode)
        # A token that holds both the newline and the statement's beginning is written anew.
        said = self.thought.encode(text) if tokens is None or kept is None else list(tokens[:kept])
        lead = [] if text.endswith("\n") else self.reading.lead
        return WrittenBefore(elaboration, thinking, [*said, *lead])


class Bound:
    """What engines with a :class:`Reader` share: each is bound to its template and its sampling."""

    sampling: Sampling
    counts: Counts
    reader: Reader

    def bound(self, template: Template | None = None, sampling: Sampling | None = None) -> Self:
        """As :meth:`judge.infer.engines.protocol.Engine.bound`."""
        other = copy(self)
        other.sampling = sampling or self.sampling
        other.counts = Counts()
        other._use(self.reader.bound(template))
        return other

    @property
    def builder(self) -> PromptBuilder:
        """The builder of its prompts."""
        return self.reader.builder

    def _use(self, reader: Reader) -> None:
        """Take a reader, and make what depends on it and on the counts."""
        self.reader = reader


class StatementReading:
    """The branches of the statements for one tokenizer.

    Args:
        encoder: encodes plain text; :class:`judge.prompt.PromptBuilder` is one.
        answer: ``label``: the judge answers ``1`` or ``2``, and that is the only branch.
    """

    def __init__(self, encoder: Encoder, answer: Answer = "statement") -> None:
        self.grammar = Grammar(encoder)
        self.answer = answer
        self.lead = encoder.encode(["\n"])[0]
        """What stands between an elaboration without a newline at its end and a statement."""
        nodes = self.grammar.nodes
        self._places = [i for i, node in enumerate(nodes) if len(node.children) > 1]
        self.forks = [
            Fork(
                path=tuple(nodes[i].token for i in self.grammar.ancestors(place)),
                children=tuple(nodes[place].children),
            )
            for place in self._places
        ]
        if answer == "label":
            self.forks = [Fork(path=(), children=self.grammar.label_tokens())]
        self.longest = len(self.lead) + max(len(fork.path) for fork in self.forks) + 1
        """The most tokens that reading puts after an elaboration, the answer included."""

    def chains(self) -> list[Chain]:
        """Return all forks, in as few chains as the statements' tree lets them be."""
        left = dict(enumerate(fork.path for fork in self.forks))
        chains = []
        while left:
            longest = max(left.values(), key=len)
            on_it = {i: path for i, path in left.items() if longest[: len(path)] == path}
            start = min(map(len, on_it.values()))
            if len(set(longest[start:])) < len(longest) - start:  # cannot be forced
                on_it, start = {i: p for i, p in on_it.items() if p == longest}, len(longest)
            forks = tuple((i, len(path) - start) for i, path in on_it.items())
            chains.append(Chain(longest[:start], longest[start:], forks))
            left = {i: path for i, path in left.items() if i not in on_it}
        return sorted(chains, key=lambda chain: chain.forks)

    def distribution(self, found: Sequence[dict[int, float]]) -> Distribution:
        """Return the distribution over strengths.

        Args:
            found: for each of ``forks`` the log-probability of each of its children, over the whole
                vocabulary.
        """
        if self.answer == "label":
            return label_distribution(*(found[0][token] for token in self.forks[0].children))
        values: list[dict[int, float]] = [{} for _ in self.grammar.nodes]
        for place, log_probs in zip(self._places, found, strict=True):
            values[place] = log_probs
        return self.grammar.distribution(values)


def verdict_of(
    distribution: Distribution,
    elaboration: str | None,
    finish_reason: Literal["read", "stop", "forced"],
    prompt_tokens: int,
    completion_tokens: int,
    thinking: str | None = None,
) -> Verdict:
    """Return the verdict that a distribution, and what was written before it, come to."""
    strength = distribution.strength
    return Verdict(
        strength=strength,
        statement=render_statement(strength),
        elaboration=elaboration,
        thinking=thinking,
        distribution=distribution,
        finish_reason=finish_reason,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
    )


def seed_of(seed: int, prompt_ids: Sequence[int]) -> int:
    """Return the seed of a prompt's own draws, so that its neighbours do not matter to it."""
    text = f"{seed}:{','.join(map(str, prompt_ids))}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
