"""The server engine for llama.cpp's own server: each pair stays with one of its slots."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

from judge.errors import RowError
from judge.infer.engines.llamacpp.client import (
    Place,
    ahead_body,
    among_of,
    below_root,
    completion_of,
    log_probs_of,
    read_body,
    write_body,
)
from judge.infer.engines.protocol import Mode
from judge.infer.engines.server.engine import ServerEngine
from judge.infer.engines.server.fields import Fit
from judge.infer.engines.server.replies import Completion
from judge.infer.engines.statement_reader import Reader, seed_of
from judge.verdict import JUSTIFY_REGEX, Verdict

_SLOT: ContextVar[int | None] = ContextVar("slot", default=None)
"""The slot that the pair at hand is with."""
_SEEDS = 1 << 32


def banned_of(control_ids: Iterable[int], tokenizer: Any) -> list[int]:
    """Return the control tokens that a model may not write: to the server they are text.

    All but the one that ends a reply, the only one that may come after a whole justification.
    """
    return sorted(set(control_ids) - {tokenizer.eos_token_id})


class LlamaCppEngine(ServerEngine):
    """Runs a model on ``llama-server``.

    A slot of the server keeps the tokens of its last prompt and computes of the next one what is
    new: the requests of a pair name the same slot, one prompt after the other, so that what they
    have in common is computed once.

    Args:
        place: what the server has room for.
        others: as of :class:`ServerEngine`.
    """

    def __init__(self, *args: Any, place: Place, **others: Any) -> None:
        super().__init__(*args, **others)
        self.place = place
        self._free: asyncio.Queue[int] | None = None

    def _use(self, reader: Reader) -> None:
        super()._use(reader)
        self._banned = banned_of(reader.thought.forbidden, reader.tokenizer)

    def _find_fit(self) -> Fit:
        """Return that nothing is changed: what the server takes was found out before."""
        return Fit()

    async def _group(self, prompts: list[list[int]], mode: Mode) -> list[Verdict | RowError]:
        if _SLOT.get() is not None:  # a prompt alone, of a pair that has its slot
            return await super()._group(prompts, mode)
        # What a statement follows is in the slot until the next prompt is: one after the other.
        parts = [prompts] if mode == "verdict" else [[prompt] for prompt in prompts]
        free = self._slots()
        slot = await free.get()
        before = _SLOT.set(slot)
        try:
            found: list[Verdict | RowError] = []
            for part in parts:
                found += await super()._group(part, mode)
            return found
        finally:
            _SLOT.reset(before)
            free.put_nowait(slot)

    def _slots(self) -> asyncio.Queue[int]:
        """Return the slots that no pair is with."""
        if self._free is None:
            self._free = asyncio.Queue()
            for slot in range(self.place.slots):
                self._free.put_nowait(slot)
        return self._free

    async def _write(self, prompts: list[list[int]]) -> list[Completion]:
        pattern = JUSTIFY_REGEX if self.features.constraint else None
        path = below_root(self.client, "/completion")
        written = []
        for prompt in prompts:
            how = self.sampling
            body = write_body(prompt, how.max_new_tokens, self._banned, pattern)
            if how.temperature > 0:
                seed = seed_of(how.seed, prompt) % _SEEDS
                body |= {"temperature": how.temperature, "seed": seed}
            body |= {"model": self.model, "id_slot": _SLOT.get()}
            written.append(await self.client.ask(path, body, completion_of))
        return written

    async def _log_probs(
        self, prompts: list[list[int]], children: Sequence[Sequence[int]]
    ) -> list[dict[int, float]]:
        body = read_body(self.model, prompts, self._labels) | {"id_slot": _SLOT.get()}
        read = partial(log_probs_of, count=len(prompts))
        found = await self.client.ask("/completions", body, read)
        lacking = [
            place
            for place, tokens in enumerate(children)
            if not all(token in found[place] for token in tokens)
        ]
        if lacking and self.features.probabilities == "asked":
            among = await self._among([prompts[i] for i in lacking], [found[i] for i in lacking])
            for place, log_probs in zip(lacking, among, strict=True):
                found[place] = log_probs | found[place]
        return found

    async def _among(
        self, prompts: list[list[int]], found: list[dict[int, float]]
    ) -> list[dict[int, float]]:
        """Return the log-probabilities of the statements' tokens, however unlikely they are.

        Args:
            found: for each prompt what is known of its likeliest tokens.
        """
        anchors = [max(known.items(), key=lambda item: item[1]) for known in found]
        tokens = sorted({*self._labels, *(token for token, _ in anchors)})
        body = ahead_body(self.model, prompts, tokens) | {"id_slot": _SLOT.get()}
        return await self.client.ask("/completions", body, partial(among_of, anchors=anchors))
