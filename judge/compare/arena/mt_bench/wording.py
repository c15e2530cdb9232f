"""How a judge is asked for a grade: our own words, or the published ones from their file.

MT-bench's own are ``llm_judge/data/judge_prompts.jsonl`` of lm-sys/FastChat: ``single-v1`` for the
first turn and ``single-v1-multi-turn`` for the second, ``single-math-v1`` and
``single-math-v1-multi-turn`` beside a right answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.errors import RowError, UsageError
from judge.formats.fields import row_fields
from judge.formats.sources import FileSource
from judge.pair import Message
from judge.prompt import prompt_folder

OWN = "grading.v1"
_VARIABLE = re.compile(r"\{(\w+)\}")
_FIRST, _SECOND = ("question", "answer"), ("question_1", "answer_1", "question_2", "answer_2")
_NEEDED = {
    (1, False): _FIRST,
    (1, True): (*_FIRST, "ref_answer_1"),
    (2, False): _SECOND,
    (2, True): (*_SECOND, "ref_answer_1", "ref_answer_2"),
}
_PUBLISHED = {
    (1, False): "single-v1",
    (1, True): "single-math-v1",
    (2, False): "single-v1-multi-turn",
    (2, True): "single-math-v1-multi-turn",
}


@dataclass(frozen=True)
class Wording:
    """The four ways to ask, by turn and by whether there is a right answer."""

    name: str
    texts: Mapping[tuple[int, bool], tuple[str, str]]
    """System message (may be empty) and template."""

    @property
    def digest(self) -> str:
        """Return 16 hexadecimal digits of all texts."""
        whole = "\0".join("\0".join(self.texts[key]) for key in sorted(self.texts))
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def messages(self, turn: int, values: Mapping[str, str], referred: bool) -> list[Message]:
        """Return what the judge is sent; the values are filled in one pass."""
        system, template = self.texts[turn, referred]
        asked = _VARIABLE.sub(lambda match: values[match[1]], template)
        found = [Message(role="system", content=system)] if system else []
        return [*found, Message(role="user", content=asked)]


def load_wording(file: str | None) -> Wording:
    """Return our own wording, or that of a file in the layout of ``judge_prompts.jsonl``.

    Raises:
        UsageError: when the file lacks one of the four prompts, or one of them a variable.
    """
    if file is None:
        names = {True: "_reference", False: ""}
        folder = prompt_folder() / "grading"
        texts = {
            key: ("", (folder / f"turn_{key[0]}{names[key[1]]}.v1.txt").read_text("utf-8"))
            for key in _NEEDED
        }
        return Wording(OWN, {key: (system, t.rstrip("\n")) for key, (system, t) in texts.items()})
    rows = _rows(file)
    found = {}
    for key, name in _PUBLISHED.items():
        if name not in rows:
            raise UsageError(f"{file} has no prompt {name!r}; expected {_all()}")
        found[key] = _checked(rows[name], key, file)
    return Wording(Path(file).name, found)


def _checked(row: Mapping[str, Any], key: tuple[int, bool], file: str) -> tuple[str, str]:
    system, template = row.get("system_prompt") or "", row.get("prompt_template")
    if not isinstance(system, str) or not isinstance(template, str):
        raise UsageError(f"{file}: prompt {_PUBLISHED[key]!r} has no prompt_template")
    used = set(_VARIABLE.findall(template))
    if used != set(_NEEDED[key]):
        raise UsageError(
            f"{file}: prompt {_PUBLISHED[key]!r} uses {', '.join(sorted(used)) or 'nothing'};"
            f" expected {', '.join(_NEEDED[key])}"
        )
    return system, template


def _rows(file: str) -> dict[str, Mapping[str, Any]]:
    found = {}
    for record in FileSource.open(Path(file), labels=True).records():
        try:
            fields = row_fields(record.row)
        except RowError as error:
            raise UsageError(f"{file} line {record.line}: {error.detail}") from None
        found[str(fields.get("name"))] = fields
    return found


def _all() -> str:
    return ", ".join(_PUBLISHED.values())
