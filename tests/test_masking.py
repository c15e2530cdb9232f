"""Secrets in what is shown to people: gone in every writing, and nothing else is."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.masking import LONGEST, MASK, Masking

SECRET = "sk-Ab/9+\"'\\<&>zz~Q"
WRITINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda s: json.dumps(s)[1:-1],
    "JSON in JSON": lambda s: json.dumps(json.dumps(s))[1:-1],
    "JSON, every slash escaped": lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
    "JSON, every character escaped": lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
    "the same in capitals": lambda s: "".join(f"\\u{ord(c):04X}" for c in s),
    "the same in JSON": lambda s: json.dumps("".join(f"\\u{ord(c):04x}" for c in s)),
    "one in two escaped": lambda s: "".join(
        f"\\u{ord(c):04x}" if i % 2 else json.dumps(c)[1:-1] for i, c in enumerate(s)
    ),
    "Python": repr,
    "bytes": lambda s: "".join(f"\\x{ord(c):02x}" for c in s),
    "a URL": lambda s: quote(s, safe=""),
    "a URL, every character": lambda s: "".join(f"%{ord(c):02X}" for c in s),
    "a URL in a URL": lambda s: quote(quote(s, safe=""), safe=""),
    "HTML": html.escape,
    "HTML, numbers": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "HTML, hexadecimal": lambda s: "".join(f"&#x{ord(c):X};" for c in s),
}


@pytest.mark.parametrize("name", WRITINGS)
def test_a_secret_is_masked_however_it_is_written(name: str) -> None:
    written = WRITINGS[name](SECRET)
    shown = Masking(SECRET)(f"refused: [{written}] and [{written}].")
    assert shown.count(MASK) == 2
    assert shown.startswith("refused: [") and shown.endswith("].")
    assert all(piece not in shown for piece in ("sk", "Ab", "zz~Q", "~"))


@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    before=st.text(st.characters(codec="utf-8"), max_size=350),
    way=st.sampled_from(sorted(WRITINGS)),
)
def test_nothing_of_a_secret_is_left_wherever_the_message_is_cut(
    secret: str, before: str, way: str
) -> None:
    """Its beginning at the end of what is shown would be a leak, too."""
    mask = Masking(secret)
    shown = mask(f"{before}{WRITINGS[way](secret)} after")
    assert len(shown) <= LONGEST and shown.isprintable()
    if len(secret) > 2 and MASK not in secret:
        assert secret not in shown


def test_a_secret_across_the_end_of_what_is_looked_at_is_not_begun() -> None:
    for size in range((1 << 15) - 40, (1 << 15) + 5):
        shown = Masking("sentinel-key")(" " * size + "sentinel-key and more")
        assert "s" not in shown.replace(MASK, "")


def test_what_is_no_text_is_shown_as_json() -> None:
    assert Masking("a/b")({"said": ["a/b", None, 1.5]}) == '{"said": ["***", null, 1.5]}'
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert Masking("x")(deep) == "a list"


def test_the_longer_secret_first_and_no_secret_at_all() -> None:
    assert Masking("ab", "abc", None, "")("ab abc abcd") == "*** *** ***d"
    assert Masking(None)("Bearer \x1b[2Jx\u202e\n\ty") == "Bearer \ufffd[2Jx\ufffd y"


def test_hostile_text_costs_little_time() -> None:
    mask = Masking("\\" * 40 + "a%&#x41;" * 10)
    started = time.process_time()
    for hostile in ("\\" * 10**7, "%25" * 10**6, "&amp;" * 10**6, "a" * 10**7):
        mask(hostile)
    assert time.process_time() - started < 20  # 0.3 s; what is not linear takes hours
