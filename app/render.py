"""Markdown of strangers as safe HTML: tables, code and maths, nothing that loads, runs or covers.

Raw HTML in a text is shown, not interpreted. What markdown makes is cleaned once more, so that a
mistake in one of the two libraries opens nothing. Images become their description and address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from secrets import token_hex
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from app.formulas import add_formulas, render_formula

LONGEST_MARKDOWN = 50_000
"""Characters; a longer text is shown as it is. Some texts take time quadratic in their length."""
LONGEST_CODE = 10_000
"""Characters of a code block that is coloured."""
DEEPEST_NESTING = 20
_LANGUAGE = re.compile(
    r"bash|c|c\+\+|cpp|cs|csharp|css|diff|go|haskell|html|java|javascript|js|json|jsx|kotlin|latex|lua"
    r"|makefile|matlab|perl|php|powershell|py|python|r|ruby|rust|scala|sh|shell|sql|swift|tex|toml|ts"
    r"|tsx|typescript|xml|yaml|yml"
)
_LOADABLE = re.compile(r"https://[^\s\"'<>`]{1,2000}")
_TAGS = (
    "a blockquote br code em h3 h4 h5 h6 hr li ol p pre s span strong table tbody td th thead tr ul"
)
_CLASSES = {
    "span": {*STANDARD_TYPES.values(), "image"} - {""},
    "pre": {"code", "plain"},
    "td": {"left", "center", "right"},
    "th": {"left", "center", "right"},
}


@lru_cache(maxsize=2_000)
def render_markdown(text: str) -> str:
    """Return ``text`` as HTML that needs no trust, headings from ``h3`` down."""
    parts = markdown_parts(text)
    return render_plain(text) if parts is None else parts.whole()


@dataclass(frozen=True)
class Parts:
    """A rendered text with ``MARK-N;`` in the place of its Nth formula."""

    html: str
    mark: str
    formulas: tuple[tuple[str, str], ...]
    """LaTeX and MathML of each."""

    def whole(self) -> str:
        """Return the HTML with the formulas in it."""
        return re.sub(
            self.mark + r"-(\d+);", lambda found: self.formulas[int(found[1])][1], self.html
        )


def markdown_parts(text: str, formulas: bool = True) -> Parts | None:
    """Return ``text`` as safe HTML; None where it is shown as it is, for it is too long or deep.

    Args:
        formulas: whether they are made MathML, which takes most of the time.
    """
    if len(text) > LONGEST_MARKDOWN:
        return None
    found: list[tuple[str, str]] = []
    env: dict[str, Any] = {"formulas": found, "mark": token_hex(16), "convert": formulas}
    try:
        html = _clean(_PARSER.render(text, env))
    except RecursionError:
        return None
    return Parts(html, env["mark"], tuple(found))


def render_plain(text: str) -> str:
    """Return ``text`` as it is, in one block."""
    return f'<pre class="plain">{escape(text)}</pre>'


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=set(_TAGS.split()),
        attributes={"a": {"href", "title"}, "ol": {"start"}, "span": {"data-src"}},
        allowed_classes=_CLASSES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_relative="deny",
    )


def _make_parser() -> MarkdownIt:
    options = {"html": False, "breaks": True, "maxNesting": DEEPEST_NESTING, "highlight": _colour}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    add_formulas(parser)
    rules: dict[str, Callable[..., str]] = {
        "math_inline": _formula(False),
        "math_inline_double": _formula(True),
        "math_block": _formula(True),
        "image": _image,
        "fence": _code,
        "code_block": _code,
        "link_open": _link,
        "heading_open": _lower,
        "heading_close": _lower,
        "th_open": _aligned,
        "td_open": _aligned,
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


Tokens = Sequence[Token]
Env = MutableMapping[str, Any]


def _formula(display: bool) -> Callable[..., str]:
    def rule(self: RendererHTML, tokens: Tokens, index: int, options: Any, env: Env) -> str:
        latex = tokens[index].content
        env["formulas"].append((latex, render_formula(latex, display) if env["convert"] else ""))
        return f"{env['mark']}-{len(env['formulas']) - 1};"

    return rule


def _image(self: RendererHTML, tokens: Tokens, index: int, options: Any, env: Env) -> str:
    token = tokens[index]
    alt = self.renderInlineAsText(token.children, options, env)
    address = str(token.attrGet("src") or "")
    # What a page may load, where a manager allows it; by markdown this names no other attribute.
    source = f' data-src="{escape(address)}"' if _LOADABLE.fullmatch(address) else ""
    return f'<span class="image"{source}>[image: {escape(alt)} ({escape(address[:200])})]</span>'


def _code(self: RendererHTML, tokens: Tokens, index: int, options: Any, env: Env) -> str:
    token = tokens[index]
    language = token.info.strip().split(" ")[0].lower()
    return f'<pre class="code"><code>{_colour(token.content, language)}</code></pre>\n'


def _colour(code: str, language: str, _: str = "") -> str:
    if not _LANGUAGE.fullmatch(language) or len(code) > LONGEST_CODE:
        return escape(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def _link(self: RendererHTML, tokens: Tokens, index: int, options: Any, env: Env) -> str:
    # Where it leads is seen before it is followed, whatever its words say.
    address = str(tokens[index].attrGet("href") or "")
    return f'<a href="{escape(address)}" title="{escape(address)}">'


def _lower(self: RendererHTML, tokens: Tokens, index: int, options: Any, env: Env) -> str:
    token = tokens[index]
    level = min(int(token.tag[1]) + 2, 6)
    return f"<h{level}>" if token.nesting == 1 else f"</h{level}>\n"


def _aligned(self: RendererHTML, tokens: Tokens, index: int, options: Any, env: Env) -> str:
    token = tokens[index]
    side = str(token.attrGet("style") or "").removeprefix("text-align:")
    return f'<{token.tag} class="{side}">' if side else f"<{token.tag}>"


_PARSER = _make_parser()
