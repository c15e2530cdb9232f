"""What can be wrong with a request to a server, and whose fault it is."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import orjson

from judge.errors import FailureReason

_BUSY = frozenset((408, 425, 429, 502, 503, 504))
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|max_model_len|too (long|many tokens)", re.I
)
_FILTERED = re.compile(r"content.?(filter|policy|management)|moderation", re.I)


class Fault(Exception):
    """A request that did not get what it asked for; ``str()`` is one line."""

    retry_after: float | None = None
    """Seconds that the server asked to wait."""


class Busy(Fault):
    """The server cannot be reached, or says that it cannot answer now."""


class Broken(Fault):
    """What came back is no whole reply: a reset, a timeout, an inner error, another shape."""


class Refused(Fault):
    """The server answered that it will not do this: another status from 300 to 499."""

    @property
    def reason(self) -> FailureReason | None:
        """The failure of the row, where the server names one."""
        if _TOO_LONG.search(str(self)):
            return "prompt_too_long"
        return "refused" if _FILTERED.search(str(self)) else None


def fault_of(status: int, headers: Mapping[str, str], said: str) -> Fault:
    """Return what a reply of this status means, ``said`` being what the server says of it."""
    kind = Busy if status in _BUSY else Refused if 300 <= status < 500 else Broken
    fault: Fault = kind(f"HTTP {status}: {said}")
    fault.retry_after = _seconds(headers.get("retry-after"))
    return fault


def message_of(received: bytes) -> str:
    """Return what an error reply says, wherever its server writes it."""
    try:
        reply = orjson.loads(received)
    except orjson.JSONDecodeError:
        return received[: 1 << 16].decode(errors="replace")
    error = reply.get("error", reply) if isinstance(reply, dict) else reply
    if not isinstance(error, dict):
        return str(error)
    said, code = error.get("message") or error.get("detail") or error, error.get("code")
    return f"{said} ({code})" if isinstance(code, str) else str(said)


def _seconds(retry_after: str | None) -> float | None:
    """Return what a ``Retry-After`` header says, a number or a date, as seconds from now."""
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after or "").timestamp() - time.time())
    except ValueError:
        return None
