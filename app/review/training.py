"""What finished tasks become outside: rows for training, for comparing, for spreadsheets."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

from app.review.annotation import Annotated, Task, Which
from app.review.project import Settings
from app.review.rules import is_too_fast
from judge.consensus import Consensus, consensus, round_mean
from judge.data.justification import split_justification
from judge.pair import Annotation, Message, Pair, parse_prompt
from judge.verdict import NEITHER_VALID

LeftOut = Literal["check", "withdrawn", "evaluation", "unfinished", "no_annotation", "undecided"]
"""Why a task is not in an export: a gold task or attention check; taken out by a manager; content
of an evaluation set; annotations are missing; nobody annotated it; it prefers no response."""
CSV_COLUMNS = (
    "pair_id", "source", "kind", "evaluation", "annotator", "shown", "blind",
    "first_strength", "strength", "explanation", "statement", "elaboration", "text_origin",
    "own_justification", "seconds", "too_fast", "chosen_at", "completed_at", "flag",
    "adjudicated_strength", "judge_strength",
)  # fmt: skip
_FORMULA = "=+-@\N{MINUS SIGN}"
_BREAKS = "\t\r\n"
_UNSEEN = "CZ"
"""Categories of Unicode: controls, formats and the like; separators."""


def left_out(task: Task, *, training: bool, unfinished: bool) -> LeftOut | None:
    """Return why a task is not exported, None where it is.

    Args:
        training: whether models are trained on the export: then nothing of an evaluation set.
        unfinished: whether tasks that still lack annotations are wanted, too.
    """
    if task.kind != "task":
        return "check"
    if task.withdrawn:
        return "withdrawn"
    if training and task.evaluation:
        return "evaluation"
    if not task.annotations:
        return "no_annotation"
    return None if task.has_all or unfinished else "unfinished"


def agreed_annotations(task: Task, which: Which = "final") -> list[Annotation]:
    """Return the annotations that stand for a task: everyone's, or, where an adjudicator decided
    otherwise than their consensus, the adjudicator's alone."""
    everyone = [one.annotation(which) for one in task.annotations]
    if task.decision is None:
        return everyone
    choice = task.decision.choice
    if consensus(everyone).strength == choice.strength:
        return everyone
    return [choice.annotation()]


def preference_row(task: Task, pair: Pair, which: Which = "final") -> dict[str, Any]:
    """Return a row in the layout of HelpSteer2-Preference, the overall preference computed by its
    rules, as ``judge data prepare`` computes it again.

    Pairs that spread too far, and zeros, are in the published files, too; what trains drops them.
    Beyond that layout: ``id`` and ``source``. Every row has the same fields, as readers of tables
    want it; what an adjudicator overruled is in the CSV and in the history.
    """
    annotations = agreed_annotations(task, which)
    found = consensus(annotations)
    kept = [annotations[i] for i in found.kept]
    overall = round_mean([one.strength for one in kept]) if kept else None
    speaker = next((one for one in kept if one.strength == overall), None)
    statement, elaboration = _split(speaker) if speaker else (None, None)
    return {
        "split": "train",
        "prompt": prompt_text(pair.prompt),
        "response_1": pair.response_1,
        "response_2": pair.response_2,
        "preference_strength": overall,
        "preference_statement": statement,
        "preference_elaboration": elaboration,
        "three_most_similar_preferences": [_similar(one) for one in kept],
        "all_preferences_unprocessed": [_raw(one) for one in annotations],
        "id": task.pair_id,
        "source": task.source,
    }


def label_row(task: Task, which: Which = "final") -> dict[str, Any] | None:
    """Return a row for ``judge compare --labels``: id, label, strength; None for an undecided pair
    whose annotations lie too far apart."""
    found = consensus(agreed_annotations(task, which), keep_zeros=True)
    if found.dropped == "no_valid_annotation":
        return {"pair_id": task.pair_id, "label": "neither", "strength": NEITHER_VALID}
    if found.strength is None:
        return None
    label = {-1: "response_1", 0: "tie", 1: "response_2"}[_sign(found.strength)]
    return {"pair_id": task.pair_id, "label": label, "strength": found.strength}


def dpo_row(task: Task, pair: Pair, which: Which = "final") -> dict[str, Any] | None:
    """Return a row for direct preference optimisation, in TRL's conversational form; None where
    there is no overall preference."""
    found: Consensus = consensus(agreed_annotations(task, which))
    if found.strength is None:
        return None
    chosen, rejected = pair.response_1, pair.response_2
    if found.strength > 0:
        chosen, rejected = rejected, chosen
    return {
        "prompt": [message.model_dump() for message in pair.prompt],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "strength": abs(found.strength),
        "pair_id": task.pair_id,
    }


def csv_rows(settings: Settings, task: Task) -> list[list[str | int | float | None]]:
    """Return a row of :data:`CSV_COLUMNS` for each annotation of a task; texts are safe to open in
    a spreadsheet."""
    return [[safe_cell(value) for value in _cells(settings, task, one)] for one in task.annotations]


def safe_cell(value: str | int | float | None) -> str | int | float | None:
    """Return a cell that no spreadsheet takes for a formula (OWASP, "CSV injection"): an apostrophe
    goes before a text that begins like one.

    Full-width signs and other forms of the same count, too, which some spreadsheets fold, and so
    does what begins after blanks or characters that nobody sees.
    """
    return f"'{value}" if isinstance(value, str) and _begins_like_a_formula(value) else value


def _begins_like_a_formula(text: str) -> bool:
    for character in text:
        if character in _BREAKS:
            return True
        if unicodedata.category(character)[0] not in _UNSEEN:
            return unicodedata.normalize("NFKC", character)[0] in _FORMULA
    return False


def prompt_text(messages: Sequence[Message]) -> str | list[dict[str, str]]:
    """Return a conversation as HelpSteer2 writes it: turns inline.

    One that this cannot say (a system message, a tool's, a turn that holds a marker) stays a list
    of messages, which our readers take as well.
    """
    first, *rest = messages
    names = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}
    turns = [f"\n<extra_id_1>{names[turn.role]}\n{turn.content}" for turn in rest]
    text = first.content + "".join(turns)
    if parse_prompt(text) == tuple(messages):
        return text
    return [message.model_dump() for message in messages]


def _cells(settings: Settings, task: Task, one: Annotated) -> tuple[str | int | float | None, ...]:
    judge = task.judge
    return (
        task.pair_id, task.source, task.kind, str(task.evaluation).lower(),
        one.name, one.shown, str(one.blind).lower(),
        one.strength("first"), one.strength(), one.final.explanation if one.final else None,
        one.statement(), one.elaboration(), one.origin(judge.elaboration if judge else None),
        one.choice.justification, round(one.seconds, 1),
        str(is_too_fast(settings, one.seconds, task.words)).lower(),
        one.chosen_at.isoformat(), one.completed_at.isoformat(), one.flagged,
        task.decision.choice.strength if task.decision else None,
        judge.strength if judge else None,
    )  # fmt: skip


def _split(annotation: Annotation) -> tuple[str | None, str | None]:
    split = split_justification(annotation.justification)
    if split.position == "none":
        return None, None
    return split.statement, split.elaboration


def _similar(annotation: Annotation) -> dict[str, Any]:
    statement, elaboration = _split(annotation)
    return {
        "statement": statement,
        "elaboration": elaboration if statement else annotation.justification,
        "strength": annotation.strength,
    }


def _raw(annotation: Annotation) -> dict[str, Any]:
    text = annotation.justification
    if html.unescape(text) != text:  # readers resolve entities: write them so that they come back
        text = text.replace("&", "&amp;")
    return {"strength": annotation.strength, "justification": text}


def _sign(strength: int) -> int:
    return (strength > 0) - (strength < 0)
