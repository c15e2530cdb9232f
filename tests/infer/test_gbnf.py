"""The grammars for llama.cpp match the same texts as the regexes that they are made of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.infer.engines.llamacpp.gbnf import gbnf
from judge.verdict import JUSTIFY_REGEX, STATEMENT_REGEX, STRENGTHS, render_statement


def as_regex(grammar: str) -> str:
    """Read a grammar of one rule back, symbol by symbol, as GBNF is defined."""
    rest = grammar.removeprefix("root ::= ")
    assert rest != grammar
    parts = []
    for text, group, operator in re.findall(r'"([^"]*)"|(\[[^\]]*\])|([()|*+?.])', rest):
        parts.append(f"(?:{text})" if text else group or {".": r"[\s\S]"}.get(operator, operator))
    assert len("".join(re.findall(r'"[^"]*"|\[[^\]]*\]|[()|*+?.]| ', rest))) == len(rest)
    return "".join(parts)


PIECES = st.sampled_from(
    ["@Response ", "1", "2", " is ", "better", "slightly ", "much ", " than ", ".", "\n", " ", "\t",
     "\u3000", "so", "\u00e9\U0001f642", *map(render_statement, STRENGTHS)]
)  # fmt: skip


@pytest.mark.parametrize("pattern", [STATEMENT_REGEX, JUSTIFY_REGEX])
@given(text=st.lists(PIECES, max_size=8).map("".join))
def test_a_grammar_matches_what_its_regex_matches(pattern: str, text: str) -> None:
    matches = re.fullmatch(pattern, text) is not None
    assert (re.fullmatch(as_regex(gbnf(pattern)), text) is not None) == matches


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"a\.b", ["a.b"], ["acb"]),
        (r"[^ab\s]+", ["c\u00e9"], ["a", "c d", "c\u2003d", ""]),
        (r"[\s\S]*", ["", "a\nb"], []),
        (r"a.b", ["a b"], ["a\nb"]),
        (r"[a-c\]\-]?", ["b", "]", "-", ""], ["d"]),
        (r"(\<\/x\>|\S)\t\n", ["</x>\t\n", "y\t\n"], [" \t\n"]),
        (r'"\\"', ['"\\"'], ["\\"]),
        ("\U0001f642[\u25c1]", ["\U0001f642\u25c1"], ["\U0001f642"]),
    ],
)
def test_the_parts_of_a_regex(pattern: str, yes: list[str], no: list[str]) -> None:
    read = as_regex(gbnf(pattern))
    assert all(re.fullmatch(read, text) for text in yes)
    assert not any(re.fullmatch(read, text) for text in no)


@pytest.mark.parametrize("pattern", ["a{2}", "^a", r"\d", "(?:a)", "[a", r"a\b", r"[\S]", "a\\"])
def test_what_has_no_grammar(pattern: str) -> None:
    with pytest.raises(ValueError):
        gbnf(pattern)


def test_the_text_of_a_grammar() -> None:
    assert gbnf(r"@(a|[^b\s])*\n") == (
        'root ::= "@" ( "a" | [^b\\x09-\\x0D\\x1C-\\x20\\x85\\xA0\\u1680\\u2000-\\u200A\\u2028'
        '\\u2029\\u202F\\u205F\\u3000] ) * "\\x0A"'
    )
