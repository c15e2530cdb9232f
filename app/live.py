"""The live judge: a `judge serve`, elsewhere or started here, asked over HTTP.

The review UI loads no model into its own process: `judge serve` runs beside it, on a port of this
machine that only its secret opens, and ends when this process does, however that ends.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from secrets import token_urlsafe
from threading import Lock, Thread

import httpx
from pydantic import BaseModel, ConfigDict

from judge.errors import JudgeError
from judge.judgment import Judgment
from judge.masking import Masking
from judge.verdict import Order

_LISTENING = re.compile(r"listening on (http://\S+)")
ANSWER_SECONDS = 300


class LiveJudgeError(JudgeError):
    """The judge gave no judgment; ``str()`` is one line that may be shown."""


class Piece(BaseModel):
    """A bit of an elaboration while it is written, in the names of its order."""

    model_config = ConfigDict(frozen=True)

    order: Order
    text: str


class LiveJudge:
    """A judge that can be asked, started when it is first needed.

    Args:
        where: a bundled judge, a model's folder or hub id, or the URL of a running ``judge serve``.
        key: for a URL, one of the keys of its ``JUDGE_API_KEY``.
    """

    def __init__(self, where: str, key: str | None = None) -> None:
        self.name = where
        self._is_url = where.startswith(("http://", "https://"))
        self._url = where.rstrip("/") if self._is_url else None
        self.key = key if self._is_url else token_urlsafe()
        self._process: subprocess.Popen[str] | None = None
        self._starting = Lock()

    def ask(self, prompt: str, response_1: str, response_2: str) -> Iterator[Piece | Judgment]:
        """Yield pieces of the elaborations as they are written, then the judgment.

        Raises:
            LiveJudgeError: it cannot be reached, refuses, or has no judgment, and why.
        """
        body = {
            "prompt": prompt,
            "response_1": response_1,
            "response_2": response_2,
            "stream": True,
        }
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        url = f"{self.start()}/v1/judge"
        try:
            with (
                httpx.Client(timeout=ANSWER_SECONDS, trust_env=False) as client,
                client.stream("POST", url, json=body, headers=headers) as response,
            ):
                if response.status_code != 200:
                    response.read()
                    raise LiveJudgeError(_reason(response))
                yield from _events(response.iter_lines())
        except httpx.HTTPError as error:
            said = f"the judge does not answer: {error}"
        except LiveJudgeError as error:
            said = str(error)
        else:
            return
        raise LiveJudgeError(Masking(self.key)(said))

    def start(self) -> str:
        """Return the URL of the judge, once it is there.

        Raises:
            LiveJudgeError: it could not be started.
        """
        with self._starting:
            if self._url is None or (self._process and self._process.poll() is not None):
                self._url = self._start()
            return self._url

    @property
    def is_loading(self) -> bool:
        """Whether who asks now waits for a model to be loaded first."""
        return self._url is None or (self._process is not None and self._process.poll() is not None)

    def close(self) -> None:
        """End what was started here."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _start(self) -> str:
        command = [sys.executable, "-m", "app.beside", "serve", "--model", self.name, "--port", "0"]
        environment = {**os.environ, "JUDGE_API_KEY": str(self.key)}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._process.stderr is not None
        last = ""
        for line in self._process.stderr:
            if found := _LISTENING.search(line):
                # What else it says is read away, or it would wait for room in the pipe.
                Thread(target=deque, args=(self._process.stderr, 0), daemon=True).start()
                return found[1]
            last = line.strip() or last
        raise LiveJudgeError(Masking(self.key)(f"the judge could not be started: {last}"))


def _events(lines: Iterator[str]) -> Iterator[Piece | Judgment]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            said = _event(name, line.removeprefix("data: "))
            yield said
            if isinstance(said, Judgment):
                return
    raise LiveJudgeError("the judge ended its answer before the judgment")


def _event(name: str, data: str) -> Piece | Judgment:
    try:
        value = json.loads(data)
        if name == "error":
            raise LiveJudgeError(str(value["error"]["message"]))
        return Judgment.from_json(value) if name == "judgment" else Piece.model_validate(value)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise LiveJudgeError(f"the judge sent an event {name!r} that cannot be read") from None


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return f"the judge answered {response.status_code}"
