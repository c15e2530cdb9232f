"""One page of HTML that loads nothing: texts escaped, plotly packed inside, a policy over all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from judge.pair import Message, Pair
from judge.report.plots import Plot, specification
from judge.report.tables import Table
from judge.runs.whole import write_whole

REPORT = "report.html"
LONGEST = 12_000
"""Characters of one text that the page shows."""
OPENING = 600
"""Characters of a text that stand before the click that shows the others."""
ROOM = 700_000
"""Bytes of HTML that all texts of pairs may take: with plotly the page stays below 3 MB."""
_JSON_IN_HTML = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class Said:
    """What one system says of a pair."""

    system: str
    side: str
    """``one``, ``two`` or ``none``: its colour."""
    choice: str
    details: str = ""
    why: str = ""
    """Its explanation."""
    thinking: Sequence[tuple[str, str]] = ()
    """What it wrote before, folded: a heading and a text each."""


@dataclass(frozen=True)
class Version:
    """A response at one time; those of several times stand side by side."""

    heading: str
    details: str
    text: str


@dataclass(frozen=True)
class Shown:
    """A pair that the page shows, or a prompt with what was answered to it at several times."""

    pair_id: str
    lead: str
    said: Sequence[Said] = ()
    pair: Pair | None = None
    prompt: Sequence[Message] = ()
    """Of the versions."""
    versions: Sequence[Version] = ()


@dataclass(frozen=True)
class Gallery:
    """Pairs under a heading."""

    name: str
    title: str
    lead: str
    pairs: Sequence[Shown]
    folded: bool
    """Whether prompt and responses are behind a click."""


@dataclass(frozen=True)
class Page:
    """What a report says."""

    title: str
    about: Sequence[str]
    """Lines below the title."""
    sentence: str
    """What was found, in plain words; may be empty."""
    tiles: Sequence[tuple[str, str, str]]
    """Value, name, what it means."""
    sections: dict[str, tuple[str, str]]
    """Of tables and plots, by name: title and lead."""
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    galleries: Sequence[Gallery] = ()
    settings: dict[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()


def write(page: Page, folder: Path, name: str = REPORT) -> Path:
    """Write the page as a file of ``folder``; return its path. The same page, the same bytes.

    Raises:
        UsageError: when the folder cannot be written to.
    """
    path = folder / name
    write_whole(path, render(page))
    return path


def render(page: Page) -> str:
    """Return the HTML. Without plotly there are the tables alone, and the page says so."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    room = _Room()
    environment.filters["fitted"] = room.fit
    environment.filters["opened"] = opened
    draws = bool(page.plots) and find_spec("plotly") is not None
    script = (here / "draw.js").read_text(encoding="utf-8") if draws else ""
    packed, policy = _plotly(script) if draws else ("", "'none'")
    plots = {p.name: specification(p) for p in page.plots} if draws else {}
    return environment.get_template("page.html.j2").render(
        page=page,
        sections=[s for s in _sections(page, draws) if s["tables"] or s["plots"] or s["numbers"]],
        draws=draws,
        lacks_plots=bool(page.plots) and not draws,
        policy=policy,
        script=Markup(script),
        packed=packed,
        plots=Markup(in_html(plots)),
    )


def _sections(page: Page, draws: bool) -> Iterable[dict[str, Any]]:
    for name, (title, lead) in page.sections.items():
        yield {
            "name": name,
            "title": title,
            "lead": lead,
            "plots": [plot for plot in page.plots if draws and plot.section == name],
            "tables": [table for table in page.tables if table.section == name and table.rows],
            "numbers": [p.table for p in page.plots if p.table and p.section == name],
        }


def opened(text: str) -> tuple[str, str]:
    """Return the opening of a text, up to a space, and what is behind the click: all of it.

    A text that is little longer than an opening is not folded.
    """
    if len(text) <= 2 * OPENING:
        return text, ""
    end = max(text.rfind(space, OPENING // 2, OPENING) for space in " \n") + 1 or OPENING
    return text[:end], text[end:]


def in_html(value: object) -> str:
    """Return JSON that can end no element and starts no other."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).translate(_JSON_IN_HTML)


@cache  # packing takes a second, and commands write several pages
def _plotly(script: str) -> tuple[str, str]:
    """Return plotly.js packed as text, and the policy under which it and ``script`` alone run."""
    from plotly.offline import get_plotlyjs

    library = get_plotlyjs().encode()
    packed = base64.b64encode(gzip.compress(library, 9, mtime=0)).decode("ascii")
    return packed, " ".join(f"'sha256-{_digest(code)}'" for code in (script.encode(), library))


def _digest(code: bytes) -> str:
    return base64.b64encode(hashlib.sha256(code).digest()).decode("ascii")


class _Room:
    """Cuts texts, so that the page does not grow without bounds."""

    def __init__(self) -> None:
        self._left = ROOM

    def fit(self, text: str) -> str:
        """Return as much of a text as there is room for, and how much is missing."""
        from markupsafe import escape

        kept = text[:LONGEST]
        while kept and len(str(escape(kept)).encode("utf-8", "backslashreplace")) > self._left:
            kept = kept[: len(kept) // 2]
        self._left -= len(str(escape(kept)).encode("utf-8", "backslashreplace"))
        missing = len(text) - len(kept)
        return f"{kept}\n[{missing:,} more characters]" if missing else text
