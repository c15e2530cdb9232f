"""From a pair to prompt token ids: templates, neutralised names, no control token from text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judge.chat_template import TemplateFault, render
from judge.disguise import says
from judge.errors import UsageError
from judge.pair import Message, Pair
from judge.plaintext import PlainText
from judge.thinking import opened_by

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VARIABLES = ("prompt", "response_1", "response_2")
_VARIABLE = re.compile(r"\{(\w+)\}")
# Itself, small, full-width and as an invisible tag: a tokenizer may fold them into one.
_AT = re.compile("[@\ufe6b\uff20\U000e0040]")
_SENTINEL = "pairwise-justifier-content-7f3a1c"
_ROLES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


@dataclass(frozen=True)
class Template:
    """A versioned prompt template: name, text and the hash of the text (sha256, 16 hex digits)."""

    name: str
    text: str

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def fill(self, values: dict[str, str]) -> str:
        """Return the text with every variable replaced in one pass.

        Raises:
            UsageError: when a variable of the text has no value or a value no variable.
        """
        found = set(_VARIABLE.findall(self.text))
        if found != set(values):
            raise UsageError(
                f"template {self.name}: variables are {sorted(found)}, values are {sorted(values)}"
            )
        return _VARIABLE.sub(lambda match: values[match[1]], self.text)


def prompt_folder() -> Path:
    """Return the folder of the templates: inside the wheel, or at the root of a checkout."""
    packaged = Path(__file__).parent / "prompts"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "prompts"


def load_template(name: str) -> Template:
    """Return the template called ``name`` (``pairwise_justifier.v1``) or the file at that path.

    Raises:
        UsageError: when there is none, or its variables are not exactly :data:`VARIABLES`.
    """
    path = Path(name) if name.endswith(".txt") else prompt_folder() / f"{name}.txt"
    if not path.is_file():
        known = sorted(p.name.removesuffix(".txt") for p in prompt_folder().glob("*.txt"))
        raise UsageError(f"no prompt template {name!r}; there are {', '.join(known)}")
    text = path.read_text(encoding="utf-8").removesuffix("\n")
    found = _VARIABLE.findall(text)
    if sorted(found) != sorted(VARIABLES):
        raise UsageError(
            f"{path}: a template uses {', '.join(VARIABLES)} once each; found {found or 'none'}"
        )
    return Template(name=path.name.removesuffix(".txt"), text=text)


def neutralise(text: str) -> tuple[str, int]:
    """Make every literal ``@Response`` in ``text`` harmless; return the text and their number.

    ``@Response 1`` becomes ``(at)Response 1``: no response can speak as the judge or open another.
    Case, white space after the ``@``, look-alikes, styled letters and invisible characters do not
    hide a name (:mod:`judge.disguise`): a tokenizer's normalizer, or the model, may see through
    them. They stay in the text; only the ``@`` goes.
    """
    if text.isascii() and "@" not in text:  # nearly every text
        return text, 0
    parts, end = [], 0
    for match in _AT.finditer(text):
        if says(text, match.end(), "response"):
            parts += [text[end : match.start()], "(at)"]
            end = match.end()
    return "".join([*parts, text[end:]]), len(parts) // 2


def render_conversation(messages: Sequence[Message]) -> str:
    """Return a conversation as text: one user message bare, several turns each after its role."""
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{_ROLES[message.role]}: {message.content}" for message in messages)


def render_content(template: Template, pair: Pair) -> tuple[str, int]:
    """Return the user turn for ``pair`` in its own order, and the count of neutralised names."""
    values, count = {}, 0
    for name, text in zip(
        VARIABLES,
        (render_conversation(pair.prompt), pair.response_1, pair.response_2),
        strict=True,
    ):
        values[name], found = neutralise(text)
        count += found
    return template.fill(values).strip(), count


@dataclass(frozen=True)
class Prompt:
    """One order's prompt: its token ids, and how many literal names were neutralised in it."""

    ids: list[int]
    neutralised: int


@dataclass(frozen=True)
class Chat:
    """How a model's chat template is used."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """The template's own (``enable_thinking``)."""
    thinks: bool = False
    """Whether a block of thinking that the template opens is left open. Else it is closed at once,
    empty: for what is trained, and was trained, to answer right away."""


ANSWERS, THINKS = Chat(), Chat(thinks=True)


class PromptBuilder:
    """Builds prompts as token ids for one tokenizer and one template.

    The chat template is rendered around a sentinel; only what stands outside it may become control
    tokens. Pair text is encoded by :class:`judge.plaintext.PlainText`.

    Raises:
        UsageError: when the tokenizer has no chat template or is not of the ``tokenizers`` library.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: Template,
        chat: Chat = ANSWERS,
    ) -> None:
        self.template = template
        self.tokenizer = tokenizer
        self._plain = PlainText.of(tokenizer)
        self.control_ids = self._plain.control_ids
        head, tail = self._chat_frame(chat.options)
        self.opened = opened_by(tail)
        """The marks of a block of thinking that the prompts leave open; None where they do not."""
        self.closing = [] if self.opened is None else self._whole(f"\n{self.opened.closing}\n\n")
        """The tokens that close it without a thought."""
        self._head = self._plain.with_one_bos(self._whole(head))
        self._tail = self._whole(tail)
        if not chat.thinks:
            self._tail += self.closing
            self.opened, self.closing = None, []

    def build(self, pairs: Iterable[Pair]) -> list[Prompt]:
        """Return the prompts of ``pairs``, each in its own order (flip a pair for the other one).

        Raises:
            RowError: ``bad_prompt`` when a text holds a control token that cannot be split.
        """
        contents = [render_content(self.template, pair) for pair in pairs]
        framed = self.frame([text for text, _ in contents])
        return [
            Prompt(ids=ids, neutralised=count)
            for ids, (_, count) in zip(framed, contents, strict=True)
        ]

    def frame(self, contents: Sequence[str]) -> list[list[int]]:
        """Return the prompt ids of filled templates (:func:`render_content`), as training needs."""
        return [[*self._head, *ids, *self._tail] for ids in self.encode(contents)]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of plain texts: never a BOS, never a control token."""
        return self._plain.encode(texts)

    def _whole(self, text: str) -> list[int]:
        """Return the tokens of a text of our own, control tokens included."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _chat_frame(self, options: Mapping[str, Any]) -> tuple[str, str]:
        """Return what the chat template prints before and after the content."""
        tokenizer = self.tokenizer
        if not tokenizer.chat_template:
            raise UsageError("the tokenizer has no chat template; a judge needs an instruct model")
        try:
            text = render(
                tokenizer, [{"role": "user", "content": _SENTINEL}], reply=True, options=options
            )
        except TemplateFault as error:
            raise UsageError(f"the chat template refuses one user message: {error}") from None
        head_text, sentinel, tail_text = text.partition(_SENTINEL)
        if not sentinel or _SENTINEL in tail_text:
            raise UsageError("the chat template does not print the user message exactly once")
        return head_text, tail_text
