"""The server engine: token ids to an OpenAI-compatible server that takes them, as vLLM does.

Prompts and verdicts are those of the transformers engine: text of a pair never becomes a control
token, the distribution is read where the statements part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from judge.errors import RowError, UsageError
from judge.grammar import Answer
from judge.infer.engines.elaboration import elaboration_of, tokens_of
from judge.infer.engines.protocol import Counts, Mode
from judge.infer.engines.server.features import NEUTRAL, Features, read_body, regex
from judge.infer.engines.server.fields import LARGEST_SEED, Fit, found_fit
from judge.infer.engines.server.http_client import Client
from judge.infer.engines.server.replies import Completion, completions_of, log_probs_of
from judge.infer.engines.statement_reader import Reading, seed_of, verdict_of
from judge.infer.engines.thought import Thought
from judge.prompt import THINKS, Chat, Prompt, PromptBuilder, Template
from judge.verdict import JUSTIFY_REGEX, Distribution, Verdict

_PATH = "/completions"
_TRIAL = "Why is the sky blue?"
_FORBIDDEN = -100.0
"""A bias after which no token is chosen."""


class ServerEngine:
    """Runs a model on a server that takes token ids and tells probabilities.

    The prompts of a pair's two orders go in one request, so that the replica behind a load balancer
    that computes the conversation for one has it for the other.

    Args:
        client: of the server.
        features: what the server can do, ``token_ids`` and ``probabilities`` at least.
        tokenizer: of the server's model, with a chat template.
        identity: what :meth:`describe` says of the model.
        model: its name on the server.
        context: the most tokens of a prompt and its completion.
        max_new_tokens: the most tokens of an elaboration and statement in ``justify`` mode.
        temperature: 0 takes the likeliest token; above, each prompt draws from its own stream.
        seed: seed of those streams.
        answer: ``label`` for a model that was trained to answer with the bare label.
        chat: how its chat template is used.
    """

    name = "server"

    def __init__(
        self,
        client: Client,
        features: Features,
        tokenizer: Any,
        identity: dict[str, Any],
        *,
        model: str,
        context: int,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
        answer: Answer = "statement",
        chat: Chat = THINKS,
    ) -> None:
        self.client = client
        self.features = features
        self.tokenizer = tokenizer
        self.identity = identity
        self.model = model
        self.context = context
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self.seed = seed
        self.answer: Answer = answer
        self.chat = chat
        self.fits: dict[float, Fit] = {}
        """By temperature, how a writing request must be changed for the server."""
        self.counts = Counts()

    def builder(self, template: Template) -> PromptBuilder:
        builder = PromptBuilder(self.tokenizer, template, self.chat)
        self._thought = Thought(builder)
        self._builder = builder
        self._reading = Reading(builder, self.answer)
        self._labels = sorted({t for fork in self._reading.forks for t in fork.children})
        # Markers that are no special tokens (<tool_call>) are text to a server's constraint.
        marks = self._thought.forbidden - set(self.tokenizer.all_special_ids)
        self._bias = {str(token): _FORBIDDEN for token in sorted(marks)}
        return builder

    def reserve(self, mode: Mode) -> int:
        """Return the tokens of a statement, and of an elaboration where there is one.

        Raises:
            UsageError: when the server's context has no room for any pair, or it does not take what
                it would be asked.
        """
        written = self.max_new_tokens if mode == "justify" else len(self._builder.closing)
        needed = self._reading.longest + written
        frame = len(self._builder.frame([self._builder.template.text])[0])
        if frame + needed > self.context:
            raise UsageError(
                f"the server's context of {self.context} tokens is too small: the template has"
                f" {frame}, a completion may need {needed} (--max-new-tokens)"
            )
        if mode == "verdict":
            return needed
        return self._reading.longest + self._find_fit().most(self.max_new_tokens)

    def describe(self) -> dict[str, Any]:
        return {
            "engine": self.name,
            **self.identity,
            **self.features.describe(),
            "context": self.context,
            "max_new_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "adapted": self.fits[self.temperature].told(self._body([], 0))
            if self.temperature in self.fits
            else [],
            **({"answer": self.answer} if self.answer != "statement" else {}),
        }

    def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
        self.counts.prompt_tokens += sum(len(prompt.ids) for prompt in prompts)
        return self.client.run(self._judge, [prompt.ids for prompt in prompts], mode)

    async def _judge(self, prompts: list[list[int]], mode: Mode) -> list[Verdict | RowError]:
        # Each draw has a seed of its own, and a request has one seed.
        size = 1 if mode == "justify" and self.temperature > 0 else 2
        groups = [prompts[i : i + size] for i in range(0, len(prompts), size)]
        answers = await self.client.gather(partial(self._group, mode=mode), groups)
        return [verdict for answer in answers for verdict in answer]

    async def _group(self, prompts: list[list[int]], mode: Mode) -> list[Verdict | RowError]:
        """Return the verdicts of prompts that share a request; alone where one spoils it."""
        try:
            if mode == "justify":
                return await self._justify(prompts)
            contexts = [[*ids, *self._builder.closing] for ids in prompts]
            return [
                verdict_of(distribution, None, "read", len(ids), 0)
                for ids, distribution in zip(prompts, await self._read(contexts), strict=True)
            ]
        except RowError as error:
            if len(prompts) == 1:
                return [error]
        return [(await self._group([prompt], mode))[0] for prompt in prompts]

    async def _justify(self, prompts: list[list[int]]) -> list[Verdict | RowError]:
        """Let the model write, then read the statement after what it wrote."""
        written = [self._written(c) for c in await self._write(prompts)]
        whole = {i: w for i, w in enumerate(written) if isinstance(w, _Written)}
        self.counts.completion_tokens += sum(w.count for w in whole.values())
        contexts = [[*prompts[i], *w.tokens] for i, w in whole.items()]
        found = iter(await self._read(contexts) if contexts else ())
        return [
            w
            if isinstance(w, RowError)
            else verdict_of(next(found), w.text, w.reason, len(ids), w.count, w.thinking)
            for ids, w in zip(prompts, written, strict=True)
        ]

    async def _write(self, prompts: list[list[int]]) -> list[Completion]:
        """Return what the model writes after each prompt."""
        seed = seed_of(self.seed, prompts[0])
        fit = self.fits.get(self.temperature, Fit())
        most = fit.most(self.max_new_tokens)
        read = partial(completions_of, count=len(prompts), limit=most)
        return await self.client.ask(_PATH, fit.applied(self._body(prompts, seed)), read)

    def _find_fit(self) -> Fit:
        """Find out what of a writing request the server takes, if that is not known yet."""
        if self.temperature not in self.fits:
            trial = self._body(self._builder.frame([_TRIAL]), LARGEST_SEED)
            read = partial(completions_of, count=1)
            found = self.client.run(found_fit, self.client, _PATH, trial, read)
            self.fits[self.temperature] = found
        return self.fits[self.temperature]

    def _body(self, prompts: Sequence[Sequence[int]], seed: int) -> dict[str, Any]:
        """Return the request for elaborations, as we would ask for them."""
        return {
            "model": self.model,
            "prompt": prompts,
            "max_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            **NEUTRAL,
            "return_token_ids": True,
            **({"seed": seed} if self.temperature > 0 else {}),
            **({"logit_bias": self._bias} if self._bias else {}),
            **(regex(JUSTIFY_REGEX) if self.features.constraint else {}),
        }

    async def _read(self, contexts: list[list[int]]) -> list[Distribution]:
        """Return each context's distribution over strengths, were a statement to follow now."""
        forks = self._reading.forks
        prompts = [[*context, *fork.path] for context in contexts for fork in forks]
        children = [fork.children for _ in contexts for fork in forks]
        found = iter(await self._log_probs(prompts, children))
        return [self._distribution([next(found) for _ in forks]) for _ in contexts]

    async def _log_probs(
        self, prompts: list[list[int]], children: Sequence[Sequence[int]]
    ) -> list[dict[int, float]]:
        """Return log-probabilities after each prompt, by token id.

        Args:
            children: for each prompt the tokens that are of interest.
        """
        wanted = self._labels if self.features.probabilities == "asked" else []
        read = partial(log_probs_of, count=len(prompts), wanted=wanted)
        body = read_body(self.model, prompts, self._labels)
        return await self.client.ask("/completions", body, read)

    def _distribution(self, found: Sequence[dict[int, float]]) -> Distribution:
        """Return the distribution of one context from what was found at its forks."""
        values = [
            # A token that is not among the likeliest has next to no probability.
            {token: log_probs.get(token, -math.inf) for token in fork.children}
            for fork, log_probs in zip(self._reading.forks, found, strict=True)
        ]
        if any(max(of_fork.values()) == -math.inf for of_fork in values):
            raise RowError(
                "unparseable", "the model gives no probability to any word of a statement"
            )
        return self._reading.distribution(values)

    def _written(self, completion: Completion) -> _Written | RowError:
        """Return what the statement follows, as the transformers engine takes it, or why none."""
        tokens = completion.token_ids
        if tokens is not None:
            ends = self._thought.forbidden
            tokens = tokens[: next((i for i, t in enumerate(tokens) if t in ends), None)]
        whole = completion.text if tokens is None else self._decode(tokens)
        if not whole.strip():
            return RowError("unparseable", "an empty reply, expected an elaboration")
        before = elaboration_of(whole)
        text = whole if before is None else before
        count = len(self._thought.encode(whole) if tokens is None else tokens)
        try:
            thinking, elaboration = self._thought.parts(text, count)
        except RowError as error:
            return error
        kept = None if tokens is None else tokens_of(text, tokens, self._decode)
        context = self._thought.encode(text) if kept is None else (tokens or [])[:kept]
        return _Written(
            elaboration,
            thinking,
            context if text.endswith("\n") else [*context, *self._reading.lead],
            "stop" if before is not None and completion.ended else "forced",
            count,
        )

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False)
        return text


@dataclass(frozen=True)
class _Written:
    """An elaboration, and what the model has before it when it states its verdict."""

    text: str
    thinking: str | None
    tokens: list[int]
    """The elaboration's tokens and the newline after it."""
    reason: Literal["stop", "forced"]
    count: int
    """Tokens that the model wrote, its statement included."""
