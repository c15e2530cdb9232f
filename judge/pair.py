"""Pairs and annotations: what is judged and what people said of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

from judge.verdict import NEITHER_VALID, STRENGTHS, flip_names, flip_strength


def _can_be_encoded(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"lone surrogate at character {error.start}") from None
    return text


Text = Annotated[str, AfterValidator(_can_be_encoded)]
"""Text that has a UTF-8 form: no tokenizer and no run folder takes any other."""


Role = Literal["system", "user", "assistant", "tool"]
"""Who speaks; ``tool`` is what a tool answered to the assistant."""


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    content: Text


class Pair(BaseModel):
    """A prompt and two responses to it. Labels are no part of it: they never reach the judge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair_id: Text
    prompt: tuple[Message, ...]
    """The conversation, at least one message, the last one from the user or a tool."""
    response_1: Text
    response_2: Text

    @field_validator("prompt")
    @classmethod
    def _ends_with_the_user(cls, prompt: tuple[Message, ...]) -> tuple[Message, ...]:
        if not prompt or prompt[-1].role not in ("user", "tool"):
            raise ValueError("the last message of the prompt must be the user's or a tool's")
        return prompt

    @classmethod
    def of(
        cls,
        prompt: str | Sequence[Message | Mapping[str, Any]],
        response_1: str,
        response_2: str,
        pair_id: str | None = None,
    ) -> Self:
        """Return the pair of these texts.

        Args:
            prompt: a text (HelpSteer2's inline turns understood) or messages, the last one the
                user's.
            pair_id: None: 16 hexadecimal digits of the content.

        Raises:
            pydantic.ValidationError: when there is no such pair (a ``ValueError``).
        """
        turns = parse_prompt(prompt) if isinstance(prompt, str) else prompt
        messages = tuple(Message.model_validate(turn) for turn in turns)
        if pair_id is None:
            pair_id = content_id(messages, response_1, response_2)
        return cls(pair_id=pair_id, prompt=messages, response_1=response_1, response_2=response_2)

    def flipped(self) -> Pair:
        """Return the pair with its responses exchanged; twice is the identity."""
        return self.model_copy(
            update={"response_1": self.response_2, "response_2": self.response_1}
        )


class Annotation(BaseModel):
    """One person's strength and justification for one pair."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: int
    """-3..3 without 0, or -100: neither response is valid."""
    justification: str = ""

    @field_validator("strength")
    @classmethod
    def _on_the_scale(cls, strength: int) -> int:
        if strength not in (*STRENGTHS, NEITHER_VALID):
            raise ValueError(f"strength {strength} is not on the scale -3 -2 -1 1 2 3 or -100")
        return strength

    def flipped(self) -> Annotation:
        """Return the annotation of the flipped pair: sign and names; twice is the identity."""
        return Annotation(
            strength=flip_strength(self.strength), justification=flip_names(self.justification)
        )


_TURN = re.compile(r"\n?<extra_id_1>(Assistant|User)\n")


def parse_prompt(text: str) -> tuple[Message, ...]:
    """Split HelpSteer2's inline turns (``<extra_id_1>Assistant\\n...<extra_id_1>User\\n...``).

    A text without markers is one user message. Source: data set card of nvidia/HelpSteer2.
    """
    first, *rest = _TURN.split(text)
    # A text that opens with a marker has no unmarked first turn.
    messages = [Message(role="user", content=first)] if first or not rest else []
    for role, content in zip(rest[::2], rest[1::2], strict=True):
        messages.append(Message(role="user" if role == "User" else "assistant", content=content))
    return tuple(messages)


def content_id(messages: tuple[Message, ...], *texts: str) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of the content: the same wherever it stands."""
    content = orjson.dumps([[[m.role, m.content] for m in messages], *texts])
    return hashlib.sha256(content).hexdigest()[:16]
