"""`POST /v1/rewards`, from a request to its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from judge.errors import RowError
from judge.infer.pairwise import NOBODY, PairListener
from judge.infer.scorers.pairs import PairScorer
from judge.infer.scorers.responses import identity, score_responses
from judge.judgment import Failure
from judge.pair import Message
from judge.reward import Reward
from judge.serve.answer import json_response, receive, to_json
from judge.serve.body import parse_rewards, read_response
from judge.serve.pending import Pending
from judge.serve.refusal import Refusal
from judge.serve.schema import ScorerRecord
from judge.serve.service import Service
from judge.serve.worker import Way


@dataclass(frozen=True)
class Answered:
    """A response in its conversation, as the worker counts pairs."""

    conversation: tuple[Message, ...]
    pair_id: None = None


class ServedScorer:
    """A reward model as the worker asks it: for the rewards of responses."""

    def __init__(self, name: str, scorer: PairScorer) -> None:
        self._name = name
        self._scorer = scorer

    def judge(
        self,
        pairs: Sequence[tuple[int, Answered]],
        listeners: Mapping[int, PairListener] = NOBODY,
    ) -> list[Reward | Failure]:
        """Return the reward of each response, all scored in one call, or why it has none."""
        said = score_responses(self._scorer, [asked.conversation for _, asked in pairs])
        return [
            failed(line, found) if isinstance(found, RowError) else found
            for (line, _), found in zip(pairs, said, strict=True)
        ]

    def counts(self) -> dict[str, dict[str, int]]:
        return {self._name: self._scorer.scorer.counts.to_json()}


def described(name: str, scorer: PairScorer) -> ScorerRecord:
    """Return what `/v1/models` says of a reward model."""
    said = scorer.describe()
    return ScorerRecord.model_validate({**said, "id": name, "identity": identity(said)})


async def answer_rewards(request: Request, service: Service) -> Response:
    """Score the responses of a request.

    Raises:
        Refusal: where there are no rewards to answer with.
        starlette.requests.ClientDisconnect: when the client went away.
    """
    config = service.config
    if not service.scorers:
        raise Refusal(404, "not_found", "this server has no reward models (--scorer)")
    body, deadline = await receive(request, service)
    asked = parse_rewards(body, config.max_pairs)
    model = _model(asked.model, service)
    rows = [_read(n, row, config.max_characters) for n, row in enumerate(asked.responses, start=1)]
    ready = [(n, row) for n, row in enumerate(rows, start=1) if isinstance(row, Answered)]
    way: Way = ("rewards", model.id)
    pending = Pending(request, service, way, ready, deadline=deadline, whole=True)
    async with aclosing(pending.news()) as news:
        async for _ in news:
            pass
    scored = iter(pending.results())
    results = [row if isinstance(row, Failure) else next(scored) for row in rows]
    service.metrics.answered(results)
    return json_response(
        {"model": model.id, "identity": model.identity, "results": to_json(results)}
    )


def failed(line: int, error: RowError) -> Failure:
    """Return the failure of the response at a place in the request."""
    return Failure(line=line, pair_id=None, reason=error.reason, detail=error.detail)


def _model(name: str | None, service: Service) -> ScorerRecord:
    known = service.scorers
    if name is None and len(known) == 1:
        [name] = known
    if name is None or name not in known:
        wanted = "model is missing" if name is None else f"no reward model {name!r}"
        raise Refusal(422, "malformed", f"{wanted}; this server has {', '.join(known)}")
    return known[name]


def _read(line: int, row: Any, max_characters: int) -> Answered | Failure:
    try:
        return Answered(read_response(row, max_characters))
    except RowError as error:
        return failed(line, error)
