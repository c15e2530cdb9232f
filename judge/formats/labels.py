"""What people say of a pair: their votes out of a row of any public layout, and what they decide.

For whoever sets systems beside people, when all is judged: a judge's prompts come from
:mod:`judge.formats.pairs`, which knows no label.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, NamedTuple

from judge.annotated import AnnotatedPair
from judge.consensus import consensus
from judge.errors import RowError
from judge.formats.fields import row_fields
from judge.formats.pairs import id_of, responses_of
from judge.formats.records import Record
from judge.formats.registry import AUTO, PAIRS, Parser
from judge.formats.rows import Row, Unusable, reason_of
from judge.pair import Annotation
from judge.reward import Preference
from judge.thinking import answer_of
from judge.verdict import NEITHER_VALID

Rule = Literal["consensus", "majority"]
"""How several people's labels of a pair become one. ``consensus``: HelpSteer2-Preference, section 2
(:func:`judge.consensus.consensus`); where one of them has no degree or is a tie, for which that
rule has no place, the majority. ``majority``: votes of one, whatever their degree, so what they
decide has none; as many on both sides are no preference."""
UNLABELLED, TIE = "unlabelled", "tie"
_OTHER: dict[Preference | None, Preference | None] = {
    "response_1": "response_2",
    "response_2": "response_1",
    None: None,
}
_PARSER = Parser(PAIRS, AUTO)


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's label of a pair."""

    better: int
    """1 or 2; 0 for a tie; -100: neither response is valid."""
    strength: int | None = None
    """Signed, where the label has a degree."""


@dataclass(frozen=True, slots=True)
class Label:
    """What people decide on a pair: a preference, a tie (neither field), or why there is none."""

    preference: Preference | None = None
    strength: float | None = None
    """Signed, where their labels have degrees; 0 of a tie among these."""
    missing: str | None = None
    """``unlabelled`` or one of :data:`judge.consensus.DropReason`."""

    def flipped(self) -> Label:
        """Return the label of the flipped pair; twice is the identity."""
        strength = self.strength and -self.strength
        return Label(_OTHER[self.preference], strength, self.missing)


class RowLabel(NamedTuple):
    """What a row of a run's input says of the pair that was judged."""

    line: int
    pair_id: str | None
    preference: Preference | None = None
    why_not: str | None = None
    """None exactly where there is a preference: ``tie``, what :attr:`Label.missing` says, or a
    reason of :data:`judge.annotated.ProblemReason`, of a label or a row that cannot be read."""
    longer: Preference | None = None
    """The response with more characters; None where both have as many, or there is no label."""
    problem: str | None = None
    """What was found in place of a label, in words."""


def decide(votes: Iterable[Vote], rule: Rule = "consensus") -> Label:
    """Return what people decided on a pair."""
    votes = list(votes)
    if not votes:
        return Label(missing=UNLABELLED)
    valid = [vote for vote in votes if vote.better != NEITHER_VALID]
    if not valid:
        return Label(missing="no_valid_annotation")
    strengths = [vote.strength for vote in valid if vote.strength]
    if rule == "consensus" and all(vote.strength == 0 for vote in valid):
        return _label(0, 0.0)
    if rule == "majority" or len(strengths) < len(valid):
        return _label(sum((vote.better == 2) - (vote.better == 1) for vote in valid))
    found = consensus([Annotation(strength=strength) for strength in strengths], keep_zeros=True)
    if found.strength is None:
        return Label(missing=found.dropped)
    return _label(found.strength, float(found.strength))


def _label(sign: int, strength: float | None = None) -> Label:
    if sign == 0:
        return Label(strength=strength)
    return Label("response_1" if sign < 0 else "response_2", strength)


def vote_of(strength: int, has_degree: bool = True) -> Vote:
    """Return the vote that a signed strength, 0 or -100 is."""
    if strength == NEITHER_VALID:
        return Vote(NEITHER_VALID)
    better = 0 if strength == 0 else (1 if strength < 0 else 2)
    return Vote(better, strength if has_degree else None)


def votes_of(item: AnnotatedPair) -> list[Vote]:
    """Return the votes of a pair's annotations; without any, the consensus that it came with."""
    strengths = [annotation.strength for annotation in item.annotations]
    if not strengths and item.released_strength is not None:
        strengths = [item.released_strength]
    return [vote_of(strength) for strength in strengths]


def row_label(
    record: Record, strip_thinking: bool = False, empty_responses: bool = False
) -> RowLabel:
    """Return what a row says of the pair that :func:`judge.formats.pairs.read_row` makes of it.

    The layouts are those of :data:`judge.formats.registry.PAIRS`. Where a row holds more texts than
    the two that were judged, a label of others is none.

    Args:
        strip_thinking: as the pair was read, and so is ``empty_responses``.
    """
    line = record.line
    try:
        fields = row_fields(record.row)
        pair_id = id_of(fields, line)
    except RowError as error:
        return RowLabel(line, None, None, reason_of(error))
    # A split says nothing here, and need not be one of HelpSteer2's.
    others = {name: value for name, value in fields.items() if name != "split"}
    row = Row(others, empty=empty_responses)
    try:
        item = _only_pair(row)
        if item is None:
            return RowLabel(line, pair_id, None, UNLABELLED)
        return _of_judged(line, pair_id, item, row, strip_thinking)
    except Unusable as error:
        return RowLabel(line, pair_id, None, error.reason, None, str(error))
    except RowError as error:
        return RowLabel(line, pair_id, None, reason_of(error), None, error.detail)


def _only_pair(row: Row) -> AnnotatedPair | None:
    """Return the row's pair; None where it is none, several, or bare of any label."""
    known = _PARSER.format_of(row.fields)
    if known is None or not known.may_have_label(row.fields):
        return None
    found = known.parse(row)
    return found[0] if len(found) == 1 else None


def _of_judged(
    line: int, pair_id: str, item: AnnotatedPair, row: Row, strip_thinking: bool
) -> RowLabel:
    label = decide(votes_of(item))
    if label.missing == UNLABELLED and row.problems:
        reason, detail = row.problems[0]
        return RowLabel(line, pair_id, None, reason, None, detail)
    one, two = responses_of(row.fields, row.empty)
    there = (item.pair.response_1, item.pair.response_2)
    if there == (two, one) and one != two:
        label = label.flipped()
    elif there != (one, two):
        return RowLabel(line, pair_id, None, UNLABELLED)
    why_not = label.missing or (None if label.preference else TIE)
    return RowLabel(line, pair_id, label.preference, why_not, _longer(one, two, strip_thinking))


def _longer(one: str, two: str, strip_thinking: bool) -> Preference | None:
    """Return the longer response as it was judged; None where both are as long."""
    if strip_thinking:
        with suppress(RowError):  # then the row failed
            one, two = answer_of("", one, empty=True), answer_of("", two, empty=True)
    if len(one) == len(two):
        return None
    return "response_1" if len(one) > len(two) else "response_2"
