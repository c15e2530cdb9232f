"""What people read for the names in the report."""

from __future__ import annotations

from judge.data.justification import Position

STRENGTH_NAMES = {
    "-3": "-3: 1 much better",
    "-2": "-2: 1 better",
    "-1": "-1: 1 slightly better",
    "0": "0: undecided",
    "1": "1: 2 slightly better",
    "2": "2: 2 better",
    "3": "3: 2 much better",
}
STAGE_NAMES = {
    "annotations": "as collected",
    "collected": "as collected",
    "with_consensus": "with consensus",
    "kept": "kept",
}
SET_NAMES = {"useful": "all useful", "all_set": "All set", "overall_set": "Overall set"}
POSITION_NAMES: dict[Position, str] = {
    "first": "statement first only",
    "first_and_last": "statement first and last",
    "last": "statement last only",
    "none": "no statement at the ends",
}
SIZE_NAMES = {
    "sentences": "sentences, mean",
    "characters": "characters, mean",
    "words": "words, mean",
    "statement_words": "  of the statement",
    "elaboration_words": "  of the elaboration",
}
