"""Texts of strangers as HTML: what must be shown is, and nothing else survives."""

from __future__ import annotations

import re
import time
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.difference import mark_differences
from app.formulas import render_formula
from app.render import LONGEST_MARKDOWN, render_markdown, render_plain
from tests.app.hostile import PAYLOADS

_NAMES = (
    "a blockquote br code em h3 h4 h5 h6 hr li ol p pre s span strong table tbody td th thead tr"
    " ul mark math mrow mi mn mo ms mtext mspace msup msub msubsup munder mover munderover mfrac"
    " msqrt mroot mtable mtr mtd mstyle mphantom menclose mmultiscripts mprescripts none"
)
TAGS = set(_NAMES.split())
ATTRIBUTES = {
    "a": {"href", "title", "target", "rel"},
    "ol": {"start"},
    **{tag: {"class"} for tag in ("span", "pre", "td", "th")},
}
MATH = re.compile(
    r"accent|columnalign|display|displaystyle|fence|form|largeop|linethickness|width"
    r"|mathvariant|movablelimits|notation|scriptlevel|separator|stretchy|symmetric"
)


class Elements(HTMLParser):
    """The elements and the text of a piece of HTML, as the standard library reads it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(html: str) -> None:
    for tag, attributes in Elements(html).elements:
        assert tag in TAGS, tag
        for name, value in attributes.items():
            known = name in ATTRIBUTES.get(tag, ()) or (tag[0] == "m" and MATH.fullmatch(name))
            assert known, (tag, name, value)
            if name == "href":
                assert value and re.match(r"(https?|mailto):", value), value
            if name == "rel":
                assert value == "noopener noreferrer nofollow"


def test_the_corpus_is_large_enough() -> None:
    assert len(set(PAYLOADS)) >= 120


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda text: re.sub(r"\W+", "_", text)[:40])
def test_nothing_of_a_payload_survives(payload: str) -> None:
    started = time.process_time()
    html = render_markdown(payload)
    # Generous: what would take the square of a megabyte takes minutes.
    assert time.process_time() - started < 10
    assert_harmless(html)
    assert_harmless(render_plain(payload))
    for marked in mark_differences(html, render_markdown("something else")):
        assert_harmless(marked)


@given(st.text(alphabet=st.sampled_from("<>\"'&=/!-[](){}\\`*_|#$\n ax:;0"), max_size=60))
def test_no_text_survives_as_anything_else(text: str) -> None:
    assert_harmless(render_markdown(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**a** *b* ~~c~~ `d`", "<strong>a</strong> <em>b</em> <s>c</s> <code>d</code>"),
        ("# T", "<h3>T</h3>"),
        ("##### T", "<h6>T</h6>"),
        ("one\ntwo", "one<br>\ntwo"),
        ("3. x", '<ol start="3">'),
        ("|a|\n|-:|\n|1|", '<td class="right">1</td>'),
        ("```python\ndef f(): pass\n```", '<span class="k">def</span>'),
        ("```nonsense\n<b>\n```", "<code>&lt;b&gt;\n</code>"),
        ("<b>raw</b>", "&lt;b&gt;raw&lt;/b&gt;"),
        ("[x](https://a.b/c)", '<a href="https://a.b/c" title="https://a.b/c" target="_blank"'),
        ("![cat](http://a.b/c.png)", "[image: cat (http://a.b/c.png)]"),
        ("$x^2$", "<msup><mi>x</mi><mn>2</mn></msup>"),
        (r"\(x_1\)", "<msub><mi>x</mi><mn>1</mn></msub>"),
        ("\\[\n\\frac{a}{b}\n\\]", '<math display="block">'),
        ("$$\na\n$$", '<math display="block">'),
        ("so $$a=b$$ holds", '<p>so <math display="block">'),
        ("A\n\\begin{align}\na &= b \\\\\n- c &= d\n\\end{align}\nB", '<mtd columnalign="right">'),
        ("\\[\nx\n= y\n+ z\n\\]", "<mi>x</mi><mo>=</mo><mi>y</mi><mo>+</mo><mi>z</mi>"),
        (r"$$\begin{aligned} a &= b \\ c &= d \end{aligned}$$", "</mtr><mtr>"),
        (r"so \begin{gather*} a \\ b \end{gather*}", "</mtr><mtr>"),
        (r"$$\begin{alignat}{2} a &= b \label{x} \end{alignat}$$", '<mtd columnalign="left">'),
        ("> \\begin{equation}\n> a\n> \\end{equation}", "<blockquote>\n<math"),
        ("- x\n  \\[\n  a\n  \\]\n- y", "<li>x<math"),
        (r"\begin{align} never closed", r"\begin{align} never closed"),
        (r"\begin{document} x \end{document}", r"\begin{document} x"),
        (r"`\begin{align}a\end{align}`", r"<code>\begin{align}a"),
        ("    \\[a\\]", "<code>\\[a\\]"),
        ("costs $5, $6, $$7 or $$8", "costs $5, $6, $$7 or $$8"),
        ("it costs $5 and $6", "it costs $5 and $6"),
        ("`$x$`", "<code>$x$</code>"),
        (r"`\(x\)`", r"<code>\(x\)</code>"),
    ],
)
def test_what_markdown_shows(text: str, expected: str) -> None:
    assert expected in render_markdown(text)


def test_a_formula_that_cannot_be_read_is_shown_as_it_is() -> None:
    for broken in (r"\frac", r"\begin{array}", "{" * 500, "x" * 5000):
        assert render_formula(broken, False).startswith(("<code>", "<math"))
        assert unescape(Elements(render_formula(broken, False)).text)


def test_a_long_text_is_shown_whole_and_as_it_is() -> None:
    text = "**a** <b> & \n" * (LONGEST_MARKDOWN // 10)
    assert Elements(render_markdown(text)).text == text


WORDS = st.lists(
    st.sampled_from(["a", "b", "c", "d", "*e*", "`f`", "$g$", "[h](http://x)"]), max_size=12
)


@given(WORDS, WORDS)
def test_marks_come_out_again(one: list[str], two: list[str]) -> None:
    htmls = [render_markdown(" ".join(words)) for words in (one, two)]
    marked = mark_differences(htmls[0], htmls[1])
    for html, with_marks in zip(htmls, marked, strict=True):
        assert re.sub("</?mark>", "", with_marks) == html


@given(WORDS, WORDS)
def test_what_is_not_marked_stands_in_both_in_the_same_order(
    one: list[str], two: list[str]
) -> None:
    kept = [
        Elements(re.sub(r"<mark>.*?</mark>", " ", html, flags=re.DOTALL)).text.split()
        for html in mark_differences(*(render_markdown(" ".join(words)) for words in (one, two)))
    ]
    assert kept[0] == kept[1]


def test_differences_are_word_by_word() -> None:
    one, two = mark_differences(
        render_markdown("The **quick** fox and $x^2$ jumps."),
        render_markdown("The **slow** fox and $x^3$ jumps high."),
    )
    assert "<strong><mark>quick</mark></strong> fox and <mark><math" in one
    assert "jumps.</mark>" in one and "<mark>jumps high.</mark>" in two


def test_the_same_texts_have_no_marks() -> None:
    html = render_markdown("One *two*\n\n- three")
    assert mark_differences(html, html) == (html, html)
