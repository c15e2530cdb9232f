"""The errors of the package, and what each caller does with them.

    JudgeError
    |-- UsageError      the command cannot start (bad file, folder, option): one line, exit code 2
    |-- BudgetExceeded  more failed rows than the run allows: what is written stays, exit code 4
    `-- RowError        one row cannot be judged: it becomes one failure line, the run goes on

Nothing below the command line prints or exits; nothing turns an error into a verdict.
"""

from __future__ import annotations

from typing import Literal

FailureReason = Literal[
    "bad_json",
    "bad_encoding",
    "missing_field",
    "wrong_type",
    "empty_response",
    "identical_responses",
    "duplicate_id",
    "nul_character",
    "line_too_long",
    "prompt_too_long",
    "bad_prompt",
    "unparseable",
    "truncated",
    "refused",
    "engine_error",
]
"""Why a row has no usable verdict. The set is closed: the summary counts by it."""


OF_THE_ENGINE: frozenset[str] = frozenset(("unparseable", "truncated", "refused", "engine_error"))
"""The reasons that say nothing of the row: whatever runs the model gave no verdict."""


def first_line(error: BaseException) -> str:
    """Return what an error says in one line; of pydantic's, the first thing that is wrong."""
    problems = getattr(error, "errors", None)
    text = str(problems()[0]["msg"]) if callable(problems) else str(error)
    text = text.removeprefix("Value error, ")
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


class JudgeError(Exception):
    """Base of every error this package raises on purpose; ``str()`` is one readable line."""


class UsageError(JudgeError):
    """The command cannot start or go on as asked; nothing was overwritten."""


class BudgetExceeded(JudgeError):
    """The run stopped because more rows failed than ``max_failures`` allows."""


class RowError(JudgeError):
    """One row has no usable verdict.

    Args:
        reason: one of :data:`FailureReason`.
        detail: one line for people: what was found and what was expected.
    """

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: FailureReason = reason
        self.detail = detail
