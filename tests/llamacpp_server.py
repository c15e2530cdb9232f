"""A scripted server that speaks as llama.cpp's own does (``tools/server/README.md`` of llama.cpp).

Its model is that of :mod:`tests.fault_server`; what it does not know, it refuses.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from judge.infer.engines.llamacpp.gbnf import gbnf
from judge.infer.engines.server.features import _NONSENSE
from judge.verdict import JUSTIFY_REGEX, STATEMENT_REGEX
from tests.fault_server import Request, Server, elaborate

GRAMMARS = {gbnf(pattern): pattern for pattern in (JUSTIFY_REGEX, STATEMENT_REGEX, _NONSENSE)}


def error(code: int, message: str, kind: str) -> tuple[int, dict[str, Any]]:
    return code, {"error": {"code": code, "message": message, "type": kind}}


@dataclass
class LlamaCppServer(Server):
    """What the server can do, and what it does wrong; tests set both while it runs."""

    slots: int = 2
    own: bool = True
    """Whether its own interface is there, not OpenAI's alone."""
    biased: bool = True
    """Whether it tells probabilities after a bias."""
    told: Sequence[int] | None = None
    """The tokens that are the likeliest everywhere, None: those with a bias, and two more."""
    kept: dict[int, list[int]] = field(default_factory=dict)
    """The last prompt of each slot."""
    computed: int = 0
    """Tokens that no slot had."""

    def reply(self, request: Request) -> tuple[int, dict[str, Any]]:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return error(401, "Invalid API Key", "authentication_error")
        if request.path == "/v1/models":
            meta = {"n_vocab": len(self.tokenizer), "n_ctx": self.context}
            cards = [{"id": m, "owned_by": "llamacpp", "meta": meta} for m in self.models]
            return 200, {"object": "list", "data": cards, "models": []}
        if request.path == "/v1/chat/completions":
            pattern = GRAMMARS.get(request.body.get("grammar", ""))
            request.body["structured_outputs"] = {"regex": pattern}
            return self._chat(request)
        if request.path == "/v1/completions":
            return self._complete(request)
        if self.own:
            return self._own(request)
        return error(404, "File Not Found", "not_found_error")

    def _own(self, request: Request) -> tuple[int, dict[str, Any]]:
        if request.path == "/props":
            settings = {"n_ctx": self.context}
            return 200, {"default_generation_settings": settings, "total_slots": self.slots}
        if request.path == "/detokenize":
            return 200, {"content": self.tokenizer.decode(request.body["tokens"])}
        if request.path == "/completion":
            return self._write(request.body)
        return error(404, "File Not Found", "not_found_error")

    def _take(self, ids: list[int], body: dict[str, Any]) -> None:
        """Put a prompt into its slot."""
        slot = body.get("id_slot", 0)
        assert 0 <= slot < self.slots
        there = self.kept.get(slot, [])
        same = next(
            (i for i, (a, b) in enumerate(zip(there, ids, strict=False)) if a != b),
            min(len(there), len(ids) - 1),
        )
        self.computed += len(ids) - same
        self.kept[slot] = ids

    def _too_long(self, ids: list[int]) -> tuple[int, dict[str, Any]]:
        text = (
            f"request ({len(ids)} tokens) exceeds the available context size"
            f" ({self.context} tokens), try increasing it"
        )
        return error(400, text, "exceed_context_size_error")

    def _complete(self, request: Request) -> tuple[int, dict[str, Any]]:
        body, prompts = request.body, request.body["prompt"]
        if body.get("echo"):
            return error(400, "Only no echo is supported", "invalid_request_error")
        if not self.takes_ids:
            return error(400, '"prompt" elements must be strings', "invalid_request_error")
        for ids in prompts:
            if self.context and len(ids) > self.context:
                return self._too_long(ids)
            self._take(ids, body)
        choices = [self._choice(index, ids, body) for index, ids in enumerate(prompts)]
        return 200, {"choices": choices, "usage": {"prompt_tokens": len(prompts[0])}}

    def _choice(self, index: int, ids: list[int], body: dict[str, Any]) -> dict[str, Any]:
        biased = [token for token, bias in body["logit_bias"] if bias == 100]
        after = body.get("post_sampling_probs") and self.biased
        told = self.told if self.told is not None else sorted({*biased, 40, 41})
        found = self.log_probs(ids, biased if after else told)
        if after:
            total = sum(map(math.exp, found.values()))
            entries = [{"id": t, "prob": math.exp(v) / total} for t, v in found.items()]
        else:
            entries = [{"id": t, "logprob": v} for t, v in found.items()]
        likeliest = {**entries[0], "top_probs" if after else "top_logprobs": entries}
        logprobs = None if self.tells is None else {"content": [likeliest]}
        return {"index": index, "text": "x", "finish_reason": "length", "logprobs": logprobs}

    def _write(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        ids = body["prompt"]
        if self.context and len(ids) >= self.context:
            return self._too_long(ids)
        if "grammar" in body and body["grammar"] not in GRAMMARS:
            return error(400, "failed to parse grammar", "invalid_request_error")
        self._take(ids, body)
        pattern = GRAMMARS.get(body.get("grammar", "")) if self.obeys else None
        whole = elaborate(array("i", ids).tobytes())
        text = pattern if pattern == _NONSENSE else whole
        tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        ended = len(tokens) < body["n_predict"]
        tokens = [*tokens, self.tokenizer.eos_token_id] if ended else tokens[: body["n_predict"]]
        said = {
            "content": self.tokenizer.decode(tokens, skip_special_tokens=True),
            "tokens": tokens if body.get("return_tokens") else [],
            "stop_type": "eos" if ended else "limit",
            "truncated": False,
            "timings": {},
        }
        return 200, {name: said[name] for name in body["response_fields"]}
