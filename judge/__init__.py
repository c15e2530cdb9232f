"""Pairwise Justifier: says which of two responses is better, and why.

From Python::

    from judge import Judge, Pair

    with Judge("small") as judge:
        judgment = judge.judge(Pair.of("What is 2 + 2?", "4", "5"))

Importing this package loads nothing heavy: a name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from judge.config import JudgeConfig
    from judge.errors import UsageError
    from judge.infer.api import Judge, RewardModel, read_pairs
    from judge.infer.respond.api import Responder
    from judge.judgment import Failure, Judgment
    from judge.pair import Message, Pair
    from judge.reward import Reward
    from judge.runs.responses import NoResponse, Responses
    from judge.verdict import Verdict

__version__ = "0.1.0"
__all__ = [
    "Failure",
    "Judge",
    "JudgeConfig",
    "Judgment",
    "Message",
    "NoResponse",
    "Pair",
    "Responder",
    "Responses",
    "Reward",
    "RewardModel",
    "UsageError",
    "Verdict",
    "read_pairs",
]
_HOMES = {
    "Failure": "judge.judgment",
    "Judge": "judge.infer.api",
    "JudgeConfig": "judge.config",
    "Judgment": "judge.judgment",
    "Message": "judge.pair",
    "NoResponse": "judge.runs.responses",
    "Pair": "judge.pair",
    "Responder": "judge.infer.respond.api",
    "Responses": "judge.runs.responses",
    "Reward": "judge.reward",
    "RewardModel": "judge.infer.api",
    "UsageError": "judge.errors",
    "Verdict": "judge.verdict",
    "read_pairs": "judge.infer.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'judge' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
