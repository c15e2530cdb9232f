"""The live judge as its page asks it: a scripted `judge serve`, and one that cannot start."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.live import LiveJudge, LiveJudgeError, Piece
from judge.judgment import Judgment
from tests.app.made import judgment

KEY = "secret-of-tests"
Answer = tuple[int, bytes]
"""Status and body."""


@pytest.fixture
def answering() -> Iterator[Callable[[Answer], str]]:
    """Returns the address of a server that answers every request alike."""
    servers: list[ThreadingHTTPServer] = []

    def make(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                right = self.path == "/v1/judge" and asked["prompt"] == "p" and asked["stream"]
                right = right and self.headers["Authorization"] == f"Bearer {KEY}"
                self.send_response(answer[0] if right else 400)
                self.end_headers()
                self.wfile.write(answer[1])

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


PIECES = event("elaboration", {"order": "given", "text": "It "}) + event(
    "elaboration", {"order": "flipped", "text": "is"}
)


def test_pieces_then_the_judgment(answering: Callable[[Answer], str]) -> None:
    said = judgment("live")
    url = answering((200, PIECES + event("judgment", said.to_json())))
    *pieces, last = LiveJudge(url, KEY).ask("p", "one", "two")
    assert pieces == [Piece(order="given", text="It "), Piece(order="flipped", text="is")]
    assert isinstance(last, Judgment) and last == said


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, PIECES + event("error", {"error": {"message": "too long"}})), "too long"),
        ((200, PIECES), "ended its answer before the judgment"),
        ((200, b""), "ended its answer before the judgment"),
        ((200, b"event: judgment\ndata: {}\n\n"), "an event 'judgment' that cannot be read"),
        ((200, b"event: error\ndata: []\n\n"), "an event 'error' that cannot be read"),
        ((200, b"event: elaboration\ndata: {\n\n"), "an event 'elaboration' that cannot be read"),
        ((403, b'{"error": {"message": "not \\u0073ecret-of\\u002dtests"}}'), r"^not \*\*\*$"),
        ((200, event("error", {"error": {"message": f"not {KEY}"}})), r"^not \*\*\*$"),
        ((401, b'{"error": {"message": "no such key"}}'), "no such key"),
        ((502, b"<html>bad gateway</html>"), "the judge answered 502"),
    ],
)
def test_no_judgment_is_an_error_with_its_reason(
    answering: Callable[[Answer], str], answer: Answer, why: str
) -> None:
    with pytest.raises(LiveJudgeError, match=why):
        list(LiveJudge(answering(answer), KEY).ask("p", "one", "two"))


def test_nobody_there() -> None:
    with pytest.raises(LiveJudgeError, match="does not answer"):
        list(LiveJudge("http://127.0.0.1:9").ask("p", "one", "two"))


def test_a_model_that_is_not_there_is_said_in_its_own_words() -> None:
    judge = LiveJudge("./no-such-model")
    with pytest.raises(LiveJudgeError, match=r"could not be started: .*no-such-model"):
        judge.start()
    judge.close()
