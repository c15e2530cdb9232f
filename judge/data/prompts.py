"""Rows of a set of prompts, which a policy answers while it is trained; evaluation prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from judge.data.checks.contamination import BenchmarkPrompts
from judge.data.checks.inputs import Prompts
from judge.data.outcome import Outcome, messages
from judge.errors import UsageError
from judge.formats.prompts import FoundPrompt
from judge.pair import Message


def prompt_outcome(found: FoundPrompt) -> Outcome:
    """Return a prompt as a line.

    The line: ``{"prompt_id", "messages", "source"}``; the last message is the user's, or a tool's.
    """
    outcome = Outcome(found.source)
    if found.split == "test":
        return outcome
    outcome.count("examples", "prompts")
    if found.later:
        outcome.count("later_turns", "left_out", found.later)
    line = {"prompt_id": found.id, "messages": messages(found.messages), "source": found.source}
    outcome.lines.append(orjson.dumps(line))
    return outcome


class EvaluationPrompts:
    """Evaluation sets whose prompts must not be trained on.

    The rule is that of ``judge data check --against``: seven words in a row in common, unless they
    are mostly those of a template.

    Args:
        names: files or hub ids: of pairs, of ratings, or of questions.

    Raises:
        UsageError: when one cannot be read, or holds no prompt.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._sets = [Prompts(name) for name in names]
        self._prompts = [BenchmarkPrompts(one.name, one) for one in self._sets]
        for of in self._prompts:
            if not of.rows:
                raise UsageError(f"{of.name}: holds no prompt that can be read")

    def holds(self, prompt: Sequence[Message]) -> bool:
        """Say whether one of them has this prompt, or shares more than a template with it."""
        found = (of.overlap(prompt) for of in self._prompts)
        return any(overlap is not None and not overlap.only_template for overlap in found)

    def identity(self) -> dict[str, Any]:
        """Return the digest of every file by the set's name, for the manifest."""
        return {one.name.rsplit("/", 1)[-1]: one.digests() or "newest" for one in self._sets}
