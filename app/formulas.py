r"""Formulas of strangers: found in markdown however models write them, and shown as MathML.

``$x$``, ``$$x$$`` (also inside a paragraph), ``\(x\)``, ``\[x\]`` and bare environments such as
``\begin{align}``. The server renders, so a page loads no typesetting library and no fonts (KaTeX
0.19 has 273 kB of script, 25 kB of styles and up to 260 kB of fonts; a task page has about 280 kB).
"""

from __future__ import annotations

import re
from html import escape, unescape
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.dollarmath import dollarmath_plugin

LONGEST_FORMULA = 1_000
MOST_LINES = 60
"""Of a formula that stands by itself."""
_ENVIRONMENT = re.compile(
    r"\\begin\{((?:equation|multline|gather(?:ed)?|align(?:at|ed)?|flalign|eqnarray|split|cases"
    r"|array|[pbBvV]?matrix)\*?)\}"
)
_ALIGNED = re.compile(r"\\(begin|end)\{(?:aligned|align|flalign|eqnarray|split)\*?\}")
_ALIGNED_AT = re.compile(r"\\begin\{alignat(?:ed)?\*?\}(?:\s*\{\d+\})?|\\end\{alignat(?:ed)?\*?\}")
_GATHERED = re.compile(r"\\begin\{(?:gather(?:ed)?|multline)\*?\}")
_END_GATHERED = re.compile(r"\\end\{(?:gather(?:ed)?|multline)\*?\}")
_DROPPED = re.compile(r"\\(?:nonumber|notag|hline|label\{[^{}]*\})")
_MATH_ELEMENT = re.compile(
    r"math|mrow|mi|mn|mo|ms|mtext|mspace|msup|msub|msubsup|munder|mover|munderover|mfrac|msqrt|mroot"
    r"|mtable|mtr|mtd|mstyle|mphantom|menclose|mmultiscripts|mprescripts|none"
)
_MATH_ATTRIBUTE = re.compile(
    r"accent|columnalign|display|displaystyle|fence|form|largeop|linethickness|mathvariant"
    r"|movablelimits|notation|scriptlevel|separator|stretchy|symmetric"
)
"""What shows formulas: no link, style or script, nothing that moves or grows what is written."""
_SPACE = re.compile(r"\d?(\.\d{1,3})?em")


def render_formula(latex: str, display: bool) -> str:
    """Return a formula as MathML; as code where it is too long or cannot be read."""
    source = f"<code>{escape(latex.strip())}</code>"
    if len(latex) > LONGEST_FORMULA:
        return source
    try:
        element = convert_to_element(_known(latex), display="block" if display else "inline")
    except Exception:  # the library raises whatever a formula happens to break
        return source
    return _mathml(element)


def add_formulas(parser: MarkdownIt) -> None:
    """Have a parser read formulas: tokens ``math_inline`` and ``math_block`` with their LaTeX."""
    dollarmath_plugin(
        parser, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True
    )
    parser.inline.ruler.before("escape", "math_brackets", _inline)
    # It may end a paragraph, a quotation, a list.
    parser.block.ruler.before(
        "blockquote",
        "math_display",
        _display,
        {"alt": ["paragraph", "reference", "blockquote", "list"]},
    )


def _known(latex: str) -> str:
    """Return the same in environments that the library knows."""
    text = _ALIGNED.sub(r"\\\1{align*}", _DROPPED.sub("", latex))
    text = _ALIGNED_AT.sub(lambda found: found[0][: found[0].index("{")] + "{align*}", text)
    return _END_GATHERED.sub(r"\\end{array}", _GATHERED.sub(r"\\begin{array}{c}", text))


def _closing(text: str) -> str | None:
    """Return what closes the formula that a text begins with; None where it begins with none."""
    if text.startswith((r"\(", r"\[")):
        return r"\)" if text[1] == "(" else r"\]"
    found = _ENVIRONMENT.match(text)
    return None if found is None else rf"\end{{{found[1]}}}"


def _inline(state: StateInline, silent: bool) -> bool:
    r"""Read ``\(x\)``, ``\[x\]`` and an environment inside a paragraph."""
    if state.src[state.pos] != "\\":
        return False
    closing = _closing(state.src[state.pos : state.pos + 40])
    if closing is None:
        return False
    # A bounded search: a text of openings alone would take the square of its length.
    start = state.pos + 2
    end = state.src.find(closing, start, start + LONGEST_FORMULA)
    if end < 0 or end + len(closing) > state.posMax:
        return False
    if not silent:
        is_bare = closing.startswith(r"\end")
        token = state.push("math_inline" if closing == r"\)" else "math_block", "math", 0)
        last = end + len(closing)
        token.content = state.src[state.pos : last] if is_bare else state.src[start:end]
    state.pos = end + len(closing)
    return True


def _display(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    r"""Read ``\[x\]`` or an environment over lines of their own: what begins a line in it (``=``,
    ``-``, ``+``) is no heading and no list."""
    if state.is_code_block(start_line):
        return False
    begin = state.bMarks[start_line] + state.tShift[start_line]
    closing = _closing(state.src[begin : begin + 40])
    if closing is None or closing == r"\)":
        return False
    end = state.src.find(closing, begin + 2, begin + LONGEST_FORMULA)
    if end < 0:
        return False
    line = start_line
    while line < min(end_line, start_line + MOST_LINES) and state.eMarks[line] < end:
        line += 1
        if line < end_line and (state.isEmpty(line) or state.sCount[line] < state.blkIndent):
            return False
    last = end + len(closing)
    if (
        line >= min(end_line, start_line + MOST_LINES)
        or state.src[last : state.eMarks[line]].strip()
    ):
        return False
    if silent:
        return True
    text = state.getLines(start_line, line + 1, state.blkIndent, False).strip()
    token = state.push("math_block", "math", 0)
    token.block = True
    token.content = text if closing.startswith(r"\end") else text[2 : -len(closing)]
    token.map = [start_line, line + 1]
    state.line = line + 1
    return True


def _mathml(element: Element) -> str:
    inside = "".join(_mathml(child) + _text(child.tail) for child in element)
    inside = _text(element.text) + inside
    if not _MATH_ELEMENT.fullmatch(element.tag):
        return inside
    kept = "".join(
        f' {name}="{escape(unescape(value))}"'
        for name, value in element.attrib.items()
        if _MATH_ATTRIBUTE.fullmatch(name)
        or (element.tag == "mspace" and name == "width" and _SPACE.fullmatch(value))
    )
    return f"<{element.tag}{kept}>{inside}</{element.tag}>"


def _text(text: str | None) -> str:
    return escape(unescape(text or ""))
