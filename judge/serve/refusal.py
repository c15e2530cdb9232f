"""Why a request is not judged: an HTTP status and one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal[
    "malformed", "unsupported", "too_large", "unauthorized", "not_found", "not_allowed", "busy",
    "stopping", "timeout", "failed", "internal",
]  # fmt: skip
"""What a client may tell refusals apart by; docs/serve.md has them with their statuses."""


class Refusal(Exception):
    """A request that gets no judgment.

    Args:
        status: the HTTP status.
        kind: one of :data:`Kind`.
        message: one line for people.
        headers: further headers of the answer.
        failure: what became of the pair, where there was one (kind ``failed``).
    """

    def __init__(
        self,
        status: int,
        kind: Kind,
        message: str,
        headers: Mapping[str, str] | None = None,
        failure: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind: Kind = kind
        self.message = message
        self.headers = dict(headers or {})
        self.failure = failure

    def to_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        error = {"type": self.kind, "message": self.message}
        return {"error": error, **({"failure": self.failure} if self.failure else {})}


def unread(refusal: Refusal) -> Refusal:
    """Return the refusal of a request of whose body no more is read: its connection ends."""
    refusal.headers["Connection"] = "close"
    return refusal
