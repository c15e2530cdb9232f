"""Run folders as systems: what a judge, and each reward model beside it, says of every pair.

Memory: about 400 bytes a pair and system (measured with ids of 40 characters, both orders and
probabilities); a million pairs of a judge and two reward models take a bit over a gigabyte.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from judge.errors import UsageError
from judge.judgment import Failure
from judge.reward import Preference
from judge.runs.completeness import check_run, is_complete
from judge.runs.folder import CONFIG, JUDGMENTS, read_failures
from judge.runs.jsonlines import read_rows
from judge.runs.summary import read_summary

Kind = Literal["judge", "reward_model", "people", "baseline"]
_OTHER: dict[Preference | None, Preference | None] = {
    "response_1": "response_2",
    "response_2": "response_1",
    None: None,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What one system says of one pair, in the pair's own order."""

    preference: Preference | None
    """None is no preference (a tie) where ``failure`` is None."""
    strength: float | None = None
    """Signed as everywhere: below 0 Response 1 is better. None where a system has no degrees."""
    probability: float | None = None
    """P(Response 1 better)."""
    failure: str | None = None
    """Why there is no decision; everything else is then None or empty."""
    first_slot: tuple[bool, ...] = ()
    """For each order judged, ``given`` first: whether the response shown first was chosen."""
    order_probabilities: tuple[float, ...] = ()
    """P(Response 1 better) in each order, in the same sequence; empty without probabilities."""
    consistent: bool | None = None
    """Whether both orders chose the same response; None when only one order was judged."""
    rewards: tuple[float, float] | None = None

    def flipped(self) -> Decision:
        """Return the decision of the flipped pair; twice is the identity.

        What the model saw first is as it was: the order ``given`` of the flipped pair is the order
        ``flipped`` of this one.
        """
        probability = None if self.probability is None else 1 - self.probability
        return Decision(
            preference=_OTHER[self.preference],
            strength=None if self.strength is None else 0 - self.strength,
            probability=probability,
            failure=self.failure,
            first_slot=self.first_slot[::-1],
            order_probabilities=tuple(1 - p for p in self.order_probabilities[::-1]),
            consistent=self.consistent,
            rewards=None if self.rewards is None else self.rewards[::-1],
        )


def failed(reason: str) -> Decision:
    """Return the decision of a system that has none, for ``reason``."""
    return Decision(preference=None, failure=reason)


@dataclass(frozen=True)
class Cost:
    """What a system spent on a judged pair, on average. None where its run does not say."""

    prompt_tokens: float | None = None
    """Of all orders, or of both conversations."""
    completion_tokens: float | None = None
    seconds: float | None = None
    """Wall-clock of the run's last session, without loading. A judge's include the reward models
    beside it, which have none of their own."""
    beside: tuple[str, ...] = ()
    """Those reward models."""


@dataclass(frozen=True)
class Origin:
    """Where a system's decisions come from."""

    folder: str
    input: str
    """The path or hub id that was judged; ``-`` for the standard input."""
    split: str | None
    subset: str | None
    revision: str | None
    identity: str
    """The input's hash, as :meth:`judge.formats.sources.Source.identity` gave it."""
    complete: bool = True
    """Whether the run came to the end of its input."""
    strip_thinking: bool = False
    """Whether the responses were judged without their thinking."""
    empty_responses: bool = False
    """Whether responses without a word were judged."""


@dataclass
class System:
    """A judge, a reward model or people, and what they decided."""

    name: str
    kind: Kind
    decisions: dict[str, Decision] = field(default_factory=dict)
    """By pair id, failures included."""
    cost: Cost = Cost()
    origin: Origin | None = None
    stray_failures: Counter[str] = field(default_factory=Counter)
    """Failed rows that are no pair of their own (no id, or an earlier row's), by reason."""
    unasked: int = 0
    """Pairs that a reward model beside a judge was not given, since the judge had failed."""
    own_ids: dict[str, str] = field(default_factory=dict)
    """After matching: its own id of a pair, by the common one, where they differ."""
    exchanged: set[str] = field(default_factory=set)
    """After matching: the pairs whose responses stand the other way round in its own input."""

    @property
    def failures(self) -> dict[str, int]:
        """Return its failures of pairs, by reason."""
        reasons = Counter(d.failure for d in self.decisions.values() if d.failure is not None)
        return {str(reason): count for reason, count in sorted(reasons.items())}


def read_run(folder: Path, every: int = 1) -> list[System]:
    """Return the systems of a run folder: the judge, if one took part, and each reward model.

    A row that was no pair (bad JSON, an empty response ...) is a failure of all of them. A pair
    that the judge failed on was never shown to the reward models beside it: they have no decision.

    Args:
        every: only the first of each so many judgments and failures is read.

    Raises:
        UsageError: when it is not a run folder or damaged, or a complete run that was cut since.
    """
    config = read_config(folder)
    origin = _origin(folder, config)
    model = str(config["config"].get("model", folder.name))
    judge = None
    if "mode" in config["config"]:
        judge = System(Path(model).name or model, "judge", origin=origin)
    scorers = {
        name: System(name, "reward_model", origin=origin)
        for name in config["config"].get("scorer") or {}
    }
    for pair_id, decision, rewarded in read_rows(folder / JUDGMENTS, _decisions, every):
        if judge is not None:
            judge.decisions[pair_id] = decision
        for name, of_scorer in rewarded.items():
            there = scorers.get(name)
            if there is None:
                there = scorers[name] = System(name, "reward_model", origin=origin)
            there.decisions[pair_id] = of_scorer
    systems = [*([judge] if judge else []), *scorers.values()]
    if not systems:  # every row of a reward model's run failed
        systems = [System(Path(model).name or model, "reward_model", origin=origin)]
    for failure in read_failures(folder, every):
        _add_failure(failure, judge, systems)
    check_run(folder)
    _add_costs(folder, systems, judge)
    return systems


def read_config(folder: Path) -> dict[str, Any]:
    """Return a run folder's ``config.json``.

    Raises:
        UsageError: when there is none, or it is none of a run.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; expected a run folder of judge batch or score")
    file = folder / CONFIG
    try:
        config = json.loads(file.read_bytes())
        config["config"].items(), config["identity"].items()
    except FileNotFoundError:
        raise UsageError(f"{folder} is not a run folder: it has no {CONFIG}") from None
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(f"{file} is damaged") from None
    return dict(config)


def _origin(folder: Path, config: Mapping[str, Any]) -> Origin:
    asked = config["config"]
    return Origin(
        folder=str(folder),
        input=str(asked.get("input", "-")),
        split=asked.get("split"),
        subset=asked.get("subset"),
        revision=asked.get("revision"),
        identity=str(config["identity"].get("input", "")),
        complete=is_complete(folder),
        strip_thinking=bool(asked.get("strip_thinking")),
        empty_responses=bool(asked.get("empty_responses")),
    )


def _decisions(row: dict[str, Any]) -> tuple[str, Decision, dict[str, Decision]]:
    """Return a judgment's pair id, its decision, and that of each reward model."""
    orders = [row["orders"][order] for order in ("given", "flipped") if order in row["orders"]]
    own = Decision(
        preference=row["preference"],
        strength=row["strength"],
        probability=row["probability"],
        first_slot=tuple(verdict["strength"] < 0 for verdict in orders),
        order_probabilities=tuple(_order_probabilities(row["orders"])),
        consistent=row["consistent"],
    )
    rewarded = {}
    for name, scored in row.get("scorers", {}).items():
        if scored.get("failure") is not None:
            rewarded[name] = failed(scored["failure"]["reason"])
            continue
        one, two = row["rewards"][name]
        rewarded[name] = Decision(
            preference=scored["preference"], probability=scored["probability"], rewards=(one, two)
        )
    return str(row["pair_id"]), own, rewarded


def _order_probabilities(orders: Mapping[str, Any]) -> Iterator[float]:
    for order in ("given", "flipped"):
        log_probs = orders[order]["log_probs"] if order in orders else None
        if log_probs is None:
            continue
        mass = [0.0 if p is None else math.exp(p) for p in log_probs]
        first, second = math.fsum(mass[:3]), math.fsum(mass[3:])
        yield first / (first + second) if order == "given" else second / (first + second)


def _add_failure(failure: Failure, judge: System | None, systems: list[System]) -> None:
    """Record a failure with the systems that it concerns: the judge alone where it had an order."""
    of_judge = judge is not None and failure.order is not None
    for system in systems:
        if of_judge and system is not judge:
            system.unasked += 1
        elif failure.pair_id is None or failure.pair_id in system.decisions:
            system.stray_failures[failure.reason] += 1
        else:
            system.decisions[failure.pair_id] = failed(failure.reason)


def _add_costs(folder: Path, systems: list[System], judge: System | None) -> None:
    """Add what ``summary.json`` says of tokens and time; nothing where there is none."""
    try:
        summary = read_summary(folder)
    except UsageError:
        return  # an interrupted run, or one of another version: its cost is not known
    if summary.session is None:
        return
    judged, session = summary.judged, summary.session
    pace = session.pairs_per_second
    whole = judged and not session.resumed_after
    tokens = {n: c["prompt_tokens"] / judged for n, c in session.scorers.items() if whole}
    used = (summary.prompt_tokens, summary.completion_tokens)
    own = [count / judged if judged else None for count in used]
    seconds = 1 / pace if pace else None
    for system in systems:
        if system is judge:
            beside = tuple(other.name for other in systems if other is not judge)
            system.cost = Cost(own[0], own[1], seconds, beside)
        else:
            system.cost = Cost(tokens.get(system.name), 0, None if judge else seconds)
