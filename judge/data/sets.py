"""Training examples of a pair: the Overall and the All set, completion styles, flipped copies."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from judge.annotated import AnnotatedPair
from judge.consensus import Consensus
from judge.data.justification import (
    Justification,
    names_by_place,
    training_elaboration,
)
from judge.pair import Annotation, Pair
from judge.verdict import Order, flip_names, flip_strength, render_statement

Style = Literal["elaboration_first", "statement_first", "statement_only", "label_only"]
ELABORATED: tuple[Style, ...] = ("elaboration_first", "statement_first")
"""The styles that need a justification; the others come from the consensus alone."""
Justifications = Literal["overall", "all"]

NoExample = Literal[
    "undecided",
    "no_annotator_at_overall",
    "no_statement",
    "no_elaboration",
    "names_by_place",
]
"""Why a style has no example of a pair: overall 0; nobody gave the overall strength; no
justification has a statement; nothing stands beside it; it names responses in words that cannot be
flipped."""


class Example(BaseModel):
    """One prompt and completion to train on, in one order and one style."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair: Pair
    """As the model sees it: already flipped where ``order`` says so."""
    order: Order = "given"
    style: Style
    strength: int
    """-3..3 without 0, in this order."""
    elaboration: str = ""
    """Empty in the styles without one; names as in this order."""
    source: str = ""

    @property
    def completion(self) -> str:
        """Return the text to train on; ``elaboration_first`` is what ``parse_completion`` reads."""
        statement = render_statement(self.strength)
        match self.style:
            case "elaboration_first":
                return f"{self.elaboration}\n{statement}"
            case "statement_first":
                return f"{statement}\n{self.elaboration}"
            case "statement_only":
                return statement
            case "label_only":
                return "1" if self.strength < 0 else "2"

    def flipped(self) -> Example:
        """Return the copy with responses, sign, names and order exchanged; twice is identity."""
        return self.model_copy(
            update={
                "pair": self.pair.flipped(),
                "order": "flipped" if self.order == "given" else "given",
                "strength": flip_strength(self.strength),
                "elaboration": flip_names(self.elaboration),
            }
        )


class _Usable(BaseModel):
    model_config = ConfigDict(frozen=True)

    strength: int
    elaboration: str


def examples_of(
    row: AnnotatedPair,
    agreed: Consensus,
    splits: Sequence[Justification],
    *,
    justifications: Justifications,
    styles: Sequence[Style],
    flipped: bool,
    seed: int,
) -> tuple[list[Example], Counter[tuple[Style, NoExample]]]:
    """Return a row's examples and why styles have none; each flipped copy follows its original.

    Overall set: one justification drawn, by seed and pair id alone, among the annotators who gave
    the overall strength. All set: each of the most similar annotations with its own strength. The
    styles without a justification always give one example, of the consensus.

    Args:
        agreed: the row's consensus, not a dropped one; strength 0 only for the All set.
        splits: ``split_justification`` of each of the row's annotations.
    """
    assert agreed.strength is not None
    examples: list[Example] = []
    missing: Counter[tuple[Style, NoExample]] = Counter()
    usable: list[_Usable] = []
    why_none: NoExample | None = None
    if any(style in ELABORATED for style in styles):
        usable, why_none = _usable(row, agreed, splits, justifications, flipped)
        if usable and justifications == "overall":
            usable = [random.Random(f"{seed}:{row.pair.pair_id}").choice(usable)]
    for style in styles:
        if style in ELABORATED:
            chosen, why = usable, why_none
        elif agreed.strength == 0:
            chosen, why = [], "undecided"
        else:
            chosen, why = [_Usable(strength=agreed.strength, elaboration="")], None
        if not chosen and why is not None:
            missing[style, why] += 1
        for one in chosen:
            example = Example(
                pair=row.pair,
                style=style,
                strength=one.strength,
                elaboration=one.elaboration,
                source=row.source,
            )
            examples += [example, example.flipped()] if flipped else [example]
    return examples, missing


def _usable(
    row: AnnotatedPair,
    agreed: Consensus,
    splits: Sequence[Justification],
    justifications: Justifications,
    flipped: bool,
) -> tuple[list[_Usable], NoExample | None]:
    """Return the annotations fit for the elaborated styles, or why there are none."""
    stages: list[NoExample] = [
        "no_annotator_at_overall",
        "no_statement",
        "no_elaboration",
        "names_by_place",
    ]
    reached = 0
    found: list[_Usable] = []
    for index, annotation in _candidates(row.annotations, agreed, justifications):
        split = splits[index]
        elaboration = training_elaboration(split)
        stage = 1 if split.position == "none" else 2 if not elaboration else 3
        if stage == 3 and not (flipped and names_by_place(elaboration)):
            found.append(_Usable(strength=annotation.strength, elaboration=elaboration))
        reached = max(reached, stage)
    return found, None if found else stages[reached]


def _candidates(
    annotations: Sequence[Annotation], agreed: Consensus, justifications: Justifications
) -> Iterator[tuple[int, Annotation]]:
    for index, annotation in enumerate(annotations):
        if justifications == "all":
            if index in agreed.kept:
                yield index, annotation
        elif annotation.strength == agreed.strength:
            yield index, annotation
