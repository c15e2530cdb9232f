"""The seam between the judge and whatever runs a model: what an engine is given and gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

from judge.errors import RowError
from judge.pair import Pair
from judge.prompt import Prompt, Template, load_template, render_content
from judge.verdict import Verdict

Mode = Literal["justify", "verdict"]
MODES: tuple[Mode, Mode] = ("justify", "verdict")


@dataclass
class Counts:
    """What an engine did, in numbers that do not depend on a clock; they go into the summary."""

    prompt_tokens: int = 0
    """Tokens of all prompts."""
    completion_tokens: int = 0
    """Tokens of free text that were generated."""
    forwarded_tokens: int = 0
    """Token positions that went through the model, padding included."""
    padding_tokens: int = 0
    """Those of them that were padding or belonged to a row already finished."""

    def to_json(self) -> dict[str, int]:
        return dict(vars(self))


@dataclass(frozen=True)
class Sampling:
    """How an engine writes. It never changes: another way of writing is another engine
    (:meth:`Engine.bound`)."""

    max_new_tokens: int = 256
    """The most tokens of an elaboration and statement in ``justify`` mode."""
    temperature: float = 0.0
    """0 takes the likeliest token; above it each prompt draws from a stream of its own, seeded by
    ``seed`` and the prompt, so that its neighbours in a batch do not matter."""
    seed: int = 0


class Builder(Protocol):
    """Turns pairs into an engine's prompts; see :class:`judge.prompt.PromptBuilder`."""

    def build(self, pairs: Iterable[Pair]) -> list[Prompt]: ...


class Engine(Protocol):
    """Runs one model with one prompt template and one way of writing, all given when it is made.

    Engines keep no state between calls but ``counts`` and caches.

    A result depends on the prompts of the call, the mode and the engine's options alone, so a call
    repeated with the same prompts gives the same verdicts.
    """

    name: str
    """``transformers``, ``vllm``, ``server``, ``ray`` or ``scripted``."""
    context: int
    """The most tokens a prompt and its completion may have together."""
    sampling: Sampling
    counts: Counts

    @property
    def builder(self) -> Builder:
        """The builder of its prompts: of its template, with its tokenizer."""
        ...

    def bound(self, template: Template | None = None, sampling: Sampling | None = None) -> Engine:
        """Return an engine of the same loaded model that asks or writes otherwise.

        It counts from the beginning. What is not given stays as it is here.
        """
        ...

    def reserve(self, mode: Mode) -> int:
        """Return how many tokens of the context a completion may need in ``mode``."""
        ...

    def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
        """Return one verdict a prompt, in the order of ``prompts``, or why there is none.

        Every prompt fits: ``len(prompt.ids) + reserve(mode) <= context``.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return what determines this engine's results (model, its digest, dtype, limits)."""
        ...


Listener = Callable[[str], None]
"""Told the elaboration of one prompt piece by piece; the pieces together are the elaboration."""


@runtime_checkable
class StreamingEngine(Protocol):
    """What an engine has besides that can say what it writes while it writes it."""

    def stream(
        self, prompts: Sequence[Prompt], mode: Mode, listeners: Mapping[int, Listener]
    ) -> list[Verdict | RowError]:
        """Return exactly what :meth:`Engine.judge` returns.

        Args:
            listeners: who is told the elaboration of the prompt at an index, on the caller's
                thread; a prompt without a verdict may have been told in part.
        """
        ...


@dataclass
class ByteBuilder:
    """A builder without a tokenizer: a prompt's ids are the UTF-8 bytes of the filled template."""

    template: Template

    def build(self, pairs: Iterable[Pair]) -> list[Prompt]:
        contents = [render_content(self.template, pair) for pair in pairs]
        return [Prompt(ids=list(text.encode()), neutralised=count) for text, count in contents]


@dataclass
class ScriptedEngine:
    """An engine that answers by a function of the prompt's text: for tests, without a model.

    Args:
        script: called with the filled template of one order and the mode.
    """

    script: Callable[[str, Mode], Verdict | RowError]
    context: int = 100_000
    name: str = "scripted"
    template: Template = field(default_factory=lambda: load_template("pairwise_justifier.v1"))
    sampling: Sampling = Sampling()
    counts: Counts = field(default_factory=Counts)

    @property
    def builder(self) -> ByteBuilder:
        return ByteBuilder(self.template)

    def bound(
        self, template: Template | None = None, sampling: Sampling | None = None
    ) -> ScriptedEngine:
        return replace(
            self,
            template=template or self.template,
            sampling=sampling or self.sampling,
            counts=Counts(),
        )

    def reserve(self, mode: Mode) -> int:
        return 100

    def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
        self.counts.prompt_tokens += sum(len(prompt.ids) for prompt in prompts)
        return [self.script(bytes(prompt.ids).decode(), mode) for prompt in prompts]

    def describe(self) -> dict[str, Any]:
        return {"engine": self.name}
