"""The vLLM engine: any model that vLLM runs, in this process, on as many GPUs as it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from vllm import LLM, SamplingParams
from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

from judge.errors import RowError, UsageError, first_line
from judge.grammar import Answer
from judge.infer.engines.protocol import Counts, Listener, Mode, Sampling
from judge.infer.engines.statement_reader import Bound, Chain, Reader, seed_of, verdict_of
from judge.infer.engines.streaming import Telling
from judge.infer.engines.vllm.constraint import constrain
from judge.prompt import THINKS, Chat, Prompt, Template
from judge.verdict import Verdict


def _forced(params: SamplingParams, tokens: Sequence[int]) -> SamplingParams:
    """Let a request write ``tokens``, no two of them alike, whatever the model would write.

    Only they may be written, the first is raised above the others, and after each all but the next
    are forbidden. What comes after the last is one of them, and means nothing.
    """
    params.allowed_token_ids = list(tokens)
    params.logit_bias = {tokens[0]: 100.0}
    # In tokens: `bad_words` is text, which might come back from the tokenizer as other ones.
    params._bad_words_token_ids = [
        [one, other]
        for place, one in enumerate(tokens[:-1])
        for other in tokens
        if other != tokens[place + 1]
    ]
    return params


@dataclass
class _Row:
    """A prompt, and what is known of its verdict so far."""

    ids: Sequence[int]
    telling: Telling | None = None
    elaboration: str | None = None
    thinking: str | None = None
    reason: Literal["read", "stop", "forced"] = "read"
    written: int = 0
    """Tokens that the model wrote, its statement included."""
    found: dict[int, dict[int, float]] = field(default_factory=dict)
    """For each branch the log-probabilities of what may follow."""
    error: RowError | None = None


class VllmEngine(Bound):
    """Runs a causal language model in a ``vllm.LLM`` of this process.

    A statement is read where it branches, by requests after its beginnings, of which the prefix
    cache holds all but the last few tokens. Where one beginning goes on from another, one request
    reads at both: what it writes between them is given (:func:`_forced`). The probabilities that
    vLLM tells are of before that, and of before any constraint: the model's own.

    Args:
        llm: its engine runs in this process (``VLLM_ENABLE_V1_MULTIPROCESSING=0``).
        tokenizer: its tokenizer, with a chat template.
        identity: what :meth:`describe` says of the model and of vLLM's options.
        template: of the prompts.
        sampling: how it writes.
        lora: the ``LoRARequest`` of an adapter, or None.
        answer: ``label`` for a model that was trained to answer with the bare label.
        chat: how its chat template is used.
    """

    name = "vllm"

    def __init__(
        self,
        llm: LLM,
        tokenizer: Any,
        identity: dict[str, Any],
        template: Template,
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
        *,
        lora: Any = None,
        answer: Answer = "statement",
        chat: Chat = THINKS,
    ) -> None:
        self.llm = llm
        self.identity = identity
        self.sampling = sampling
        self.lora = lora
        self.counts = Counts()
        self.context: int = llm.model_config.max_model_len
        self._numbers = count(1)
        """Names of requests, each used once in this process."""
        self._use(Reader(tokenizer, template, answer, chat))

    def _use(self, reader: Reader) -> None:
        super()._use(reader)
        constrain(self.llm, reader.thought.forbidden)
        self._chains = reader.reading.chains()
        self._reads = [self._reads_along(chain) for chain in self._chains]

    def _reads_along(self, chain: Chain) -> SamplingParams:
        forks = self.reader.reading.forks
        children = {t for place, _ in chain.forks for t in forks[place].children}
        params = SamplingParams(
            temperature=0,
            max_tokens=len(chain.forced) + 1,
            logprob_token_ids=sorted(children),
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        return _forced(params, chain.forced) if chain.forced else params

    def reserve(self, mode: Mode) -> int:
        # The end-of-text token after a statement is generated too.
        justified = self.sampling.max_new_tokens + 1
        written = justified if mode == "justify" else len(self.builder.closing)
        return self.reader.reading.longest + written

    def describe(self) -> dict[str, Any]:
        return {
            "engine": self.name,
            **self.identity,
            "context": self.context,
            "max_new_tokens": self.sampling.max_new_tokens,
            "temperature": self.sampling.temperature,
            **self.reader.describe(),
        }

    def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
        return self.stream(prompts, mode, {})

    def stream(
        self, prompts: Sequence[Prompt], mode: Mode, listeners: Mapping[int, Listener]
    ) -> list[Verdict | RowError]:
        """As :meth:`judge.infer.engines.protocol.StreamingEngine.stream`.

        Raises:
            UsageError: when vLLM fails; what it was asked is dropped.
        """
        self.counts.prompt_tokens += sum(len(prompt.ids) for prompt in prompts)
        # What an earlier call left in the cache would change the last digits of this one.
        self.llm.reset_prefix_cache()
        rows = [
            _Row(
                prompt.ids,
                Telling(listeners[i], self.reader.thought.opened) if i in listeners else None,
            )
            for i, prompt in enumerate(prompts)
        ]
        requests: dict[str, tuple[_Row, int | None]] = {}
        try:
            for row in rows:
                if mode == "justify":
                    self._ask(requests, row, None, row.ids, self._writing(row))
                else:
                    self._ask_reads(requests, row, self.reader.closed(row.ids))
            while requests:
                for output in self.llm.llm_engine.step():
                    self._take(requests, output)
        except Exception as error:  # vLLM, PyTorch and CUDA have classes of their own
            raise UsageError(f"vLLM failed: {first_line(error)}") from error
        finally:
            if requests:
                self.llm.llm_engine.abort_request(list(requests))
        return [row.error or self._verdict(row) for row in rows]

    def _ask_reads(self, requests: dict[str, Any], row: _Row, context: Sequence[int]) -> None:
        """Ask for the probabilities at every branch of a statement after ``context``."""
        for place, chain in enumerate(self._chains):
            self._ask(requests, row, place, [*context, *chain.path], self._reads[place])

    def _ask(
        self,
        requests: dict[str, tuple[_Row, int | None]],
        row: _Row,
        place: int | None,
        ids: Sequence[int],
        params: SamplingParams,
    ) -> None:
        """Add a request for ``row``: along its chain ``place``, or for its text (None)."""
        name = str(next(self._numbers))
        requests[name] = (row, place)
        self.llm.llm_engine.add_request(
            name, {"prompt_token_ids": list(ids)}, params, lora_request=self.lora
        )

    def _writing(self, row: _Row) -> SamplingParams:
        how = self.sampling
        return SamplingParams(
            temperature=how.temperature,
            seed=seed_of(how.seed, row.ids) if how.temperature > 0 else None,
            max_tokens=how.max_new_tokens + 1,
            structured_outputs=StructuredOutputsParams(regex=self.reader.thought.regex),
            detokenize=False,
            output_kind=RequestOutputKind.CUMULATIVE
            if row.telling
            else RequestOutputKind.FINAL_ONLY,
        )

    def _take(self, requests: dict[str, tuple[_Row, int | None]], output: Any) -> None:
        """Take what vLLM says of a request, and ask for what follows from it."""
        row, place = requests[output.request_id]
        answer = output.outputs[0]
        if not output.finished:
            if row.telling:
                row.telling.written(self.reader.decode(answer.token_ids))
            return
        del requests[output.request_id]
        cached = output.num_cached_tokens or 0
        tokens = len(output.prompt_token_ids) + len(answer.token_ids) - 1
        self.counts.forwarded_tokens += tokens - cached
        if answer.finish_reason not in ("stop", "length"):
            row.error = RowError("engine_error", f"vLLM ended a request: {answer.finish_reason}")
        elif place is None:
            try:
                self._ask_reads(requests, row, self._written(row, answer))
            except RowError as error:
                row.error = error
        else:
            chain = self._chains[place]
            if tuple(answer.token_ids[:-1]) != chain.forced:
                row.error = RowError(
                    "engine_error", "vLLM did not follow the statement that it was given"
                )
                return
            for fork, after in chain.forks:
                found = answer.logprobs[after]
                children = self.reader.reading.forks[fork].children
                row.found[fork] = {token: found[token].logprob for token in children}

    def _written(self, row: _Row, answer: Any) -> list[int]:
        """Take what the model wrote; return the ids that its statement follows."""
        tokens = list(answer.token_ids)
        if answer.finish_reason == "stop":
            tokens = tokens[:-1]  # its end-of-text token
            whole = self.reader.decode(tokens)
            text, row.reason = whole[: whole.rindex("\n") + 1], "stop"
        else:
            tokens = tokens[: self.sampling.max_new_tokens]
            text, row.reason = self.reader.decode(tokens), "forced"
        row.written = len(tokens)
        written = self.reader.written(text, tokens, row.written)
        row.thinking, row.elaboration = written.thinking, written.elaboration
        self.counts.completion_tokens += row.written
        if row.telling:
            row.telling.ended(row.elaboration)
        return [*row.ids, *written.tokens]

    def _verdict(self, row: _Row) -> Verdict:
        reading = self.reader.reading
        found = [row.found[place] for place in range(len(reading.forks))]
        return verdict_of(
            reading.distribution(found),
            row.elaboration,
            row.reason,
            prompt_tokens=len(row.ids),
            completion_tokens=row.written,
            thinking=row.thinking,
        )
