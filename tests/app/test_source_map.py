"""Where the characters of a page stand in the source: never a wrong place, seldom none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.render import LONGEST_MARKDOWN, render_markdown
from app.source_map import SourceMap, seen_text, source_map
from tests.app.hostile import PAYLOADS

EXAMPLES = Path(__file__).parents[2] / "examples/pairs.jsonl"


def pieces(text: str) -> tuple[SourceMap, str]:
    """Return the map of a text and what is seen of it, every piece compared."""
    found, seen = source_map(text), seen_text(render_markdown(text))
    assert found is not None
    last = (0, 0)
    for there, here, length in found.runs:
        assert seen[there : there + length] == text[here : here + length]
        assert (there, here) >= last
        last = (there + length, here + length)
    return found, seen


def place(text: str, words: str) -> int | None:
    """Return where the first of what is seen stands in the source."""
    found, seen = pieces(text)
    start = seen.index(words)
    return next((h + start - t for t, h, n in found.runs if t <= start < t + n), None)


@pytest.mark.parametrize(
    ("text", "seen", "source"),
    [
        ("a **bold** a bold", "bold a bold", 4),
        ("foo `foo` [foo](http://foo.foo/foo) foo", "foo foo foo foo", 0),
        ("- one\n- two\n\n1. three", "three", 16),
        ("> quoted\n> text\n\n| a | b |\n|---|---|\n| c \\| d | e |", "c | d", 39),
        ("```python\ndef f():\n    pass\n```", "pass", 23),
        ("2\\*3 = 6", "*3", 2),
        ("مرحبا **بالعالم**\n\nשלום", "שלום", 19),  # noqa: RUF001
        ("one\r\ntwo **漢字**", "漢字", 11),
        ("\U0001f469‍\U0001f467 *b*", "b", 5),
    ],
)
def test_what_is_seen_is_found_where_it_was_written(text: str, seen: str, source: int) -> None:
    assert place(text, seen) == source


def test_a_formula_is_taken_whole_and_what_is_not_certain_is_not_said() -> None:
    text = "Let $x^2+y=\\frac{a}{b}$ and \\(z\\), then\n\n$$\na=b\n$$\n\nend"
    found, _ = pieces(text)
    assert [text[at : at + n] for *_, at, n in found.formulas] == [
        "$x^2+y=\\frac{a}{b}$",
        "\\(z\\)",
        "$$\na=b\n$$",
    ]
    found, seen = pieces("x &lt; y")  # one character there, four here
    assert seen == "x < y\n" and all(not t <= 2 < t + n for t, _, n in found.runs)
    for bare in ("so $$a=b$$ holds", "A\n\\begin{align}\na &= b\n\\end{align}\nB"):
        found, _ = pieces(bare)
        ((*_, at, n),) = found.formulas
        assert bare[at : at + n].startswith(("$$a", "\\begin{")) and n in (7, 32)
    assert source_map("a" * (LONGEST_MARKDOWN + 1)) is None  # shown as it is
    assert source_map("a \U000f0041 b") is None  # one of the private characters
    assert source_map("[x](javascript:alert)") is None or pieces("[x](javascript:alert)")


def test_nearly_all_of_the_examples_has_its_place() -> None:
    known = dark = 0
    for line in EXAMPLES.read_text(encoding="utf-8").splitlines():
        for name in ("response_1", "response_2"):
            found, seen = pieces(json.loads(line)[name])
            covered = {p for t, _, n in found.runs for p in range(t, t + n)}
            places = [p for p, char in enumerate(seen) if not char.isspace()]
            dark += len(places)
            known += sum(p in covered for p in places)
    assert known / dark > 0.98


@pytest.mark.parametrize("text", PAYLOADS)
def test_hostile_texts_are_mapped_right_or_not_at_all(text: str) -> None:
    if source_map(text) is not None:
        pieces(text)


@given(st.text(alphabet="ab1 \n*_`$\\[]()<>&;#|-~\r\té\U0001f600", max_size=60))
def test_no_text_is_mapped_wrong(text: str) -> None:
    if source_map(text) is not None:
        pieces(text)
