"""Answers by a server that chats: any OpenAI-compatible one, llama.cpp's among them.

It turns a conversation into tokens itself, so markers in a prompt's text are its affair; the known
ones are broken up before it sees them, and counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from judge.errors import RowError
from judge.infer.engines.protocol import Counts
from judge.infer.engines.server.chat import MARKERS, break_markers
from judge.infer.engines.server.features import (
    LLAMA_CPP_NEUTRAL,
    NEUTRAL,
    Dialect,
    chat_fields,
    chat_fit,
    dialect_of,
    find_model,
)
from judge.infer.engines.server.fields import Fit, tell
from judge.infer.engines.server.http_client import Client, Patience
from judge.infer.engines.server.replies import Completion, message_of_chat
from judge.infer.engines.writing import Answer, Drawing, Waiting, answer_of, drawing_of
from judge.thinking import Reply, part_unknown

if TYPE_CHECKING:
    from judge.respond_config import RespondConfig

_PATH = "/chat/completions"


def request_fields(
    drawing: Drawing, options: dict[str, Any], dialect: Dialect = "vllm"
) -> dict[str, Any]:
    """Return the fields of every request beside model, messages and a draw's own seed.

    Args:
        options: of the model's chat template.
        dialect: of the server, which has defaults of its own for what is left out.
    """
    fields = chat_fields(drawing.max_new_tokens, drawing.temperature, options)
    fields |= {**NEUTRAL, "top_p": drawing.top_p}
    if dialect == "llama.cpp":
        fields |= {**LLAMA_CPP_NEUTRAL, "samplers": ["temperature", "top_p"]}
    return fields


class ServerWriter:
    """Asks a server for answers in chat messages.

    Args:
        client: of the server.
        model: its name on the server.
        drawing: how it writes; above a temperature of 0 each request sends a seed of its own.
        fields: of every request (:func:`request_fields`).
        fit: how they must be changed for the server.
    """

    name = "server"

    def __init__(
        self, client: Client, model: str, drawing: Drawing, fields: dict[str, Any], fit: Fit
    ) -> None:
        self.client = client
        self.model = model
        self.drawing = drawing
        self.counts = Counts()
        self._fields = fields
        self._fit = fit

    def describe(self) -> dict[str, Any]:
        return {
            "engine": self.name,
            "model": self.model,
            "speech": "chat",
            "markers": hashlib.sha256(MARKERS.pattern.encode()).hexdigest()[:16],
            "adapted": self._fit.told(self._fields),
            **self.drawing.describe(),
        }

    def sizes(self, waiting: Sequence[Waiting]) -> list[int | RowError | None]:
        """Return that nothing is known: the server makes the tokens."""
        return [None for _ in waiting]

    def write(self, waiting: Sequence[Waiting]) -> list[Answer | RowError]:
        return self.client.run(self._write, list(waiting))

    async def _write(self, waiting: list[Waiting]) -> list[Answer | RowError]:
        async def one(conversation: Waiting) -> Answer | RowError:
            try:
                return await self._answer(conversation)
            except RowError as error:
                return error

        return await self.client.gather(one, waiting)

    async def _answer(self, waiting: Waiting) -> Answer | RowError:
        broken = [break_markers(message.content) for message in waiting.messages]
        messages = [
            {"role": message.role, "content": text}
            for message, (text, _) in zip(waiting.messages, broken, strict=True)
        ]
        body = {"model": self.model, "messages": messages, **self._fields}
        if self.drawing.temperature > 0:
            body["seed"] = waiting.seed
        read = partial(message_of_chat, limit=self._fit.most(self.drawing.max_new_tokens))
        said = await self.client.ask(_PATH, self._fit.applied(body), read)
        self.counts.prompt_tokens += said.prompt_tokens
        self.counts.completion_tokens += said.completion_tokens
        neutralised = sum(count for _, count in broken)
        finish: Any = "stop" if said.ended else "length"
        return answer_of(_reply(said), finish, said.completion_tokens or None, neutralised)


def _reply(said: Completion) -> Reply:
    """Return thinking and answer, however the server tells them."""
    parts = part_unknown(said.text)
    thoughts = "\n\n".join(t for t in (said.thinking, parts.thinking) if t) or None
    ended = parts.ended and not (said.thinking and not said.ended and not said.text.strip())
    return Reply(thoughts, parts.answer, ended)


def load_server_writer(config: RespondConfig, note: Callable[[str], None]) -> ServerWriter:
    """Return a writer for the server of ``config``.

    Args:
        note: told what the server does not take, and when it keeps a run waiting.

    Raises:
        UsageError: for a server that cannot be reached or lacks the model.
    """
    patience = Patience(config.concurrency, config.timeout, config.patience)
    client = Client(config.url or "", patience, note)
    listed = client.run(find_model, client, config.model)
    if listed.problem is not None:
        note(f"{listed.problem}; requests are sent to it anyway")
    drawing = drawing_of(config)
    fields = request_fields(drawing, config.chat_template_kwargs, dialect_of(listed.card))
    fit = client.run(chat_fit, client, config.model, fields, listed.problem)
    tell(client, fit, fields)
    return ServerWriter(client, config.model, drawing, fields, fit)
