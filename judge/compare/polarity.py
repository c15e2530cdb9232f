"""Which response an elaboration speaks for, read from names and polarity by rule.

An elaboration is cut into clauses. A clause is about the response it names first, unless that name
only stands for comparison ("than @Response 2"), or, where it names none, about the one before it.
Its polarity is the sum of its words' (:data:`GOOD`, :data:`BAD`), each turned round by a negation
shortly before it. What is said for a response, and against the other one, speaks for it.

The words are those of people who compared arguments (the training debates of UKPConvArg1, see
NOTICE) and of HelpSteer2's guidelines; none of them speaks of a topic. How often the rule is right
is measured by ``scripts/explanation_check.py`` and said in ``docs/compare.md``. Irony, and praise
that names no quality ("it mentions the cost"), are beyond it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Side = Literal[1, 2]

_NAME = re.compile(r"@\s?response\s?([12])(?!\d)", re.IGNORECASE)
# "than @Response 2" names what the other one is compared with.
_COMPARED = re.compile(
    r"\b(?:than|compared to|compared with|over|unlike|like|against|does|do|did|is|was|as)\s*$",
    re.IGNORECASE,
)
_BOTH = re.compile(r"\b(?:both|neither|each|either)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r"[.;!?\n]+|,?\s*\b(?:while|whilst|whereas|but|although|though|however|even if|where as)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]+(?:['\u2019]t\b)?", re.IGNORECASE)
_LONGEST = 20_000
"""Characters that are read; no reason that a person writes is longer."""

_GOOD_TEXT = """
accept accura actual address answers appropriat articula backs balance believ best better calm
clarif clear cogent coheren compelling complete comprehens concise consider convinc correct
creativ credib decent deep depth descripti detail develop direct easier easy elaborat eloquen
engag evidence exact example excellent expand expert explain explor fact factual fluent focus
follows genuine good grammatically great ground help honest impress informa insight intellig
interest justif knowledge legitima logic making mature meaning more nice nuanc objectiv organi
perfect persua persuas pertinent plausib point polite positiv powerful practical precise proof
proper provid provok quote rational readab realis reason refut relat releva research respectful
satisf scenario sensible shows sincer solid solution source specific statistic stays sticks
straight strong stronge structur substance succinct superior support sympath thorough thought
touches true trust unbiased understand understood unique useful valid valuable verif well wise
written
"""
GOOD = frozenset(_GOOD_TEXT.split())
"""Beginnings of words that praise what they are said of."""

_BAD_TEXT = """
absurd aggress angry annoy argumentative arrogan assum attack awkward bad bash bias bland
blanket boring childish circular clutter condescend confus contradict crude demean derogat
dismissive distract drag dumb error exaggerat exception fallac fals faulty flaw fluff foolish
generaliz grammatical hallucinat harsh hominem hostile ignor illogic immature impolite inaccura
inappropriate incoheren incomplete inconsisten incorrect inferior insuffic insult invalid
irrational irreleva jok judgmental jumbl less limited merely messy mislead misses missing
misspell mistake mock narrow nasty nonsens off offens outlandish overly pointless poor preach
racist rambl random rant redundan repeat repetit resort ridicul rude sarcas shallow short silly
simplistic sloppy speculat spelling strange stray stupid subjective superficial tangent too
troll typo unable unclear unconvincing uneducated unfair unfinished unfocused unhelpful uninform
unnecessary unorganized unprofessional unreal unreasonable unrelated unsub unsupported unsure
untrue useless vague vulgar wander weak whin wordy worse worst wrong yell
"""
BAD = frozenset(_BAD_TEXT.split())
"""Beginnings of words that find fault with what they are said of; they go before :data:`GOOD`."""

_NEGATION_TEXT = """
barely cannot cant could didnt doesnt dont fail failed failing fails hardly instead isnt lack
lacked lacking lacks little neither never no none nor not nothing should supposed unable wasnt
without wont
"""
_NEGATION = frozenset(_NEGATION_TEXT.split())
_REACH = 5
"""Words that a negation reaches over."""
_NO_NEGATION = frozenset({"only", "more", "bit", "better", "just"})
"""After a negation they make none of it: "not only", "a little more"."""
_TURNS = frozenset({"less", "fewer", "least"})
_MORE = frozenset({"more", "most", "both", "several", "multiple", "also", "actually", "least"})
_FAINT = frozenset({"only", "just", "simply", "merely"})


SURE = 2
"""The score from which a reading is held against a statement. Of people's reasons under exchanged
statements it finds less than two thirds of what 1 finds, with a quarter of the false alarms."""


class Polarity(NamedTuple):
    """What was read in an elaboration."""

    favours: Side | None
    """None where it speaks for neither, or for both alike."""
    score: int
    """How much more is said for the one than for the other; 0 where ``favours`` is None."""


def contrary(elaboration: str, strength: int) -> bool:
    """Say whether ``elaboration`` surely speaks for the other response than ``strength`` names.

    Args:
        strength: signed as everywhere, not 0: below 0 Response 1 is better.
    """
    reading = read(elaboration)
    return reading.score >= SURE and reading.favours == (2 if strength < 0 else 1)


def read(elaboration: str) -> Polarity:
    """Return which response ``elaboration`` speaks for, in its own names; linear in its length."""
    score = sum(
        polarity(clause) * (1 if side == 1 else -1) for side, clause in _clauses(elaboration)
    )
    favours: Side | None = None if score == 0 else (1 if score > 0 else 2)
    return Polarity(favours, abs(score))


def _clauses(text: str) -> Iterator[tuple[Side, str]]:
    """Yield the clauses that are about one response, with that response."""
    about: Side | None = None
    for clause in _CLAUSE.split(text[:_LONGEST]):
        names = list(_NAME.finditer(clause))
        subjects = [n for n in names if not _COMPARED.search(clause[: n.start()][-12:])]
        if _BOTH.search(clause[: names[0].start()] if names else clause):
            continue
        if names and not subjects:
            # Only compared with: the clause is about the other one.
            about = 2 if names[0][1] == "1" else 1
        begins = [n.start() for n in subjects]
        if begins:
            # What stands before the first name ("There is more to ...") is about it, too.
            begins[0] = 0
        for name, begin, end in zip(subjects, begins, [*begins[1:], len(clause)], strict=False):
            about = 1 if name[1] == "1" else 2
            yield about, _NAME.sub(" ", clause[begin:end])
        if not subjects and about is not None:
            yield about, _NAME.sub(" ", clause)


def polarity(clause: str) -> int:
    """Return how many words praise less how many find fault, negations applied.

    A clause without either is -1 where it negates or says "only", 1 where it says "more".
    """
    words = [word.lower().replace("\u2019", "'") for word in _WORD.findall(clause)]
    total = bare = faint = 0
    reach = -1  # the last word that a negation turns
    for index, word in enumerate(words):
        after = words[index + 1] if index + 1 < len(words) else ""
        before = words[index - 1] if index else ""
        sign = _sign(word)
        if (word in _TURNS and before != "at") or (_negates(word) and after not in _NO_NEGATION):
            reach, faint = index + _REACH, faint + 1
        elif word in _FAINT and before != "not":
            faint += 1
        elif word in _MORE:
            bare += 1
        elif sign:
            total += -sign if index <= reach else sign
    if total:
        return total
    return -1 if faint else min(bare, 1)


def _negates(word: str) -> bool:
    return word in _NEGATION or word.endswith("n't")


def _sign(word: str) -> int:
    """Return 1 for praise, -1 for fault, 0 for every other word."""
    starts = [word[:size] for size in range(3, len(word) + 1)]
    if any(start in BAD for start in starts):
        return -1
    return 1 if any(start in GOOD for start in starts) else 0
