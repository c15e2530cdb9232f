"""A conversation as token ids: the model's own chat template, and no control token out of text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from judge.chat_template import TemplateFault, render
from judge.errors import RowError, UsageError
from judge.pair import Message
from judge.plaintext import PlainText
from judge.thinking import Marks, opened_by

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerBase

_Piece = TypeVar("_Piece")
_SENTINEL = "pairwise-justifier-message-{}-7f3a1c"
_PLACE = re.compile(r"pairwise-justifier-message-(\d+)-7f3a1c")
# White space that no template writes by itself: where it is gone, the template strips contents.
_LEFT, _RIGHT = " \n\t\n", "\n\t\n "


def template_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the hash of a tokenizer's chat template (``sha256:`` and 16 hex digits).

    A reward checkpoint's ``judge.json`` names the one it was trained with.
    """
    text = json.dumps(tokenizer.chat_template)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Turn:
    """A conversation as a model answers it: what it is given, and what it is to write."""

    prompt: list[int]
    """Up to the opened turn of the assistant."""
    response: list[int]
    """The response, and the token that ends its turn."""


@dataclass(frozen=True)
class _Frame:
    """What a chat template writes around the contents of messages with certain roles."""

    texts: tuple[str, ...]
    """One more than there are messages."""
    ids: tuple[list[int], ...]
    """The same, each encoded by itself, control tokens included."""
    control: list[int]
    """Their control tokens in order."""
    strips: tuple[tuple[bool, bool], ...]
    """For each message whether the template strips its content, left and right."""

    def contents(self, messages: Sequence[Message]) -> list[str]:
        """Return the contents as the template prints them."""
        texts = []
        for message, (left, right) in zip(messages, self.strips, strict=True):
            text = message.content.lstrip() if left else message.content
            texts.append(text.rstrip() if right else text)
        return texts


class ConversationBuilder:
    """Builds whole conversations, the response included, as token ids for one tokenizer.

    The chat template is rendered around sentinels, one a message, without a generation prompt. What
    stands outside them is the frame: only the frame may become control tokens. For text that holds
    none the ids are those of ``apply_chat_template``, token by token; a text with markers in it is
    encoded by itself, as :class:`judge.prompt.PromptBuilder` does. The ids open with just one BOS
    where template or tokenizer write one; one that the template prints before later turns stays.

    Args:
        options: what the chat template is told besides (``enable_thinking``).

    Raises:
        UsageError: when the tokenizer has no chat template, is not of the ``tokenizers`` library,
            or the template cannot carry a user's message and a response.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        if not tokenizer.chat_template:
            raise UsageError("the tokenizer has no chat template; this needs an instruct model")
        self.tokenizer = tokenizer
        self._options = options
        self._plain = PlainText.of(tokenizer)
        self.control_ids = self._plain.control_ids
        self._frames: dict[tuple[tuple[str, ...], bool], _Frame] = {}
        try:
            self._frame(("user", "assistant"))
        except RowError as error:
            raise UsageError(error.detail) from None

    def build(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        """Return the ids of each conversation; the last message is the response.

        Raises:
            RowError: ``bad_prompt`` when the template refuses the roles of a conversation, or a
                text holds a control token that cannot be split.
        """
        return self._build(conversations, reply=False)

    def prompts(
        self, conversations: Sequence[Sequence[Message]], openings: Sequence[str] = ()
    ) -> list[list[int]]:
        """Return the ids of each conversation with the assistant's turn opened after it.

        Args:
            openings: plain text that each turn begins with, encoded by itself; none: no text.

        Raises:
            RowError: as :meth:`build`.
        """
        built = self._build(conversations, reply=True)
        if not any(openings):
            return built
        begun = self._plain.encode(openings)
        return [[*ids, *own] for ids, own in zip(built, begun, strict=True)]

    def opened(self, roles: Sequence[str]) -> Marks | None:
        """Return the marks of a block of thinking that the prompts of such conversations leave
        open; None where they do not."""
        return opened_by(self._frame(tuple(roles), True).texts[-1])

    def turns(
        self, conversations: Sequence[Sequence[Message]], openings: Sequence[str] = ()
    ) -> list[Turn]:
        """Return each conversation, whose last message is the response, as prompt and response.

        The response is encoded by itself, as a model writes it after the prompt. What the template
        prints after the token that ends its turn is left away; where it prints none, the
        tokenizer's own end token stands there.

        Args:
            openings: as of :meth:`prompts`; part of the prompt.

        Raises:
            RowError: as :meth:`build`.
        """
        prompts = self.prompts([messages[:-1] for messages in conversations], openings)
        frames = [self._frame(tuple(m.role for m in messages)) for messages in conversations]
        texts = [f.contents(m)[-1] for f, m in zip(frames, conversations, strict=True)]
        responses = self._plain.encode(texts)
        return [
            Turn(prompt, [*response, *self._ending(frame)])
            for prompt, response, frame in zip(prompts, responses, frames, strict=True)
        ]

    def _ending(self, frame: _Frame) -> list[int]:
        """Return what ends the last message, up to the first control token."""
        tail = frame.ids[-1]
        ends = [place for place, token in enumerate(tail) if token in self.control_ids]
        return tail[: ends[0] + 1] if ends else [self.tokenizer.eos_token_id]

    def _build(self, conversations: Sequence[Sequence[Message]], reply: bool) -> list[list[int]]:
        frames = [self._frame(tuple(m.role for m in messages), reply) for messages in conversations]
        contents = [f.contents(m) for f, m in zip(frames, conversations, strict=True)]
        texts = [_interleave(f.texts, c) for f, c in zip(frames, contents, strict=True)]
        encodings = self._plain.whole.encode_batch(
            ["".join(pieces) for pieces in texts], add_special_tokens=False
        )
        return [
            self._plain.with_one_bos(
                list(encoding.ids)
                if self._only_the_frame_controls(encoding, frame, pieces)
                else self._piece_by_piece(frame, content)
            )
            for encoding, frame, pieces, content in zip(
                encodings, frames, texts, contents, strict=True
            )
        ]

    def _only_the_frame_controls(
        self, encoding: Encoding, frame: _Frame, pieces: Sequence[str]
    ) -> bool:
        """Say whether the control tokens of an encoded whole are the frame's, each in its place."""
        ids = encoding.ids  # asked once: every access copies it
        places = [i for i, token in enumerate(ids) if token in self.control_ids]
        if [ids[i] for i in places] != frame.control:
            return False
        offsets = encoding.offsets
        spans = iter([offsets[i] for i in places])
        span = next(spans, None)
        position = 0
        for index, piece in enumerate(pieces):
            end = position + len(piece)
            while span is not None and span[0] < end:
                if index % 2 or span[1] > end:  # a message's content, or reaching into one
                    return False
                span = next(spans, None)
            position = end
        return span is None

    def _piece_by_piece(self, frame: _Frame, contents: Sequence[str]) -> list[int]:
        ids = _interleave(frame.ids, self._plain.encode(contents))
        return list(chain.from_iterable(ids))

    def _frame(self, roles: tuple[str, ...], reply: bool = False) -> _Frame:
        frame = self._frames.get((roles, reply))
        if frame is None:
            texts = self._pieces(roles, reply, "", "")
            padded = self._pieces(roles, reply, _LEFT, _RIGHT)
            encoded = self._plain.whole.encode_batch(list(texts), add_special_tokens=False)
            ids = tuple(list(encoding.ids) for encoding in encoded)
            control = [i for i in chain.from_iterable(ids) if i in self.control_ids]
            frame = _Frame(texts, ids, control, _strips(texts, padded))
            self._frames[roles, reply] = frame
        return frame

    def _pieces(
        self, roles: tuple[str, ...], reply: bool, left: str, right: str
    ) -> tuple[str, ...]:
        """Return what the template prints around sentinels with white space beside them."""
        messages = [
            {"role": role, "content": f"{left}{_SENTINEL.format(i)}{right}"}
            for i, role in enumerate(roles)
        ]
        try:
            text = render(self.tokenizer, messages, reply, self._options)
        except TemplateFault as error:
            shown = ", ".join(roles[:8]) + (", ..." if roles[8:] else "")
            detail = f"the chat template refuses the turns {shown}: {error}"
            raise RowError("bad_prompt", detail) from None
        pieces = _PLACE.split(text)
        if pieces[1::2] != [str(i) for i in range(len(roles))]:
            raise RowError(
                "bad_prompt", "the chat template does not print every message exactly once in order"
            )
        return tuple(pieces[::2])


def _interleave(frame: Sequence[_Piece], contents: Sequence[_Piece]) -> list[_Piece]:
    """Return frame, content, frame, ..., frame."""
    return [*chain.from_iterable(zip(frame, contents, strict=False)), frame[-1]]


def _strips(plain: Sequence[str], padded: Sequence[str]) -> tuple[tuple[bool, bool], ...]:
    """Return for each message whether white space before and after its content is gone."""
    count = len(plain) - 1
    return tuple(
        (not padded[i].endswith(_LEFT), not padded[i + 1].startswith(_RIGHT)) for i in range(count)
    )
