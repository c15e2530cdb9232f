"""Texts as token ids that are never a control token, for one tokenizer."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from judge.errors import RowError, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

_ENCODED_AT_ONCE = 1 << 21
"""Characters: what the library holds of a token while it encodes is many times its id."""
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
DATE = "26 Jul 2024"
"""Llama 3.1's chat template prints a date; today's would make two runs of one input differ."""


class PlainText:
    """Encodes text that nobody vouches for.

    Texts are encoded by a copy of the tokenizer without added tokens; should the bare vocabulary
    still hold a marker (as sentencepiece's ``</s>``), the text is split inside it.

    Raises:
        UsageError: when the tokenizer is not of the ``tokenizers`` library.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.whole: Tokenizer
        """A copy that knows every added token and adds, pads and cuts nothing by itself."""
        self.control_ids: frozenset[int]
        """The ids that no text may become."""
        self.whole, self._bare, self.control_ids = _copies(tokenizer)
        self._bytes = {
            token: literal
            for literal, token in self._bare.get_vocab().items()
            if _BYTE.fullmatch(literal)
        }
        self._bos = tokenizer.bos_token_id
        self._adds_bos = self._bos is not None and tokenizer("a")["input_ids"][:1] == [self._bos]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> PlainText:
        """Return the one for ``tokenizer``: a judge and reward models over one base share it."""
        special = tuple(getattr(tokenizer, "all_special_ids", ()))
        found = _MADE.get(tokenizer)
        if found is None or found[0] != special:
            found = _MADE[tokenizer] = (special, cls(tokenizer))
        return found[1]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of plain texts: never a BOS, never a control token.

        Raises:
            RowError: ``bad_prompt`` when a text holds a control token that cannot be split.
        """
        return [
            self._encode_split(text) if self._is_risky(text, ids) else ids
            for text, ids in zip(texts, self._ids(texts), strict=True)
        ]

    def _ids(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Yield the ids of each text, encoded so many at a time that little else is held."""
        rest = deque(texts)
        while rest:
            some = [rest.popleft()]
            held = len(some[0])
            while rest and held + len(rest[0]) <= _ENCODED_AT_ONCE:
                held += len(rest[0])
                some.append(rest.popleft())
            for encoding in self._bare.encode_batch_fast(some, add_special_tokens=False):
                yield encoding.ids

    def with_one_bos(self, ids: list[int]) -> list[int]:
        """Return ``ids`` opened by exactly one BOS, where template or tokenizer write any."""
        bos = self._bos
        if not (self._adds_bos or (bos is not None and ids[:1] == [bos])):
            return ids
        start = next((place for place, token in enumerate(ids) if token != bos), len(ids))
        return [bos, *ids[start:]]

    def _is_risky(self, text: str, ids: list[int]) -> bool:
        """Say whether a text holds a control token, or may spell the name of a byte."""
        return not self.control_ids.isdisjoint(ids) or (bool(self._bytes) and "<0x" in text)

    def _encode_split(self, text: str) -> list[int]:
        """Encode ``text`` cut inside every token that it spells but may not become.

        These are control tokens, and the names of bytes: sentencepiece's ``<0x0A>`` stands for the
        byte, and must not come from the six characters. A piece too short for one holds none.
        """
        encoding = self._bare.encode(text, add_special_tokens=False)
        cuts = []
        for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if token in self.control_ids or self._bytes.get(token) == text[start:end]:
                middle = (start + end) // 2
                if not start < middle < end:
                    raise RowError("bad_prompt", f"{text[start:end]!r} is a control token")
                cuts.append(middle)
        if not cuts:
            return list(encoding.ids)
        pieces = pairwise([0, *cuts, len(text)])
        return [token for a, b in pieces for token in self._encode_split(text[a:b])]


_MADE: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[tuple[int, ...], PlainText]] = (
    WeakKeyDictionary()
)
"""Those of tokenizers that are in use, with the special tokens that they had."""


def _copies(tokenizer: PreTrainedTokenizerBase) -> tuple[Tokenizer, Tokenizer, frozenset[int]]:
    """Return a copy of the backend, one that knows no added token, and the ids no text may become.

    Added tokens that are nothing but white space are kept: they control nothing.
    """
    from tokenizers import Tokenizer

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UsageError(f"{type(tokenizer).__name__} is not a fast tokenizer; a judge needs one")
    state: dict[str, Any] = json.loads(backend.to_str())
    state["post_processor"] = state["truncation"] = state["padding"] = None
    whole = Tokenizer.from_str(json.dumps(state))
    added = state.get("added_tokens", [])
    state["added_tokens"] = [token for token in added if not token["content"].strip()]
    bare = Tokenizer.from_str(json.dumps(state))
    if any(bare.token_to_id(t["content"]) != t["id"] for t in state["added_tokens"]):
        # Outside the vocabulary an added token takes the next free id, which the others' absence
        # moved: a run of blanks would become a marker.
        state["added_tokens"] = []
        bare = Tokenizer.from_str(json.dumps(state))
    control = {token["id"] for token in added if token["content"].strip()}
    control |= set(tokenizer.all_special_ids)
    if tokenizer.unk_token_id not in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        control.discard(tokenizer.unk_token_id)  # plain text of an unknown script may be unknown
    return whole, bare, frozenset(control)
