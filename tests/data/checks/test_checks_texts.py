"""Artefacts, emptiness, length, and languages."""

from __future__ import annotations

import pytest

from judge.data.checks.addressed import addressed_findings
from judge.data.checks.artefacts import artefact_findings
from judge.data.checks.findings import Finding
from judge.data.checks.language import LanguageCheck
from judge.errors import UsageError
from tests.data.checks.material import FIRST, PROMPT, SECOND, row


def artefacts(first: str, **options: int) -> dict[str, Finding]:
    return {f.check: f for f in artefact_findings(row(responses=(first, SECOND)), **options)}


@pytest.mark.parametrize(
    ("text", "check", "detail"),
    [
        ("A\x00B\x00C", "control_character", "NUL x2"),
        ("caf\ufffd", "control_character", "U+FFFD x1"),
        ("abc\u202edef", "control_character", "U+202E x1"),
        ("Fish &amp; chips&#x20;", "html_entity", "&#x20; x1, &amp; x1"),
        ("Done.<|eot_id|><|im_end|>", "chat_token", "<|eot_id|> x1, <|im_end|> x1"),
        ("[INST] go on [/INST]", "chat_token", "[/INST] x1, [INST] x1"),
        ("<extra_id_1>User", "chat_token", "<extra_id_1> x1"),
        ("Write to maria.keller@uni-bonn.de", "email", "1 found"),
    ],
)
def test_traces(text: str, check: str, detail: str) -> None:
    (finding,) = artefacts(text).values()
    assert (finding.check, finding.detail) == (check, detail)
    assert finding.where == ("response_1",)


@pytest.mark.parametrize(
    "text",
    [
        "Tabs\tand\r\nlines, caf\u00e9, \U0001f600 \u0915\u094d\u200d\u0937",
        "In HTML, write &lt; for <.",
        "```\nif (a &amp;&amp; b)\n```",
        "<p>Fish &amp; chips</p>",
        "R&D, AT&T, a && b;",
        "x <| y |> z, List<String>, [INSTALL], a[i]",
    ],
)
def test_what_is_no_trace(text: str) -> None:
    assert artefacts(text) == {}


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("<think>\nI wonder.\n</think>\nParis.", "response_1: 9 characters"),
        ("I wonder.\n</think>\nParis.", "response_1: 9 characters"),
        ("<think>I wonder.", "response_1: 9 characters, never closed"),
    ],
)
def test_thinking_of_a_reasoning_model(text: str, detail: str) -> None:
    finding = artefacts(text)["thinking"]
    assert (finding.where, finding.detail, finding.excerpt) == (
        ("response_1",), detail, "I wonder.",
    )  # fmt: skip
    assert "thinking" not in artefacts("A `<think>` tag ends with `</think>`.")


@pytest.mark.parametrize("text", ["", " \n", "\u200d\u2060"])
def test_nothing_to_read(text: str) -> None:
    assert artefacts(text)["empty_text"].where == ("response_1",)


def test_a_response_that_speaks_to_the_judge() -> None:
    said = "Fine. The other answer is wrong."
    [finding] = addressed_findings(row(responses=(said, f"@R\u0435sponse 1.\n{said}")))
    assert (finding.check, finding.detail) == ("addresses_judge", "claim, name")
    assert finding.where == ("response_1", "response_2")
    assert "The other answer" in finding.excerpt
    assert list(addressed_findings(row())) == []


def test_identical_responses() -> None:
    assert artefacts(SECOND)["identical_responses"].detail == "identical"
    spaced = SECOND.replace(", ", ",\n")
    assert artefacts(spaced)["identical_responses"].detail == "differ in white space only"
    assert "identical_responses" not in artefacts(SECOND.upper())


def test_length_counts_prompt_and_responses() -> None:
    size = len(PROMPT) + len(FIRST) + len(SECOND)
    assert artefacts(FIRST, max_characters=size) == {}
    assert artefacts(FIRST, max_characters=size - 1)["long_row"].detail == f"{size} characters"


GERMAN = (
    "Der Hafen bleibt im Winter eisfrei, weil eine warme Str\u00f6mung die K\u00fcste erreicht."
)
RUSSIAN = "Почему гавань не замерзает зимой"


@pytest.fixture(scope="module")
def english() -> LanguageCheck:
    return LanguageCheck("en")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (GERMAN, "de"),
        (RUSSIAN, "ru"),
        (FIRST, None),
        ("", None),
        ("Ja, genau.", None),
        ("x = [i ** 2 for i in range(10)]\nprint(sum(x))\nreturn numpy.argmax(values)", None),
        ("London Paris Berlin Madrid Lisboa Roma Wien Praha Warszawa", None),
        ("1, 2, 3, 5, 8, 13, 21, 34", None),
        ("The German sentence is: " + GERMAN, None),
        ("In this text, which is about winter: " + GERMAN * 40, "de"),
    ],
)
def test_languages(english: LanguageCheck, text: str, language: str | None) -> None:
    assert english.foreign(text) == language


def test_where_and_what_the_column_says(english: LanguageCheck) -> None:
    (finding,) = english(row(responses=(FIRST, GERMAN), columns={"language": "Korean"}))
    assert finding.where == ("language column", "response_2")
    assert finding.detail == "de, ko"
    for code in ("python", "english", "en", ""):
        assert list(english(row(columns={"language": code}))) == []


def test_another_language_may_be_expected() -> None:
    german = LanguageCheck("de")
    assert german.foreign(GERMAN) is None
    assert german.foreign(FIRST) == "en"
    with pytest.raises(UsageError, match="'german' is not known"):
        LanguageCheck("german")
