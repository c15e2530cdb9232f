"""The Python API of answers: a model as an object, which answers prompts turn by turn."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Unpack

from judge.config_base import load_config
from judge.formats.records import Record
from judge.idset import IdSet
from judge.infer.api_options import ResponderOptions
from judge.infer.held import Held
from judge.infer.respond.drawn import Drawn, Reader, several
from judge.infer.respond.talks import TurnByTurn
from judge.pair import Message
from judge.respond_config import RespondConfig
from judge.runs.responses import NoResponse, Responses

Prompt = str | Sequence[Message | Mapping[str, Any]] | Mapping[str, Any]
"""A text, messages, or a row in any layout that ``judge respond`` reads (with ``turns``, too)."""
_log = logging.getLogger("judge")


class Responder(Held[TurnByTurn]):
    """A model that answers, loaded: ``with Responder("small-base") as model: ...``.

    Not to be used by two threads at once.

    Args:
        model: a fetched base, a folder (a policy of ``judge align``), a hub id, or what the server
            calls its model.
        window: answers that are written together; None: as many as ``judge respond`` takes.
        note: told what a person should know of the model; None: the log ``judge``.
        options: fields of :class:`judge.respond_config.RespondConfig`.

    Raises:
        UsageError: for an option that is wrong, or a model that is missing or damaged, in one line.
        ModuleNotFoundError: where the engine's library is not installed.
    """

    def __init__(
        self,
        model: str,
        *,
        window: int | None = None,
        note: Callable[[str], None] | None = None,
        **options: Unpack[ResponderOptions],
    ) -> None:
        from judge.infer.engines.registry import load_writer

        given = {"model": model, "window": window, **options, "input": "-", "out": "-"}
        self.config = load_config(RespondConfig, None, given)
        writer = load_writer(self.config, note or _log.info)
        super().__init__(TurnByTurn(writer, self.config.seed, model))

    def respond(self, prompts: Iterable[Prompt]) -> list[Responses | NoResponse]:
        """Return what the model answers to each prompt, ``samples`` times one after the other.

        A prompt that gets no answer is a :class:`judge.NoResponse` with its reason. The same prompt
        may come twice; its draws are of its place, unless it has an id.
        """
        return list(self.stream(prompts))

    def stream(self, prompts: Iterable[Prompt]) -> Iterator[Responses | NoResponse]:
        """Yield :meth:`respond`; of ``prompts`` one window is read at a time."""
        samples = self.config.samples
        reader = Reader(samples)
        records = several(samples)(
            Record(number, _row(prompt)) for number, prompt in enumerate(prompts, start=1)
        )
        while window := list(islice(records, self.config.window)):
            read = [reader.read(record, IdSet()) for record in window]
            answers = iter(self._model().answer([row for row in read if isinstance(row, Drawn)]))
            for row in read:
                yield next(answers) if isinstance(row, Drawn) else row


def _row(prompt: Any) -> Mapping[str, Any]:
    if isinstance(prompt, str):
        return {"prompt": prompt}
    if isinstance(prompt, Mapping):
        return prompt
    if not isinstance(prompt, Sequence):
        found = type(prompt).__name__
        raise TypeError(f"{found} is not a prompt; expected a text, messages or a row's fields")
    return {"prompt": [m.model_dump() if isinstance(m, Message) else m for m in prompt]}
