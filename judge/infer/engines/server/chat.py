"""The server engine for servers that only chat: verdicts are read as text, there are none to guess.

Such a server gives no probabilities here: where the orders disagree, a pair has no preference. It
turns a prompt into tokens itself, so markers in a pair's text are its affair; the known ones are
broken up before it sees them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from judge.errors import RowError
from judge.infer.engines.protocol import Counts, Mode, Sampling
from judge.infer.engines.server.features import TRIAL, Features, chat_fields
from judge.infer.engines.server.fields import Fit, found_fit
from judge.infer.engines.server.http_client import Client
from judge.infer.engines.server.replies import Completion, message_of_chat
from judge.infer.engines.thought import unended
from judge.pair import Pair
from judge.prompt import Prompt, Template, render_content
from judge.thinking import part_unknown
from judge.verdict import (
    JUSTIFY_REGEX,
    STATEMENT_REGEX,
    Verdict,
    parse_completion,
    parse_statement,
    render_statement,
    sides_in,
    statements_in,
)

ONLY = "Reply with the statement alone: one line, nothing before or after it."
"""Ends the prompt in ``verdict`` mode where the server obeys no regex."""
AGAIN = "Now reply with your verdict alone, one line that is exactly one of these:\n" + "\n".join(
    render_statement(strength) for strength in (-1, -2, -3, 1, 2, 3)
)
"""Asked once after a reply that holds no verdict."""
_PATH = "/chat/completions"
MARKERS = re.compile(
    r"<[|\uff5c]|<(?=/?(s|bos|eos|pad|unk|think|tool_call|tool_response|(start|end)_of_\w+)>)"
    r"|<(?=extra_id_\d+>)|<(?=</?SYS>>)|\[(?=/?(INST|THINK)\]|gMASK\])|<(?=/?seed:\w+>)"
    r"|\u25c1(?=/?\w+\u25b7)",
    re.IGNORECASE,
)
"""Where a chat marker of a known family begins."""


def break_markers(text: str) -> tuple[str, int]:
    """Put a blank into every known chat marker in ``text``; return the text and their number."""
    return MARKERS.subn(lambda match: f"{match[0][0]} {match[0][1:]}", text)


@dataclass
class ChatBuilder:
    """Prompts without a tokenizer: a prompt's ids are the UTF-8 bytes of the user's message."""

    template: Template

    def build(self, pairs: Iterable[Pair]) -> list[Prompt]:
        prompts = []
        for pair in pairs:
            content, names = render_content(self.template, pair)
            text, markers = break_markers(content)
            prompts.append(Prompt(ids=list(text.encode()), neutralised=names + markers))
        return prompts


class ChatEngine:
    """Asks for verdicts in chat messages.

    Args:
        client: of the server.
        features: what the server can do.
        fits: by temperature, how it must be asked; of one at least.
        identity: what :meth:`describe` says of the model.
        model: its name on the server.
        template: of the prompts.
        sampling: how it writes; at a temperature above 0 each prompt sends a seed of its own.
        options: of the model's chat template.
    """

    name = "server"
    context = 1 << 40
    """Unknown in bytes: the server refuses what is too long for it."""

    def __init__(
        self,
        client: Client,
        features: Features,
        identity: dict[str, Any],
        template: Template,
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
        *,
        fits: dict[float, Fit],
        model: str,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.client = client
        self.features = features
        self.identity = identity
        self.fits = fits
        self.model = model
        self.sampling = sampling
        self.options = options
        self.builder = ChatBuilder(template)
        self.counts = Counts()

    def bound(
        self, template: Template | None = None, sampling: Sampling | None = None
    ) -> ChatEngine:
        """As :meth:`judge.infer.engines.protocol.Engine.bound`."""
        other = copy(self)
        other.sampling = sampling or self.sampling
        other.builder = ChatBuilder(template or self.builder.template)
        other.counts = Counts()
        return other

    def _fields(self) -> dict[str, Any]:
        how = self.sampling
        return chat_fields(how.max_new_tokens, how.temperature, self.options)

    def reserve(self, mode: Mode) -> int:
        """Return 0: the server knows its context.

        Raises:
            UsageError: when the server does not take what it would be asked at this temperature.
        """
        self._find_fit()
        return 0

    def describe(self) -> dict[str, Any]:
        words = hashlib.sha256(f"{ONLY}\n{AGAIN}\n{MARKERS.pattern}".encode()).hexdigest()[:16]
        return {
            "engine": self.name,
            **self.identity,
            **self.features.describe(),
            "chat_words": words,
            "adapted": self.fits[self.sampling.temperature].told(self._fields()),
            "max_new_tokens": self.sampling.max_new_tokens,
            "temperature": self.sampling.temperature,
        }

    def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
        texts = [bytes(prompt.ids).decode() for prompt in prompts]
        verdicts = self.client.run(self._judge, texts, mode)
        for verdict in verdicts:
            if isinstance(verdict, Verdict):
                self.counts.prompt_tokens += verdict.prompt_tokens
                self.counts.completion_tokens += verdict.completion_tokens
        return verdicts

    async def _judge(self, texts: list[str], mode: Mode) -> list[Verdict | RowError]:
        async def one(text: str) -> Verdict | RowError:
            try:
                return await self._verdict(text, mode)
            except RowError as error:
                return error

        return await self.client.gather(one, texts)

    async def _verdict(self, text: str, mode: Mode) -> Verdict:
        asked = text
        if mode == "verdict" and not self.features.constraint:
            asked = f"{text}\n\n{ONLY}"
        pattern = JUSTIFY_REGEX if mode == "justify" else STATEMENT_REGEX
        turns = [{"role": "user", "content": asked}]
        reply = await self._reply(turns, pattern)
        said = reply.verdict
        again: _Said | None = None
        if said is None:
            again = await self._reply(_asked_again(turns, reply.answer), STATEMENT_REGEX)
            strength = again.strength
            if strength is None:
                raise self._no_verdict(again)
            said = strength, _without_statements(reply.answer)
        strength, elaboration = said
        replies = [reply, *([again] if again else [])]
        return Verdict(
            strength=strength,
            statement=render_statement(strength),
            elaboration=elaboration if mode == "justify" else None,
            thinking="\n\n".join(r.thinking for r in replies if r.thinking) or None,
            finish_reason="read" if mode == "verdict" else "forced" if again else "stop",
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=sum(r.completion_tokens for r in replies),
        )

    async def _reply(self, turns: list[dict[str, str]], pattern: str) -> _Said:
        body = {"model": self.model, "messages": turns, **self._fields()}
        if self.sampling.temperature > 0:
            digest = hashlib.sha256(f"{self.sampling.seed}:{turns}".encode()).digest()
            body["seed"] = int.from_bytes(digest[:7], "big")
        body |= self.features.constrained(pattern)
        fit = self.fits[self.sampling.temperature]
        read = partial(message_of_chat, limit=fit.most(self.sampling.max_new_tokens))
        return _said(await self.client.ask(_PATH, fit.applied(body), read))

    def _find_fit(self) -> None:
        """Find out what the server takes at this temperature, if that is not known yet."""
        temperature = self.sampling.temperature
        if temperature in self.fits:
            return
        known = next(iter(self.fits.values()))
        self.fits[temperature] = known  # what is asked with while it is found out
        fields = self._fields() | self.features.constrained(JUSTIFY_REGEX)
        body = {"model": self.model, "messages": TRIAL, **fields}
        self.fits[temperature] = self.client.run(
            found_fit, self.client, _PATH, body, message_of_chat, known
        )

    def _no_verdict(self, reply: _Said) -> RowError:
        found = self.client.shown(reply.answer, 80)
        if not reply.ended and not found:
            return unended(self.sampling.max_new_tokens)
        if not reply.ended:
            detail = f"no verdict when the tokens ran out, asked twice: {found!r}"
            return RowError("truncated", detail)
        return RowError("unparseable", f"expected one verdict, asked twice, found {found!r}")


@dataclass(frozen=True)
class _Said:
    """A reply in its parts."""

    answer: str
    """Empty where the thinking was never closed."""
    thinking: str | None
    ended: bool
    """Whether thinking and answer both came to their own ends: else there is no verdict."""
    ambiguous: bool
    """Whether the answer holds marks of thinking: it may be none."""
    prompt_tokens: int
    completion_tokens: int

    @property
    def verdict(self) -> tuple[int, str] | None:
        """Strength and elaboration, where the answer ends with its one verdict."""
        return one_verdict(self.answer) if self.ended and not self.ambiguous else None

    @property
    def strength(self) -> int | None:
        """The strength of an answer that is a statement alone."""
        return parse_statement(self.answer) if self.ended else None


def _said(reply: Completion) -> _Said:
    parts = part_unknown(reply.text)
    thoughts = [t for t in (reply.thinking, parts.thinking) if t]
    return _Said(
        parts.answer,
        "\n\n".join(thoughts) or None,
        reply.ended and parts.ended,
        parts.ambiguous,
        reply.prompt_tokens,
        reply.completion_tokens,
    )


def one_verdict(text: str) -> tuple[int, str] | None:
    """Return strength and elaboration of a reply that ends with its verdict and holds no other.

    Another one inside a sentence is one, too: which of the two was meant, nobody knows.
    """
    parsed = parse_completion(text)
    if parsed is None:
        return None
    strength, elaboration = parsed
    better = 1 if strength < 0 else 2
    if statements_in(elaboration) - {strength} or sides_in(elaboration) - {better}:
        return None
    return strength, _without_statements(elaboration)


def _without_statements(text: str) -> str:
    lines = [line for line in text.splitlines() if parse_statement(line) is None]
    return "\n".join(lines).strip()


def _asked_again(turns: list[dict[str, str]], reply: str) -> list[dict[str, str]]:
    if not reply.strip():  # some servers take no empty turn
        return [{"role": "user", "content": f"{turns[0]['content']}\n\n{AGAIN}"}]
    return [*turns, {"role": "assistant", "content": reply}, {"role": "user", "content": AGAIN}]
