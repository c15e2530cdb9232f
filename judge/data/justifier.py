"""Rows of a justifier's training set: prompts and completions."""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson

from judge.annotated import AnnotatedPair
from judge.consensus import Consensus
from judge.data.config import PrepareConfig
from judge.data.consensus_check import agreed_strength
from judge.data.justification import Justification, split_justification
from judge.data.outcome import Outcome
from judge.data.sets import Example, examples_of
from judge.prompt import Template, render_content
from judge.verdict import JUSTIFY_REGEX

_JUSTIFY = re.compile(JUSTIFY_REGEX)


def justifier_outcome(config: PrepareConfig, template: Template, row: AnnotatedPair) -> Outcome:
    """Return the examples of one row as lines; every reason for having none is counted.

    Each line: ``{"pair_id", "order", "style", "strength", "prompt", "completion", "source"}``.
    A test row gives counts, but no line.
    """
    outcome = Outcome(row.source)
    agreed = agreed_strength(config, row, outcome)
    if outcome.dropped is not None:
        return outcome
    splits = [split_justification(annotation.justification) for annotation in row.annotations]
    _count_statements(row, agreed, splits, outcome)
    examples, missing = examples_of(
        row,
        agreed,
        splits,
        justifications=config.justifications,
        styles=config.styles,
        flipped=config.flipped,
        seed=config.seed,
    )
    for (style, reason), number in missing.items():
        outcome.count("without_example", f"{style}.{reason}", number)
    if not examples:
        outcome.dropped = "no_example_in_any_style"
        return outcome
    outcome.count("strengths", f"{agreed.strength}")
    if row.split != "test":
        _write(examples, template, outcome)
    return outcome


def _count_statements(
    row: AnnotatedPair, agreed: Consensus, splits: Sequence[Justification], outcome: Outcome
) -> None:
    """Count where a kept annotation's statement stood, and if it contradicts the number."""
    for index in agreed.kept:
        strength, split = row.annotations[index].strength, splits[index]
        outcome.count("statement_positions", split.position)
        if split.better is not None and split.better != (1 if strength < 0 else 2):
            outcome.count("statement_disagrees_with_strength", "annotations")


def _write(examples: list[Example], template: Template, outcome: Outcome) -> None:
    contents: dict[str, str] = {}
    for example in examples:
        if example.order not in contents:
            contents[example.order], names = render_content(template, example.pair)
            if example.order == "given" and names:  # once a pair, not once an order
                outcome.count("neutralised", "pairs")
                outcome.count("neutralised", "names", names)
        completion = example.completion
        outcome.count("examples", f"{example.style}.{example.order}")
        # What the constrained judge could not write.
        if example.style == "elaboration_first" and not _JUSTIFY.fullmatch(completion):
            outcome.count("outside_justify_regex", "elaboration_first")
        outcome.lines.append(
            orjson.dumps(
                {
                    "pair_id": example.pair.pair_id,
                    "order": example.order,
                    "style": example.style,
                    "strength": example.strength,
                    "prompt": [{"role": "user", "content": contents[example.order]}],
                    "completion": [{"role": "assistant", "content": completion}],
                    "source": example.source,
                }
            )
        )
