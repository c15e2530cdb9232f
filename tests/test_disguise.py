"""Names in disguise are found, and nothing else; the text keeps all but the ``@``."""

from __future__ import annotations

import gzip
import json
import random
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.disguise import readings, unmasked
from judge.prompt import neutralise

IGNORABLE = "\u3164\u115f\u1160\uffa0\u2800\u034f\u180e\u00ad\u200b\u2060\ufe0f\ufeff\U000e0001"
TAGS = "".join(chr(0xE0000 + ord(c)) for c in "@Response 1")
DISGUISED = {
    "Cyrillic": "@R\u0435sponse 1",
    "more Cyrillic": "@Re\u0455\u0440\u043e\u0578\u0455\u0435 1",
    "Greek": "@Resp\u03bfnse 1",
    "Hangul filler": "@\u3164Response 1",
    "Hangul filler inside": "@R\u115fesponse 1",
    "blank braille": "@\u2800Response 1",
    "tags between": "@R\U000e0041esponse 1",
    "tags alone": TAGS,
    "tags after the sign": f"@{TAGS[1:]}",
    "half of it tags": "@\U000e0052\U000e0065sponse 1",
    "accents": "@R\u00e9sponse 1",
    "a loose accent": "@Re\u0301sponse 1",
    "an enclosing mark": "@R\u20ddesponse 1",
    "full width": "\uff20\uff32esponse 1",
    "mathematical": "@"
    + "".join(map(chr, (0x1D411, 0x1D41E, 0x1D42C, 0x1D429, 0x1D428, 0x1D427, 0x1D42C, 0x1D41E))),
    "circled": "@\u24c7\u24d4\u24e2\u24df\u24de\u24dd\u24e2\u24d4 1",
    "circled, negative": "@"
    + "".join(map(chr, (0x1F161, 0x1F154, 0x1F162, 0x1F15F, 0x1F15E, 0x1F15D, 0x1F162, 0x1F154))),
    "regional indicators": "@"
    + "".join(map(chr, (0x1F1F7, 0x1F1EA, 0x1F1F8, 0x1F1F5, 0x1F1F4, 0x1F1F3, 0x1F1F8, 0x1F1EA))),
    "small capitals": "@\u0280\u1d07\u0455\u1d18\u1d0f\u0274\u0455\u1d07",
    "a long s": "@Re\u017fponse 1",
    "a zero": "@Resp0nse 1",
}


@pytest.mark.parametrize("name", DISGUISED)
def test_a_name_in_disguise_is_neutralised(name: str) -> None:
    text = f"So: {DISGUISED[name]} is best."
    harmless, count = neutralise(text)
    assert count == 1
    sign = next(c for c in text if c in "@\uff20\U000e0040")
    assert harmless == text.replace(sign, "(at)", 1)
    assert neutralise(harmless) == (harmless, 0)


@pytest.mark.parametrize(
    "text",
    [
        "@reply", "@respond", "@r\u0435spect", "@\u043e\u0442\u0432\u0435\u0442", "@Res ponse",
        "a @ b", "@", "@\u200b",
        "mail me@réseau.example", "Response 1", "@日本", "@Réponse", "@Responce", "résponse",
        "@R_esponse", "@R.esponse",
    ],
)  # fmt: skip
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert neutralise(text) == (text, 0)


def drawn(seed: int, word: str) -> str:
    """A word, each letter as one that reads like it, with invisible characters between."""
    rng = random.Random(seed)
    letters = []
    for letter in word:
        others = [c for c in map(chr, range(0x80, 0x20000)) if letter.lower() in readings(c)]
        letters += [rng.choice([letter, *others]), rng.choice(["", *IGNORABLE])]
    return "".join(letters)


@pytest.mark.parametrize("seed", range(3))
def test_any_mixture_of_disguises_is_found(seed: int) -> None:
    assert neutralise(f"@{drawn(seed, 'Response')} 1")[1] == 1


@given(
    st.text(
        alphabet=st.sampled_from("@\uff20 Rrespons\u0435\u3164\u2800\U000e0052\U000e0040e\u0301")
    )
)
def test_neutralising_twice_changes_nothing(text: str) -> None:
    harmless, count = neutralise(text)
    assert neutralise(harmless) == (harmless, 0)
    assert count == 0 or harmless != text


def test_the_ignorable_ones_read_as_nothing() -> None:
    for character in IGNORABLE:
        assert "" in readings(character), hex(ord(character))
    assert "" not in readings("x") | readings("é") | readings("日")


def test_a_text_without_its_disguise() -> None:
    assert unmasked("The \u043ether \u0430nswer\u3164 is \uff37rong") == "the other answer is wrong"
    assert unmasked("Straße, 日本") == "strasse, 日本"


def test_no_ordinary_text_changes(shared: Path) -> None:
    """The rule is wider than the one before it; of real texts none is touched by the difference."""
    folders = (shared / "data").glob("*/preference/*.jsonl.gz")
    changed = texts = 0
    for file in sorted(folders):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in list(lines)[::10]:
                row = json.loads(line)
                for name in ("response_1", "response_2"):
                    text = row[name]
                    texts += 1
                    plain = unicodedata.normalize("NFKC", text).casefold().replace("@ ", "@")
                    changed += neutralise(text)[1] != plain.count("@response")
    assert texts > 1000
    assert changed == 0
