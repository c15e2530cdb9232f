"""Secrets masked in what others say, where it is shown to people: errors and notes, never data.

A server may repeat the key that it was sent, and in any writing: escaped for JSON, for a URL or for
HTML, once or several times over. Data is left alone: a key such as ``1`` or ``token`` is a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5
from typing import Any

MASK = "***"
LONGEST = 300
"""Characters of a message that are shown."""
_WINDOW = 1 << 15
"""Characters that are looked at: what is shown comes from their beginning."""
_DEPTH = 3
"""So often a text may be escaped."""
_WIDEST = 32
"""The most characters by which one of a secret is then written."""
_ESCAPES = (
    re.compile(  # of JSON, Python and others
        r"\\(?:u\{0{0,4}([0-9a-fA-F]{2})\}|u00([0-9a-fA-F]{2})|U000000([0-9a-fA-F]{2})"
        r"|x([0-9a-fA-F]{2})|([^a-zA-Z0-9]))"
    ),
    re.compile(r"%([0-9a-fA-F]{2})"),  # of URLs
    re.compile(r"&(?:#[xX]0{0,4}([0-9a-fA-F]{2});|#0{0,5}(\d{2,3});|([a-zA-Z]{2,6};))"),  # of HTML
)


class Masking:
    """Shows what others say, without certain secrets.

    Args:
        secrets: printable ASCII each; an empty one, or None, is none.
    """

    def __init__(self, *secrets: str | None) -> None:
        self._secrets = [secret for secret in secrets if secret]
        self._guard = _WIDEST * max(map(len, self._secrets), default=0)

    def __call__(self, said: Any, longest: int = LONGEST) -> str:
        """Return the beginning of ``said`` in one printable line; what is no text, as JSON."""
        text = said if isinstance(said, str) else _as_json(said)
        return " ".join(_printable(self._masked(text)).split())[:longest]

    def _masked(self, text: str) -> str:
        window = text[: _WINDOW + self._guard]
        # A secret that the window's end cuts begins in the part that is left out.
        end = len(window) if len(window) == len(text) else _WINDOW
        parts, place = [], 0
        for start, stop in self._found(window):
            parts += [window[place : min(start, end)], MASK] if start < end else []
            place = max(place, stop)
        return "".join([*parts, window[place : max(place, end)]])

    def _found(self, text: str) -> list[tuple[int, int]]:
        """Return where the secrets stand, in order; no two of the places meet."""
        found = sorted(
            (read.starts[at], read.starts[at + len(secret)])
            for read in (_readings(text) if self._secrets else ())
            for secret in self._secrets
            for at in _places(secret, read.text)
        )
        joined: list[tuple[int, int]] = []
        for start, stop in found:
            if joined and start < joined[-1][1]:
                joined[-1] = joined[-1][0], max(stop, joined[-1][1])
            else:
                joined.append((start, stop))
        return joined


@dataclass(frozen=True)
class _Reading:
    """A text with some of its escapes read, and where each character began (and the end)."""

    text: str
    starts: list[int]

    def read(self, escape: re.Pattern[str]) -> _Reading:
        """Return this with what ``escape`` finds read once."""
        parts: list[str] = []
        starts: list[int] = []
        place = 0
        for match in escape.finditer(self.text):
            character = _meant(match)
            if character is None:
                continue
            parts += [self.text[place : match.start()], character]
            starts += [*self.starts[place : match.start()], self.starts[match.start()]]
            place = match.end()
        if not parts:
            return self
        return _Reading("".join([*parts, self.text[place:]]), [*starts, *self.starts[place:]])


def _readings(text: str) -> Iterator[_Reading]:
    """Yield ``text`` and all that it may mean, whatever it was escaped for and in which order."""
    readings = [_Reading(text, list(range(len(text) + 1)))]
    seen = {text}
    for _ in range(_DEPTH + 1):
        yield from readings
        further = [read.read(escape) for read in readings for escape in _ESCAPES]
        readings = []
        for read in further:
            if read.text not in seen:
                seen.add(read.text)
                readings.append(read)


def _places(secret: str, text: str) -> Iterator[int]:
    at = text.find(secret)
    while at >= 0:
        yield at
        at = text.find(secret, at + 1)


def _meant(match: re.Match[str]) -> str | None:
    """Return the character that an escape stands for, None where it is none of one."""
    said = match[match.lastindex or 0]
    if match.re is _ESCAPES[0] and match.lastindex == 5:
        return said
    if match.re is _ESCAPES[2] and match.lastindex == 3:
        named = html5.get(said)
        return named if named is not None and len(named) == 1 else None
    number = int(said, 10 if match.re is _ESCAPES[2] and match.lastindex == 2 else 16)
    return chr(number)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):  # nested too deeply, or no JSON
        return f"a {type(value).__name__}"


def _printable(text: str) -> str:
    """Return ``text`` without what moves a terminal's cursor or hides behind other characters."""
    return "".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text)
