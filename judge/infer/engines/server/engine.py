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
from judge.infer.engines.elaboration import elaboration_of
from judge.infer.engines.protocol import Counts, Mode, Sampling
from judge.infer.engines.server.features import NEUTRAL, Features, read_body, regex
from judge.infer.engines.server.fields import LARGEST_SEED, Fit, found_fit
from judge.infer.engines.server.http_client import Client
from judge.infer.engines.server.replies import Completion, completions_of, log_probs_of
from judge.infer.engines.statement_reader import Bound, Reader, WrittenBefore, seed_of, verdict_of
from judge.prompt import THINKS, Chat, Prompt, Template
from judge.verdict import JUSTIFY_REGEX, Distribution, Verdict

_PATH = "/completions"
_TRIAL = "Why is the sky blue?"
_FORBIDDEN = -100.0
"""A bias after which no token is chosen."""


class ServerEngine(Bound):
    """Runs a model on a server that takes token ids and tells probabilities.

    The prompts of a pair's two orders go in one request, so that the replica behind a load balancer
    that computes the conversation for one has it for the other.

    Args:
        client: of the server.
        features: what the server can do, ``token_ids`` and ``probabilities`` at least.
        tokenizer: of the server's model, with a chat template.
        identity: what :meth:`describe` says of the model.
        template: of the prompts.
        sampling: how it writes.
        model: its name on the server.
        context: the most tokens of a prompt and its completion.
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
        template: Template,
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
        *,
        model: str,
        context: int,
        answer: Answer = "statement",
        chat: Chat = THINKS,
    ) -> None:
        self.client = client
        self.features = features
        self.identity = identity
        self.sampling = sampling
        self.model = model
        self.context = context
        self.fits: dict[float, Fit] = {}
        """By temperature, how a writing request must be changed for the server."""
        self.counts = Counts()
        self._use(Reader(tokenizer, template, answer, chat))

    def _use(self, reader: Reader) -> None:
        super()._use(reader)
        self._labels = sorted({t for fork in reader.reading.forks for t in fork.children})
        # Markers that are no special tokens (<tool_call>) are text to a server's constraint.
        marks = reader.thought.forbidden - set(reader.tokenizer.all_special_ids)
        self._bias = {str(token): _FORBIDDEN for token in sorted(marks)}

    def reserve(self, mode: Mode) -> int:
        """Return the tokens of a statement, and of an elaboration where there is one.

        Raises:
            UsageError: when the server's context has no room for any pair, or it does not take what
                it would be asked.
        """
        most, longest = self.sampling.max_new_tokens, self.reader.reading.longest
        needed = longest + (most if mode == "justify" else len(self.builder.closing))
        frame = len(self.builder.frame([self.reader.template.text])[0])
        if frame + needed > self.context:
            raise UsageError(
                f"the server's context of {self.context} tokens is too small: the template has"
                f" {frame}, a completion may need {needed} (--max-new-tokens)"
            )
        if mode == "verdict":
            return needed
        return longest + self._find_fit().most(most)

    def describe(self) -> dict[str, Any]:
        return {
            "engine": self.name,
            **self.identity,
            **self.features.describe(),
            "context": self.context,
            "max_new_tokens": self.sampling.max_new_tokens,
            "temperature": self.sampling.temperature,
            "adapted": self.fits[self.sampling.temperature].told(self._body([], 0))
            if self.sampling.temperature in self.fits
            else [],
            **self.reader.describe(),
        }

    def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
        self.counts.prompt_tokens += sum(len(prompt.ids) for prompt in prompts)
        return self.client.run(self._judge, [prompt.ids for prompt in prompts], mode)

    async def _judge(self, prompts: list[list[int]], mode: Mode) -> list[Verdict | RowError]:
        # Each draw has a seed of its own, and a request has one seed.
        size = 1 if mode == "justify" and self.sampling.temperature > 0 else 2
        groups = [prompts[i : i + size] for i in range(0, len(prompts), size)]
        answers = await self.client.gather(partial(self._group, mode=mode), groups)
        return [verdict for answer in answers for verdict in answer]

    async def _group(self, prompts: list[list[int]], mode: Mode) -> list[Verdict | RowError]:
        """Return the verdicts of prompts that share a request; alone where one spoils it."""
        try:
            if mode == "justify":
                return await self._justify(prompts)
            contexts = [self.reader.closed(ids) for ids in prompts]
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
        contexts = [[*prompts[i], *w.said.tokens] for i, w in whole.items()]
        found = iter(await self._read(contexts) if contexts else ())
        return [
            w
            if isinstance(w, RowError)
            else verdict_of(
                next(found), w.said.elaboration, w.reason, len(ids), w.count, w.said.thinking
            )
            for ids, w in zip(prompts, written, strict=True)
        ]

    async def _write(self, prompts: list[list[int]]) -> list[Completion]:
        """Return what the model writes after each prompt."""
        seed = seed_of(self.sampling.seed, prompts[0])
        fit = self.fits.get(self.sampling.temperature, Fit())
        most = fit.most(self.sampling.max_new_tokens)
        read = partial(completions_of, count=len(prompts), limit=most)
        return await self.client.ask(_PATH, fit.applied(self._body(prompts, seed)), read)

    def _find_fit(self) -> Fit:
        """Find out what of a writing request the server takes, if that is not known yet."""
        temperature = self.sampling.temperature
        if temperature not in self.fits:
            trial = self._body(self.builder.frame([_TRIAL]), LARGEST_SEED)
            read = partial(completions_of, count=1)
            found = self.client.run(found_fit, self.client, _PATH, trial, read)
            self.fits[temperature] = found
        return self.fits[temperature]

    def _body(self, prompts: Sequence[Sequence[int]], seed: int) -> dict[str, Any]:
        """Return the request for elaborations, as we would ask for them."""
        return {
            "model": self.model,
            "prompt": prompts,
            "max_tokens": self.sampling.max_new_tokens,
            "temperature": self.sampling.temperature,
            **NEUTRAL,
            "return_token_ids": True,
            **({"seed": seed} if self.sampling.temperature > 0 else {}),
            **({"logit_bias": self._bias} if self._bias else {}),
            **(regex(JUSTIFY_REGEX) if self.features.constraint else {}),
        }

    async def _read(self, contexts: list[list[int]]) -> list[Distribution]:
        """Return each context's distribution over strengths, were a statement to follow now."""
        forks = self.reader.reading.forks
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
            for fork, log_probs in zip(self.reader.reading.forks, found, strict=True)
        ]
        if any(max(of_fork.values()) == -math.inf for of_fork in values):
            raise RowError(
                "unparseable", "the model gives no probability to any word of a statement"
            )
        return self.reader.reading.distribution(values)

    def _written(self, completion: Completion) -> _Written | RowError:
        """Return what the statement follows, as the transformers engine takes it, or why none."""
        tokens = completion.token_ids
        if tokens is not None:
            ends = self.reader.thought.forbidden
            tokens = tokens[: next((i for i, t in enumerate(tokens) if t in ends), None)]
        whole = completion.text if tokens is None else self.reader.decode(tokens)
        if not whole.strip():
            return RowError("unparseable", "an empty reply, expected an elaboration")
        before = elaboration_of(whole)
        text = whole if before is None else before
        count = len(self.reader.thought.encode(whole) if tokens is None else tokens)
        try:
            said = self.reader.written(text, tokens, count)
        except RowError as error:
            return error
        ended = before is not None and completion.ended
        return _Written(said, "stop" if ended else "forced", count)


@dataclass(frozen=True)
class _Written:
    """A reply that a statement may follow."""

    said: WrittenBefore
    reason: Literal["stop", "forced"]
    count: int
    """Tokens that the model wrote, its statement included."""
