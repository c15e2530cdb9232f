"""Rows of Chatbot Arena and MT-bench: two models' answers and which of them a person preferred.

Sources: data set cards of lmsys/chatbot_arena_conversations, lmsys/mt_bench_human_judgments and
lmarena-ai/arena-human-preference-55k.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judge.annotated import AnnotatedPair
from judge.formats import fields as checks
from judge.formats.messages import message
from judge.formats.rows import Row, Unusable, content_id, labelled, listed, whole_number
from judge.pair import Annotation, Message, Pair
from judge.verdict import NEITHER_VALID

_WINNERS = {"model_a": 1, "model_b": 2, "tie": 0, "tie (bothbad)": NEITHER_VALID}
_WINNERS |= {"tie (both bad)": NEITHER_VALID, "both_bad": NEITHER_VALID, "bothbad": NEITHER_VALID}
_FLAGS = {"winner_model_a": "model_a", "winner_model_b": "model_b", "winner_tie": "tie"}
_ID = ("question_id", "model_a", "model_b", "judge", "turn")


def is_arena(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields are those of two models and a winner."""
    voted = "winner" in fields or fields.keys() >= _FLAGS.keys()
    return voted and ("conversation_a" in fields or "response_a" in fields)


def arena(row: Row) -> list[AnnotatedPair]:
    """Return the pair of an arena row.

    A tie is an undecided pair: no annotation, ``released_strength`` 0. "Both bad" is the
    annotation -100. Two conversations whose earlier answers differ have no prompt in common, so
    they are no pair: ``bad_prompt``.
    """
    (prompt_a, one), (prompt_b, two) = (_side(row, side) for side in "ab")
    if prompt_a != prompt_b:
        raise Unusable("bad_prompt", "the two conversations differ before their last answers")
    checks.check_length(prompt_a, one, two)
    winner = _winner(row)
    if winner == NEITHER_VALID:
        annotations: tuple[Annotation, ...] = (Annotation(strength=NEITHER_VALID),)
    else:
        annotations = labelled(winner or None)
    pair = Pair(
        pair_id=_pair_id(row, prompt_a, one, two), prompt=prompt_a, response_1=one, response_2=two
    )
    return [
        AnnotatedPair(
            split=row.own_split("train"),
            pair=pair,
            annotations=annotations,
            source=row.source(),
            released_strength=0 if winner == 0 else None,
            columns=row.columns(),
        )
    ]


def _winner(row: Row) -> int:
    name = row.fields.get("winner")
    if name is None:
        won = [name for flag, name in _FLAGS.items() if whole_number(row.fields.get(flag)) == 1]
        name = won[0] if len(won) == 1 else None
    if not isinstance(name, str) or name.strip().lower() not in _WINNERS:
        expected = ", ".join(_WINNERS)
        raise Unusable("bad_label", f"winner is {checks.shown(name)}; expected {expected}")
    return _WINNERS[name.strip().lower()]


def _side(row: Row, side: str) -> tuple[tuple[Message, ...], str]:
    """Return the prompt and the last answer of one model."""
    name = f"conversation_{side}"
    if row.fields.get(name) is None:
        name = f"response_{side}"
        messages = _alternating(row.required("prompt"), row.required(name), name)
    else:
        messages = [message(name, m, "bad_prompt") for m in row.list_of(name)]
        # MT-bench writes both turns, also where only the first was judged.
        turn = whole_number(row.fields.get("turn"))
        messages = messages[: 2 * turn] if turn and turn > 0 else messages
    if not messages or messages[-1].role != "assistant":
        raise Unusable("bad_prompt", f"{name} does not end with an answer")
    asked = [message.model_dump() for message in messages[:-1]]
    return checks.prompt(name, asked), checks.response(name, messages[-1].content)


def _alternating(prompts: Any, responses: Any, name: str) -> list[Message]:
    """Return the messages of texts, or of lists of texts (also as JSON text), one a turn."""
    asked, answered = listed(prompts), listed(responses)
    if asked is None or answered is None:  # a plain text, though perhaps one that looks like a list
        asked, answered = [prompts], [responses]
    if len(asked) != len(answered):
        raise Unusable("bad_prompt", f"{len(asked)} prompts, but {len(answered)} answers in {name}")
    messages = []
    for question, answer in zip(asked, answered, strict=True):
        messages.append(Message(role="user", content=checks.text("prompt", question)))
        messages.append(Message(role="assistant", content=checks.text(name, answer)))
    return messages


def _pair_id(row: Row, messages: tuple[Message, ...], one: str, two: str) -> str:
    """Return the row's id; of MT-bench, where many rows share a question, with models and judge."""
    if (own := checks.given_id(row.fields)) is not None:
        return own
    parts = [row.fields.get(name) for name in _ID]
    if parts[0] is None:
        return content_id(messages, one, two)
    return checks.text("question_id", ":".join(str(part) for part in parts if part is not None))
