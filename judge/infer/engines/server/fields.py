"""What a server refuses of the fields that a run would send: left out, or cut until it takes them.

Servers differ in what they take: only a temperature of 1, no seed or one of 32 bits, another name
for the most tokens, so many of them at least. A trial request is made with the run's own fields;
what the refusal names is changed first, then whatever may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from judge.errors import UsageError
from judge.infer.engines.server.http_client import TRIES, Client
from judge.infer.engines.server.http_faults import Broken, Declined, Fault, Refused

LIMIT = "max_tokens"
"""What we call the most tokens of a reply."""
NEWER = "max_completion_tokens"
"""What OpenAI's newer models want it to be called."""
LARGEST_SEED = (1 << 56) - 1
"""The largest seed that we send by ourselves."""
SEED_BITS = 31
"""A seed that every server with seeds takes: as a signed number of 32 bits, too."""
MOST_CHANGES = 12
_LEAST = re.compile(r"at least|minimum|(less|lower|greater) than|>|too (small|low)", re.I)
_MOST = re.compile(r"at most|maximum|no more|exceed|less than|up to|<|too (large|high|many)", re.I)
_NUMBER = re.compile(r"(?<![\w.-])\d{1,9}(?![\w-]|\.\d)")
_NO_FAULT_OF_FIELDS = (401, 403, 404)


@dataclass(frozen=True)
class Fit:
    """How our fields must be changed for one server."""

    limit: str = LIMIT
    """What it calls the most tokens of a reply."""
    tokens: int | None = None
    """The most tokens of a reply, where it takes no such number as ours."""
    seed_bits: int | None = None
    """To how many bits a seed is cut; None: to none."""
    dropped: tuple[str, ...] = ()
    """Fields that are left out."""

    def applied(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request of ours as the server takes it."""
        fitted = {name: value for name, value in body.items() if name not in self.dropped}
        if "seed" in fitted and self.seed_bits is not None:
            fitted["seed"] &= (1 << self.seed_bits) - 1
        if LIMIT in fitted:
            most = fitted.pop(LIMIT)
            fitted[self.limit] = self.most(most)
        return fitted

    def most(self, tokens: int) -> int:
        """Return how many tokens a reply may have for which ``tokens`` were wanted."""
        return tokens if self.tokens is None else self.tokens

    def told(self, body: Mapping[str, Any]) -> list[str]:
        """Return what becomes of the fields of ``body``, a line each, where that matters."""
        lines = [
            f"{name} {body[name]:g} is left out: replies are sampled with the server's own"
            if name == "temperature"
            else f"{name} is left out: {_WITHOUT.get(name, 'the server has its own')}"
            for name in self.dropped
            if name in body
        ]
        if "seed" in body and "seed" not in self.dropped and self.seed_bits is not None:
            lines.append(f"seeds are cut to {self.seed_bits} bits")
        if self.tokens is not None:
            lines.append(f"{self.limit} is {self.tokens}, not {body[LIMIT]}")
        return lines


_WITHOUT = {"seed": "every run samples other replies"}
Change = Callable[[Fit, Mapping[str, Any], str], Fit | None]
"""Returns another fit that a refusal may ask for, None where it has none to offer."""


async def find_fit(
    client: Client, path: str, body: Mapping[str, Any], read: Any, start: Fit = Fit()
) -> Fit:
    """Return how ``body`` must be changed for the server to take it; it is told what is.

    Args:
        body: the run's own fields, with the largest seed that it may send.

    Raises:
        Fault: what is left when nothing helps.
        UsageError: when the server's context has no room for so many tokens.
    """
    fit = start
    fault = await _fault(client, path, fit.applied(body), read, TRIES)
    for _ in range(MOST_CHANGES):
        named = _named(client, fit, body, fault)
        if fault is None or named is None:
            break
        fit = named
        fault = await _fault(client, path, fit.applied(body), read, 1)
    if fault is None:
        return fit
    if isinstance(fault, Refused) and fault.status not in _NO_FAULT_OF_FIELDS:
        for changed in _guesses(fit, body):
            if await _fault(client, path, changed.applied(body), read, 1) is None:
                return changed
    raise fault


def _named(client: Client, fit: Fit, body: Mapping[str, Any], fault: Fault | None) -> Fit | None:
    """Return the fit that a refusal asks for by naming a field; None where it names none of ours.

    Raises:
        UsageError: when the server's context has no room for so many tokens.
    """
    if fault is None or fault.status in _NO_FAULT_OF_FIELDS:
        return None
    if isinstance(fault, Refused) and fault.reason == "prompt_too_long":
        most = fit.most(body[LIMIT])
        raise UsageError(f"{client.url} has no room for {most} tokens (--max-new-tokens): {fault}")
    return next(_changes(fit, body, fault.raw, named=True), None)


async def found_fit(
    client: Client, path: str, body: Mapping[str, Any], read: Any, start: Fit = Fit()
) -> Fit:
    """As :func:`find_fit`, in the middle of a run: any fault stops it, in one line."""
    try:
        fit = await find_fit(client, path, body, read, start)
    except Fault as fault:
        raise UsageError(f"{client.url} does not accept the request: {fault}") from None
    tell(client, fit, body, start)
    return fit


def tell(client: Client, fit: Fit, body: Mapping[str, Any], known: Fit = Fit()) -> None:
    """Tell a person what is changed for the server, beyond what was told of ``known``."""
    for line in fit.told(body):
        if line not in known.told(body):
            client.note(f"{client.url} does not accept the whole request: {line}")


async def _fault(
    client: Client, path: str, body: Mapping[str, Any], read: Any, tries: int
) -> Fault | None:
    """Return what is wrong with a request; None where it is answered."""
    try:
        await client.insist(path, body, read, tries)
    except Declined:
        return None  # of the trial's text: the fields were taken
    except (Refused, Broken) as fault:
        return fault
    return None


def _guesses(fit: Fit, body: Mapping[str, Any]) -> Iterator[Fit]:
    """Yield fits that a refusal which names no field may mean: one change, then more and more."""
    yield from _changes(fit, body, "", named=False)
    if (without_seed := _without("seed")(fit, body, "")) is not None:
        yield without_seed
    for change in (*_CHANGES.values(), _smaller_seed):
        if (changed := change(fit, body, "")) is not None:
            fit = changed
            yield fit


def _changes(fit: Fit, body: Mapping[str, Any], said: str, named: bool) -> Iterator[Fit]:
    """Yield the fits that are one change away; only of fields that ``said`` names, if ``named``."""
    for name, change in _CHANGES.items():
        mentioned = re.search(rf"(?<![a-z_]){re.escape(name)}(?![a-z_])", said, re.IGNORECASE)
        if (mentioned or not named) and (changed := change(fit, body, said)) is not None:
            yield changed


def _renamed(fit: Fit, body: Mapping[str, Any], said: str) -> Fit | None:
    if LIMIT not in body or fit.limit == NEWER or (said and NEWER not in said and _sized(said)):
        return None
    return replace(fit, limit=NEWER)


def _resized(fit: Fit, body: Mapping[str, Any], said: str) -> Fit | None:
    """Take the number that a refusal gives for the least, or the most, tokens of a reply."""
    if LIMIT not in body or not _sized(said):
        return None
    now = body[LIMIT] if fit.tokens is None else fit.tokens
    numbers = sorted({int(n) for n in _NUMBER.findall(said)} - {now, 0})
    larger = [n for n in numbers if n > now]
    smaller = [n for n in numbers if n < now]
    if _LEAST.search(said) and larger:
        return replace(fit, tokens=larger[0])
    return replace(fit, tokens=smaller[-1]) if _MOST.search(said) and smaller else None


def _sized(said: str) -> bool:
    return bool(_NUMBER.search(said) and (_LEAST.search(said) or _MOST.search(said)))


def _without(name: str) -> Change:
    def change(fit: Fit, body: Mapping[str, Any], said: str) -> Fit | None:
        if name not in body or name in fit.dropped:
            return None
        return replace(fit, dropped=(*fit.dropped, name))

    return change


def _smaller_seed(fit: Fit, body: Mapping[str, Any], said: str) -> Fit | None:
    if "seed" not in body or "seed" in fit.dropped:
        return None
    if fit.seed_bits is None:
        return replace(fit, seed_bits=SEED_BITS)
    return replace(fit, dropped=(*fit.dropped, "seed"))


_OPTIONAL = (
    "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty",
    "logit_bias", "return_token_ids",
)  # fmt: skip
"""What the server may do as it likes; with most it does what we ask for without being asked."""
_CHANGES: dict[str, Change] = {
    "max_completion_tokens": _renamed,
    "max_tokens": _resized,
    "max_output_tokens": _resized,
    "max_new_tokens": _resized,
    **{name: _without(name) for name in _OPTIONAL},
    "temperature": _without("temperature"),
    "seed": _smaller_seed,
}
"""By the field that a refusal names."""
