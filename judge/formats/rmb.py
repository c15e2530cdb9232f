"""Rows of RMB (Zhou et al., 2024, arXiv 2410.09893): pairs, and best-of-N lists.

The layout is that of ``RMB_dataset`` in Zhou-Zoey/RMB-Reward-Model-Benchmark: files of a list of
rows in ``Pairwise_set`` and ``BoN_set``, a folder for each goal (Helpfulness, Harmlessness) and
scenario. A row has ``conversation_input`` (messages) and ``category_path`` (set, goal, scenario); a
pair has ``chosen`` and ``reject`` and ``pair_uid``, a list ``bon_best``, ``loser_list`` and
``bon_uid``. A response is an object with ``answer``.

``chosen`` and ``bon_best`` become ``response_1`` in every pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from judge.annotated import AnnotatedPair
from judge.formats import fields as checks
from judge.formats.benchmarks import Written
from judge.formats.rows import Row, Unusable, labelled_pair, pair_of

PAIRWISE, BEST_OF_N = "Pairwise_set", "BoN_set"
"""The folders of the two kinds of rows."""
PROMPT = "conversation_input"


def is_rmb(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are RMB's."""
    return PROMPT in fields and (
        {"chosen", "reject"} <= fields.keys() or {"bon_best", "loser_list"} <= fields.keys()
    )


def is_rmb_file(file: Path) -> bool:
    """Say whether a file lies in one of RMB's two folders."""
    return not {PAIRWISE, BEST_OF_N}.isdisjoint(file.absolute().parts)


def is_list(row: Row) -> bool:
    """Return whether a row is a best-of-N list, not a pair."""
    return "bon_best" in row.fields


def own_id(row: Row) -> str | None:
    """Return a row's id, the same in no pair and list; None where it has none."""
    uid = row.fields.get("bon_uid" if is_list(row) else "pair_uid")
    found = checks.given_id({"id": uid})
    return f"bon-{found}" if found and is_list(row) else found


def written(row: Row) -> Written:
    """Return what a row says: one response chosen, one or more rejected.

    Raises:
        Unusable: when a field is missing or of another type.
    """
    prompt = row.required(PROMPT)
    if not isinstance(prompt, list):
        raise Unusable("wrong_type", f"{PROMPT} is {checks.kind(prompt)}, expected messages")
    if not is_list(row):
        return Written(prompt, (_answer(row, "chosen"),), (_answer(row, "reject"),))
    losers = row.list_of("loser_list")
    if not losers:
        raise Unusable("missing_field", "loser_list is empty")
    rejected = tuple(_text_of("loser_list", loser) for loser in losers)
    return Written(prompt, (_answer(row, "bon_best"),), rejected)


def rmb(row: Row) -> list[AnnotatedPair]:
    """Return the pair of a row; of a list, the best response against every other one."""
    says = written(row)
    own = own_id(row)
    named = row if own is None else replace(row, fields={**row.fields, "id": own})
    category = row.fields.get("category_path")
    columns = {"category": str(category)} if category else {}
    messages = row.prompt(PROMPT)
    best = checks.response("chosen", says.chosen[0], row.empty)
    pairs = []
    for place, text in enumerate(says.rejected):
        other = checks.response("reject", text, row.empty)
        suffix = f"-{place}" if is_list(row) else ""
        pair = pair_of(named, messages, best, other, suffix)
        pairs.append(labelled_pair(named, pair, 1, **columns))
    return pairs


def _answer(row: Row, name: str) -> str:
    return _text_of(name, row.required(name))


def _text_of(name: str, value: Any) -> str:
    answer = value.get("answer") if isinstance(value, dict) else None
    if not isinstance(answer, str):
        found = checks.kind(value if not isinstance(value, dict) else answer)
        raise Unusable("wrong_type", f"{name} is {found}, expected an object with a text answer")
    return answer
