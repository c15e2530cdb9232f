"""Reports read back: what the tests of the pages share."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

HOSTILE = (
    "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{ 7*7 }}</pre><b>&amp;]]>"
    "<!-- \u2028\u2029 <a href='javascript:alert(3)'>%{x}"
)
TAGS = {
    *("html", "head", "meta", "title", "style", "script", "noscript", "body", "header", "main"),
    *("nav", "ul", "li", "a", "section", "h1", "h2", "h3", "p", "b", "small", "span", "code"),
    *("div", "figure", "figcaption", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("article", "pre", "details", "summary"),
}
DATA = {"application/json", "text/plain"}


class Page(HTMLParser):
    """Collects a page's tags, its scripts, and the text outside scripts and style sheet."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            attrs, code = self.scripts[-1]
            self.scripts[-1] = attrs, code + data
        elif self._inside != "style":
            self.text += data

    @property
    def policy(self) -> str:
        [policy] = [a["content"] for t, a in self.tags if a.get("http-equiv")]
        assert policy is not None
        return policy

    @property
    def plots(self) -> dict[str, Any]:
        """The specifications that plotly draws, by name."""
        found: dict[str, Any] = json.loads(self.data("plots"))
        return found

    def data(self, name: str) -> str:
        [code] = [code for attrs, code in self.scripts if attrs.get("id") == name]
        return code


def check_safe(page: Page) -> None:
    """Nothing of the page comes from elsewhere, and no script runs that is not ours."""
    assert {tag for tag, _ in page.tags} <= TAGS
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert not [attrs for _, attrs in page.tags if {"src", "action", "style"} & set(attrs)]
    links = [attrs["href"] or "" for _, attrs in page.tags if "href" in attrs]
    assert all(re.fullmatch(r"#[a-z]+", link) for link in links)
    assert "://" not in page.html and "url(" not in page.html and "@import" not in page.html
    assert page.policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src '")
    assert "'unsafe-eval'" not in page.policy
    ran = [code.encode() for attrs, code in page.scripts if attrs.get("type") not in DATA]
    if ran:
        ran.append(gzip.decompress(base64.b64decode(page.data("plotly"))))
    allowed = re.search(r"script-src ([^;]*);", page.policy)
    assert allowed is not None
    assert allowed[1].split() == ([_allowed(code) for code in ran] or ["'none'"])


def _allowed(code: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code).digest()).decode()}'"
