"""A small HTTP server that speaks the OpenAI API as `vllm serve` does, and breaks it on request.

Its model is a hash of the prompt, so that a test knows what every answer should have been. As
``python -m tests.fault_server`` it runs by itself, for measurements.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import threading
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import orjson

from judge.models import resolve_model
from judge.verdict import STATEMENT_REGEX, STRENGTHS, render_statement

Wire = Callable[[asyncio.Transport, bytes], None]
"""Sends something in place of a whole good reply."""


@dataclass
class Request:
    """What a client asked; ``body`` is empty for a GET."""

    number: int
    """Requests with a body count from 1; 0 for others."""
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    decode: Callable[[Sequence[int]], str]

    @property
    def text(self) -> str:
        """The first prompt, or all messages, as text."""
        if "messages" in self.body:
            return "\n".join(message["content"] for message in self.body["messages"])
        prompt = self.body.get("prompt", "")
        return prompt if isinstance(prompt, str) else self.decode(prompt[0])


@cache
def mini_tokenizer() -> Any:
    """The bundled tokenizer, without the torch that AutoTokenizer would import."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(resolve_model("mini"), local_files_only=True)


def log_probs(ids: Sequence[int], tokens: Sequence[int]) -> dict[int, float]:
    """The scripted model: log-probabilities of at most 20 next tokens, their sum below 1."""
    digest = hashlib.blake2b(array("i", ids).tobytes()).digest()
    return {token: -3.0 - digest[token % 61] / 64 for token in tokens}


def elaborate(key: bytes) -> str:
    """The scripted model: an elaboration and its statement."""
    digest = hashlib.blake2b(key).hexdigest()
    strength = STRENGTHS[int(digest[:2], 16) % 6]
    return f"@Response 1 says {digest[:6]}.\n{render_statement(strength)}"


def regex_of(body: dict[str, Any]) -> str | None:
    regex = body.get("structured_outputs", {}).get("regex")
    return str(regex) if regex else None


@dataclass
class Server:
    """What the server can do, and what it does wrong; tests set both while it runs."""

    tokenizer: Any = field(default_factory=mini_tokenizer)
    models: tuple[str, ...] = ("judge",)
    context: int | None = 4096
    key: str | None = None
    takes_ids: bool = True
    tells: str | None = "asked"
    """``asked``: it knows ``logprob_token_ids``; ``likeliest``: it does not; None: no numbers."""
    likeliest: Sequence[int] = range(20)
    """The tokens that it tells of when it tells of the likeliest."""
    obeys: bool = True
    """Whether it knows ``structured_outputs``."""
    log_probs: Callable[[Sequence[int], Sequence[int]], dict[int, float]] = log_probs
    elaborate: Callable[[bytes], str] = elaborate
    """What is written by token ids, and by a chat that has nothing else to say."""
    say: Callable[[Request], str] | None = None
    """What a chat answers; None: an elaboration."""
    fault: Callable[[Request], Wire | None] = lambda request: None
    requests: list[Request] = field(default_factory=list)
    keep: bool = True
    """Whether requests are kept; a measurement has too many."""
    count: int = 0

    def reply(self, request: Request) -> tuple[int, dict[str, Any]]:
        """Return status and body of a good reply."""
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return 401, error("Incorrect API key provided", 401)
        if request.path == "/v1/models":
            cards = [
                {"id": name, "root": name, "max_model_len": self.context} for name in self.models
            ]
            return 200, {"object": "list", "data": cards}
        if request.body.get("model") not in self.models:
            return 404, error(f"The model `{request.body.get('model')}` does not exist.", 404)
        if request.path == "/v1/completions":
            return self._complete(request)
        if request.path == "/v1/chat/completions":
            return self._chat(request)
        return 404, {"detail": "Not Found"}

    def _complete(self, request: Request) -> tuple[int, dict[str, Any]]:
        body, prompts = request.body, request.body["prompt"]
        if not self.takes_ids:
            return 400, error("prompt: Input should be a valid string", 400)
        longest = max(map(len, prompts)) + body["max_tokens"]
        if self.context and longest > self.context:
            text = f"This model's maximum context length is {self.context} tokens."
            return 400, error(text, 400)
        choices = [self._choice(index, ids, body) for index, ids in enumerate(prompts)]
        return 200, {"choices": choices, "usage": {"prompt_tokens": sum(map(len, prompts))}}

    def _choice(self, index: int, ids: list[int], body: dict[str, Any]) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index, "text": "x", "finish_reason": "length"}
        if body.get("echo"):
            choice["text"] = f"{self.tokenizer.decode(ids)}x"
        elif "logprobs" in body:
            choice["logprobs"] = self._numbers(ids, body)
        else:
            text = self._written(array("i", ids).tobytes(), body)
            tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            if len(tokens) < body["max_tokens"]:
                choice["finish_reason"] = "stop"
                tokens = [*tokens, self.tokenizer.eos_token_id]
            tokens = tokens[: body["max_tokens"]]
            choice["text"] = self.tokenizer.decode(tokens, skip_special_tokens=True)
            choice["token_ids"] = tokens if body.get("return_token_ids") else None
        return choice

    def _numbers(self, ids: list[int], body: dict[str, Any]) -> dict[str, Any] | None:
        if self.tells is None:
            return None
        tokens = body["logprob_token_ids"] if self.tells == "asked" else self.likeliest
        found = self.log_probs(ids, tokens)
        return {"top_logprobs": [{f"token_id:{token}": value for token, value in found.items()}]}

    def _written(self, key: bytes, body: dict[str, Any]) -> str:
        regex = regex_of(body) if self.obeys else None
        whole = self.elaborate(key)
        if regex == STATEMENT_REGEX:
            return whole.rpartition("\n")[2]
        # A pattern that starts with a letter is a plain text.
        return regex if regex and regex[0].isalpha() else whole

    def _chat(self, request: Request) -> tuple[int, dict[str, Any]]:
        if self.say is None or (self.obeys and regex_of(request.body)):
            text = self._written(request.text.encode(), request.body)
        else:
            text = self.say(request)
        limit = request.body.get("max_tokens") or request.body["max_completion_tokens"]
        words = text.split(" ")
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": " ".join(words[:limit])},
            "finish_reason": "stop" if len(words) <= limit else "length",
        }
        usage = {"prompt_tokens": len(request.text), "completion_tokens": len(words[:limit])}
        return 200, {"choices": [choice], "usage": usage}


def error(message: str, code: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": "Error", "param": None, "code": code}}


def http(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """Return a whole HTTP reply."""
    fields = {"content-type": "application/json", "content-length": len(body), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + body


class _Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (request := self._next()) is not None:
            server = self._server
            if server.keep:
                server.requests.append(request)
            status, body = server.reply(request)
            reply = http(status, orjson.dumps(body))
            (server.fault(request) or _send)(self._transport, reply)

    def _next(self) -> Request | None:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        first, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return None
        self._received = rest[length:]
        self._server.count += length > 0
        return Request(
            self._server.count if length else 0,
            first.split(" ")[1],
            headers,
            orjson.loads(rest[:length]) if length else {},
            self._server.tokenizer.decode,
        )


def _send(transport: asyncio.Transport, reply: bytes) -> None:
    transport.write(reply)


class Running:
    """A :class:`Server` that listens on a port of this machine, in a thread of its own."""

    def __init__(self, server: Server, port: int = 0) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = port
        self._connections: set[asyncio.BaseTransport] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Running:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self) -> None:
        """Listen, on the same port as before a stop."""
        self._call(self._start())

    def stop(self) -> None:
        """Let go of the port and cut every connection, as a killed process does."""
        self._call(self._stop())

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _start(self) -> None:
        def connect() -> _Connection:
            return _Remembered(self.server, self._connections)

        self._listener = await self._loop.create_server(connect, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._listener.close()
        for transport in list(self._connections):
            transport.abort()  # type: ignore[attr-defined]
        await asyncio.sleep(0)


class _Remembered(_Connection):
    def __init__(self, server: Server, connections: set[asyncio.BaseTransport]) -> None:
        super().__init__(server)
        self._connections = connections

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._transport)


async def _serve(server: Server) -> None:
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: _Connection(server), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":  # says its address and serves until its input ends
    asyncio.run(_serve(Server(keep=False)))
