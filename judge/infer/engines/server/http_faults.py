"""What can be wrong with a request to a server, and whose fault it is."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from judge.errors import FailureReason

_BUSY = frozenset((408, 425, 429, 502, 503, 504))
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|max_model_len|too (long|many tokens)", re.I
)
_FILTERED = re.compile(r"content.?(filter|policy|management)|moderation", re.I)
_LOOKED_AT = 1 << 16
"""Bytes, or characters, of a message that are read."""


class Fault(Exception):
    """A request that did not get what it asked for; ``str()`` is one line.

    Args:
        what: in our words.
        said: what the server, or the connection to it, says of it: any JSON value, as it came. The
            client puts in its place what may be shown (:class:`judge.masking.Masking`).
    """

    retry_after: float | None = None
    """Seconds that the server asked to wait."""
    status: int | None = None
    """The HTTP status of the reply, where that is the fault."""
    raw: str = ""
    """What came with it, as it came: to be looked at, never to be shown."""

    def __init__(self, what: str, said: Any = None) -> None:
        super().__init__(what)
        self.what = what
        self.said = said

    def __str__(self) -> str:
        return self.what if self.said is None else f"{self.what}: {self.said}"


class Busy(Fault):
    """The server cannot be reached, or says that it cannot answer now."""


class Broken(Fault):
    """What came back is no whole reply: a reset, a timeout, an inner error, another shape."""


class Refused(Fault):
    """The server answered that it will not do this: another status from 300 to 499."""

    reason: FailureReason | None = None
    """The failure of the row, where the server names one."""


class Declined(Fault):
    """A whole reply that says that there is none for this row.

    Args:
        reason: the failure of the row.
    """

    def __init__(self, reason: FailureReason, what: str, said: Any = None) -> None:
        super().__init__(what, said)
        self.reason: FailureReason = reason


def fault_of(status: int, headers: Mapping[str, str], received: bytes, reason: str = "") -> Fault:
    """Return what a reply of this status and body means.

    Args:
        reason: the status in words, for a reply without any.
    """
    said = message_of(received) or reason
    fault: Fault
    if status in _BUSY:
        fault = Busy(f"HTTP {status}", said)
    elif 300 <= status < 500:
        fault = Refused(f"HTTP {status}", said)
        fault.reason = _reason(said)
    else:
        fault = Broken(f"HTTP {status}", said)
    fault.status = status
    fault.raw = received[:_LOOKED_AT].decode(errors="replace")
    fault.retry_after = _seconds(headers.get("retry-after"))
    return fault


def message_of(received: bytes) -> Any:
    """Return what an error reply says, wherever its server writes it; a text where there is one."""
    try:
        reply = orjson.loads(received)
    except orjson.JSONDecodeError:
        return received[:_LOOKED_AT].decode(errors="replace")
    error = reply.get("error", reply) if isinstance(reply, dict) else reply
    if not isinstance(error, dict):
        return error
    said, code = error.get("message") or error.get("detail") or error, error.get("code")
    return f"{said} ({code})" if isinstance(said, str) and isinstance(code, str) else said


def _reason(said: Any) -> FailureReason | None:
    try:
        text = said if isinstance(said, str) else orjson.dumps(said).decode()
    except TypeError:  # nested too deeply
        return None
    if _TOO_LONG.search(text[:_LOOKED_AT]):
        return "prompt_too_long"
    return "refused" if _FILTERED.search(text[:_LOOKED_AT]) else None


def _seconds(retry_after: str | None) -> float | None:
    """Return what a ``Retry-After`` header says, a number or a date, as seconds from now."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after or "").timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return None if math.isnan(seconds) else max(0.0, seconds)
