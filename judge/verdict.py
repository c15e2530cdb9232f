"""The statement grammar: rendered (training target), constrained (outlines) and parsed here only.

A statement is ``@Response 1 is slightly better than @Response 2.``; its strength is HelpSteer2's
signed scale: negative where Response 1 is better, 1 slightly, 2 (plain) better, 3 much better.
A completion is an elaboration, a newline and the statement, or the statement alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from judge.thinking import Marks, in_class, rest_regex, thinking_regex

Order = Literal["given", "flipped"]
ORDERS: tuple[Order, Order] = ("given", "flipped")

STRENGTHS: tuple[int, ...] = (-3, -2, -1, 1, 2, 3)
"""The strengths a statement can have. 0 exists only as an undecided consensus."""
NEITHER_VALID = -100
"""The annotators' option "neither response is valid"; never a statement."""

DEGREES = {1: "slightly better", 2: "better", 3: "much better"}

_NAME = re.compile(r"(@\s?response\s?)([12])(?!\d)", re.IGNORECASE)
_STATEMENT = re.compile(
    r"@Response (?P<better>[12]) is (?P<degree>slightly better|much better|better)"
    r" than @Response (?P<worse>[12])\."
)

_GAP = r"[\s*_`\"'\u201c\u201d]*"
_SAID = re.compile(
    rf"response{_GAP}(?P<better>[12]){_GAP}\bis{_GAP}"
    r"(slightly|somewhat|marginally|a (little|bit)|much|far|way|clearly|plainly|definitely"
    r"|significantly|considerably|overall)?"
    rf"{_GAP}better{_GAP}than{_GAP}@?{_GAP}response{_GAP}(?P<worse>[12]){_GAP}([.,;!\n]|$)",
    re.IGNORECASE,
)
"""A statement as people, and models that were not trained on it, may write it."""

STATEMENT_REGEX = (
    r"@Response (1 is (slightly |much )?better than @Response 2"
    r"|2 is (slightly |much )?better than @Response 1)\."
)
"""The six statements, in the regex dialect of outlines."""


def _not_opening_with_a_statement(marks: Sequence[Marks] = ()) -> str:
    """Return a regex of the shortest texts after which a line can no longer be a statement.

    The regex dialect has no look-ahead, so every place where a text can leave the statements' path
    ``@Response N is [slightly|much] better`` is listed.

    Args:
        marks: the text opens with none of these marks of thinking either.
    """
    lead = [(re.escape(c), c) for c in "@Response "] + [("[12]", "12")]
    lead += [(re.escape(c), c) for c in " is "]
    openings = [m.opening for m in marks]
    exits = []
    prefix = ""
    for index, (pattern, characters) in enumerate(lead):
        if index == 0:  # the very first character is no white space either: an elaboration is text
            characters += "".join(sorted({in_class(text[0]) for text in openings})) + r"\s"
        exits.append(rf"{prefix}[^{characters}]")
        prefix += pattern
    degrees = list(DEGREES.values())
    for begun in sorted({words[:size] for words in degrees for size in range(len(words))}):
        after = "".join(sorted({w[len(begun)] for w in degrees if w.startswith(begun)}))
        exits.append(rf"{prefix}{re.escape(begun)}[^{after}]")
    for begun in sorted({text[:size] for text in openings for size in range(1, len(text))}):
        after = "".join(sorted({in_class(t[len(begun)]) for t in openings if t.startswith(begun)}))
        exits.append(rf"{re.escape(begun)}[^{after}]")
    return "(" + "|".join(exits) + ")"


JUSTIFY_REGEX = _not_opening_with_a_statement() + r"[\s\S]*\n" + STATEMENT_REGEX
"""An elaboration that does not open with a statement, a newline, the statement.

The free text is unbounded on purpose: a bound such as ``{0,400}`` takes outlines-core tens of
seconds and gigabytes to compile. The token limit bounds it instead.
"""


def thoughtful_regex(known: Sequence[Marks], opened: Marks | None = None) -> str:
    """Return :data:`JUSTIFY_REGEX` after any thinking: no statement in an open block ends it.

    Without thinking it allows the same texts.

    Args:
        known: what the model may open its thinking with.
        opened: the marks of a block that the prompt opened.
    """
    rest = "" if opened is None else rest_regex(opened)
    begun = {m.opening[:size] for m in known for size in range(1, len(m.opening))}
    told = [_not_opening_with_a_statement(known) + r"[\s\S]*", *map(re.escape, sorted(begun))]
    return rf"{rest}{thinking_regex(known)}({'|'.join(told)})\n{STATEMENT_REGEX}"


def render_statement(strength: int) -> str:
    """Return the statement of ``strength`` (one of :data:`STRENGTHS`).

    Raises:
        ValueError: for 0, -100 and every other number: they have no statement.
    """
    if strength not in STRENGTHS:
        raise ValueError(f"no statement has strength {strength}; expected one of {STRENGTHS}")
    better, worse = (1, 2) if strength < 0 else (2, 1)
    return f"@Response {better} is {DEGREES[abs(strength)]} than @Response {worse}."


def parse_statement(text: str) -> int | None:
    """Return the strength of the one statement that is the whole of ``text``, or None.

    Strict: other wording, two names alike, or text around it give None, never a guess.
    """
    match = _STATEMENT.fullmatch(text.strip())
    if match is None or match["better"] == match["worse"]:
        return None
    degree = next(d for d, words in DEGREES.items() if words == match["degree"])
    return -degree if match["better"] == "1" else degree


def statements_in(text: str) -> set[int]:
    """Return the strengths of all statements in ``text``, also of those inside its sentences."""
    found = {m.group() for m in _STATEMENT.finditer(text)}
    return {strength for statement in found if (strength := parse_statement(statement))}


def sides_in(text: str) -> set[int]:
    """Return which responses (1, 2) ``text`` says outright to be better, in whatever writing.

    ``**Response 2** is clearly better than Response 1.`` says so; ``... in its tone`` does not.
    """
    return {int(m["better"]) for m in _SAID.finditer(text) if m["better"] != m["worse"]}


def may_become_statement(line: str) -> bool:
    """Say whether a line that is still being written may yet be a statement, or is one."""
    return any(render_statement(strength).startswith(line) for strength in STRENGTHS)


def parse_completion(text: str) -> tuple[int, str] | None:
    """Return ``(strength, elaboration)`` of a completion that ends with a statement line, or None.

    The statement must be the last line by itself; a statement inside the elaboration, however often
    it is repeated, never counts.
    """
    elaboration, _, last = text.rstrip().rpartition("\n")
    strength = parse_statement(last)
    return None if strength is None else (strength, elaboration.strip())


def flip_names(text: str) -> str:
    """Exchange the names ``@Response 1`` and ``@Response 2`` in ``text``; twice is the identity."""
    return _NAME.sub(lambda m: m[1] + ("2" if m[2] == "1" else "1"), text)


def flip_strength(strength: int) -> int:
    """Return ``strength`` as seen with the responses exchanged; -100 and 0 stay."""
    return strength if strength == NEITHER_VALID else -strength


class Distribution(BaseModel):
    """A judge's probabilities of the six strengths, in the order of :data:`STRENGTHS`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_probs: tuple[float, float, float, float, float, float]
    """Natural logarithms, normalised over the six."""
    off_grammar: float = 0.0
    """Probability, 0 to 1, that the model gave to other words where the statement branches."""

    @property
    def log_odds(self) -> float:
        """Return log P(Response 1 better) - log P(Response 2 better)."""
        return _log_sum(self.log_probs[:3]) - _log_sum(self.log_probs[3:])

    @property
    def probability(self) -> float:
        """Return P(Response 1 better), 0 to 1."""
        return sigmoid(self.log_odds)

    @property
    def strength(self) -> int:
        """Return what greedy constrained decoding says: the likelier response, then its degree.

        Response 1 where both are as likely; the smaller of two degrees as likely.
        """
        sign = -1 if self.log_odds >= 0 else 1
        of = dict(zip(STRENGTHS, self.log_probs, strict=True))
        return sign * max(DEGREES, key=lambda degree: of[sign * degree])

    def flipped(self) -> Distribution:
        """Return the distribution with the responses exchanged."""
        a, b, c, d, e, f = self.log_probs
        return Distribution(log_probs=(f, e, d, c, b, a), off_grammar=self.off_grammar)


class Verdict(BaseModel):
    """What the judge said in one order, in the words of that order: names as the model saw them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: int
    """-3..3 without 0; Response 1 is the one the model saw first."""
    statement: str
    elaboration: str | None = None
    """None in ``verdict`` mode."""
    thinking: str | None = None
    """What a reasoning model wrote before, kept apart; None where it wrote none."""
    distribution: Distribution | None = None
    """None where the engine gives no probabilities."""
    finish_reason: Literal["read", "stop", "forced"]
    """``read``: no free text (verdict mode); ``stop``: the model came to its statement by itself;
    ``forced``: it ran out of tokens and the statement was asked for in a second step."""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def flipped(self) -> Verdict:
        """Return the verdict in the words of the other order: sign and names exchanged."""
        return self.model_copy(
            update={
                "strength": flip_strength(self.strength),
                "statement": flip_names(self.statement),
                "elaboration": None if self.elaboration is None else flip_names(self.elaboration),
                "thinking": None if self.thinking is None else flip_names(self.thinking),
                "distribution": self.distribution and self.distribution.flipped(),
            }
        )


def sigmoid(log_odds: float) -> float:
    """Return 1 / (1 + exp(-log_odds)) without overflow."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    return math.exp(log_odds) / (1.0 + math.exp(log_odds))


def _log_sum(values: tuple[float, ...]) -> float:
    top = max(values)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(v - top) for v in values))
