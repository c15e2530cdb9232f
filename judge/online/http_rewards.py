"""Rewards from a server: ``judge serve --no-judge --scorer MODEL`` on this machine or another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from judge.engine_options import engine_kind
from judge.errors import FailureReason, RowError, UsageError
from judge.infer.engines.server.http_faults import Broken, Fault, Refused
from judge.infer.scorers.files import read_weights
from judge.online.rewards import pieces
from judge.pair import Message
from judge.reward import Reward
from judge.train.align.rloo_config import RewardSection

if TYPE_CHECKING:
    from judge.infer.engines.server.http_client import Client, Read

T = TypeVar("T")
TRIES = 3
"""How often a request is sent that breaks, as for a model that fails on a response."""
AGAIN = "what is written is kept, run the same command again to continue"


class HttpRewards:
    """The rewards of a server's reward model: those that the same model gives in this process.

    Every answer names the model by a hash of all that its rewards depend on: where a server comes
    back with another one, the run stops.

    Args:
        model: what the server calls it.
        weights: of its outputs, where the run says them: the server must have the same.
        client: of this server.

    Raises:
        UsageError: when the server does not answer within its patience, or lacks the model.
    """

    def __init__(self, model: str, weights: dict[str, float] | None, client: Client) -> None:
        self._model = model
        self._client = client
        self._described = client.run(self._find)
        self._identity = self._described.pop("identity")
        found = self._described["weights"]
        if weights is not None and weights != found:
            raise UsageError(
                f"{client.url} weighs the outputs of {model} by {_listed(found)},"
                f" reward.weights by {_listed(weights)}"
            )

    def rewards(self, conversations: Sequence[Sequence[Message]]) -> list[Reward | RowError]:
        """Return the reward of the last message of each conversation, or why it has none.

        Raises:
            UsageError: when the server stays away or has another model, in one line.
        """
        scored = self._client.run(self._client.gather, self._score, pieces(conversations))
        return [reward for piece in scored for reward in piece]

    def describe(self) -> dict[str, Any]:
        """Return what determines the rewards: as of the same model in this process."""
        return dict(self._described)

    async def _find(self) -> dict[str, Any]:
        """Return what the server says of its reward model, its ``identity`` included."""
        listed = await self._ask("/models", None, lambda reply: list(reply["data"]))
        cards = {card["id"]: card for card in listed if card.get("kind") == "reward"}
        if self._model not in cards:
            others = ", ".join(cards) or "no reward model (judge serve --no-judge --scorer MODEL)"
            raise UsageError(f"{self._client.url} has no {self._model}; it has {others}")
        card = cards[self._model]
        named = {**card, "model": self._model}
        return {name: named[name] for name in card if name not in ("id", "object", "kind")}

    async def _score(self, piece: Sequence[Sequence[Message]]) -> list[Reward | RowError]:
        body = {"model": self._model, "responses": [_asked(conversation) for conversation in piece]}

        def read(reply: dict[str, Any]) -> tuple[str, list[Reward | RowError]]:
            results = [_read(result) for result in reply["results"]]
            if len(results) != len(piece):
                raise Broken(f"{len(results)} rewards for {len(piece)} responses")
            return str(reply["identity"]), results

        identity, results = await self._ask("/rewards", body, read)
        if identity != self._identity:
            raise UsageError(
                f"{self._client.url}: {self._model} is another reward model than the run began"
                f" with ({identity}, not {self._identity}); {AGAIN} with that one"
            )
        return results

    async def _ask(self, path: str, body: dict[str, Any] | None, read: Read[T]) -> T:
        """Return what ``read`` makes of the reply.

        Raises:
            UsageError: when there is none, after ``patience`` seconds or at once, as the fault is.
        """
        try:
            return await self._client.insist(path, body, read, TRIES)
        except Refused as fault:
            said = "takes no requests for rewards" if fault.status == 404 else "refuses"
            raise UsageError(f"{self._client.url} {said}: {fault}; {AGAIN}") from None
        except Fault as fault:
            raise UsageError(f"{self._client.url} gives no rewards: {fault}; {AGAIN}") from None


def open_rewards(section: RewardSection, note: Callable[[str], None]) -> HttpRewards:
    """Return the rewards of the server that a recipe names; see :class:`HttpRewards`.

    Its ``patience`` is also the time that one reply may take.

    Args:
        note: told in one line when the server keeps the run waiting.

    Raises:
        UsageError: as there, and for an address that holds credentials or is none.
    """
    engine_kind("server").check_installed("server")
    from judge.infer.engines.server.http_client import Client, Patience

    url, seconds = section.url or "", section.patience
    if "@" in url:
        raise UsageError("reward.url holds credentials; set JUDGE_API_KEY in the environment")
    patience = Patience(4, seconds, seconds, ("reward.patience", "reward.patience"))
    weights = None if section.weights is None else read_weights(Path(section.weights))
    return HttpRewards(section.model, weights, Client(url, patience, note))


def _asked(conversation: Sequence[Message]) -> dict[str, Any]:
    *prompt, last = conversation
    return {"prompt": [message.model_dump() for message in prompt], "response": last.content}


def _read(result: dict[str, Any]) -> Reward | RowError:
    if failure := result.get("failure"):
        if failure["reason"] not in get_args(FailureReason):
            raise Broken("a failure without a reason that is known")
        return RowError(failure["reason"], str(failure["detail"]))
    reward = Reward(value=result["reward"], attributes=result["attributes"])
    if not all(map(math.isfinite, (reward.value, *reward.attributes.values()))):
        raise Broken("a reward that is not a finite number")
    return reward


def _listed(weights: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in weights.items())
