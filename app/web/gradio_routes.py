"""Which of the many endpoints that Gradio opens may be reached, and by whom."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from typing import Literal

ROOT = "/review"
PAGES = ("", "adjudicate", "dashboard", "tasks", "manage", "ask")
"""The pages under :data:`ROOT`; the first is the task page."""
_MOST_SESSIONS = 10_000
_ASSETS = re.compile(rf"{ROOT}/(assets/.+|static/.+|theme\.css|favicon\.ico)")
_PAGES = re.compile(rf"{ROOT}/?({'|'.join(page for page in PAGES if page)})?")
_JOIN = f"{ROOT}/gradio_api/queue/join"
_DATA = f"{ROOT}/gradio_api/queue/data"

Kind = Literal["asset", "page", "join", "data", "closed"]


def kind_of(method: str, path: str) -> Kind:
    """Return what a path under :data:`ROOT` is; whatever is not named here is ``closed``.

    So uploads, files, direct calls, histories, logins and monitoring are, and what a later Gradio
    adds. ``asset``: files of the Gradio package, the same for everyone.
    """
    if method == "POST":
        return "join" if path == _JOIN else "closed"
    if method not in ("GET", "HEAD"):
        return "closed"
    if path == _DATA:
        return "data"
    if _ASSETS.fullmatch(path):
        return "asset"
    return "page" if _PAGES.fullmatch(path) else "closed"


class Listeners:
    """Whose each of Gradio's session hashes is: what one person's handlers return reaches no other.

    A browser makes up its hash and names it with every call and when it listens for answers.
    """

    def __init__(self) -> None:
        self._owners: OrderedDict[str, int] = OrderedDict()

    def may_join(self, account_id: int, body: bytes, handlers: frozenset[int]) -> bool:
        """Return whether a call names one of the handlers, and a hash that is this person's or was
        nobody's yet."""
        try:
            call = json.loads(body)
            session_hash, handler = call["session_hash"], call["fn_index"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
        if not isinstance(handler, int) or handler not in handlers:
            return False
        if not isinstance(session_hash, str) or not 8 <= len(session_hash) <= 64:
            return False
        owner = self._owners.setdefault(session_hash, account_id)
        self._owners.move_to_end(session_hash)
        if len(self._owners) > _MOST_SESSIONS:
            self._owners.popitem(last=False)
        return owner == account_id

    def may_listen(self, account_id: int, session_hash: str) -> bool:
        """Return whether the answers under this hash are for this person."""
        return self._owners.get(session_hash) == account_id
