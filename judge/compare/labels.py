"""What people say of the pairs, as one more system: from columns, label files, annotations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judge.annotated import Problem
from judge.compare.metadata import USUAL_COLUMNS, PairMetadata, columns_of, metadata_of
from judge.compare.systems import Decision, Origin, System, failed
from judge.errors import RowError, UsageError
from judge.formats.annotated import read_annotated
from judge.formats.fields import given_id, row_fields
from judge.formats.generic import LABEL_FIELDS, STRENGTH_FIELDS, label_of, strength_of
from judge.formats.labels import Label, Rule, Vote, decide, vote_of, votes_of
from judge.formats.registry import PAIRS
from judge.formats.rows import Row, Unusable
from judge.formats.sources import FileSource


@dataclass
class Labels:
    """People's decisions, and what their file says of the pairs."""

    people: System
    metadata: dict[str, PairMetadata] = field(default_factory=dict)
    """By the file's own pair ids; empty where the labels are a column of the runs' input."""
    notes: list[str] = field(default_factory=list)
    """What of the file was not used, one line each."""


def read_labels(
    source: str, rule: Rule = "consensus", columns: Collection[str] = (), name: str = "people"
) -> Labels:
    """Return the labels of a file: annotated pairs of any known format, or ids with labels.

    A file of ids with labels (.csv, .jsonl, .json, .parquet) has ``pair_id`` (or ``id``), and
    ``label`` (or ``preference``, ``winner``) and/or ``strength`` (or ``preference_strength``,
    ``margin``); an id may stand in several rows, one a person. Everything else (docs/formats.md) is
    read as annotated pairs; what came with the file as its consensus counts where it has no
    annotations.

    Args:
        columns: fields of the rows to keep besides the usual ones, for slices and weights.

    Raises:
        UsageError: when there is no such file, a label means nothing, or no row has one.
    """
    path = Path(source)
    if path.is_file() and _is_label_file(path):
        return _from_label_file(path, rule, columns, name)
    return _from_annotated(source, {}, rule, name)


def labels_of_input(origin: Origin, rule: Rule = "consensus", name: str = "people") -> Labels:
    """Return the labels that a run's own input carries; as :func:`read_labels`."""
    if origin.input == "-":
        raise UsageError("the pairs came from the standard input, which is gone")
    where: dict[str, Any] = {"empty_responses": origin.empty_responses}
    if not Path(origin.input).exists():  # of the hub
        where |= {"subset": origin.subset, "revision": origin.revision, "split": origin.split}
    return _from_annotated(origin.input, where, rule, name)


def labels_of_column(
    metadata: Mapping[str, PairMetadata],
    column: str,
    rule: Rule = "consensus",
    name: str = "people",
) -> Labels:
    """Return the labels in one column of a run's input (:func:`read_metadata` must have kept it).

    A column called like a strength holds signed strengths, any other one labels.

    Raises:
        UsageError: when no row has it, or a value means nothing.
    """
    degrees = any(word in column for word in STRENGTH_FIELDS)
    key = STRENGTH_FIELDS[0] if degrees else LABEL_FIELDS[0]
    votes: dict[str, list[Vote]] = {}
    for pair_id, known in metadata.items():
        value = known.columns.get(column)
        vote = None if value is None else _vote({key: value}, f"column {column} of {pair_id!r}")
        votes[pair_id] = [] if vote is None else [vote]
    if not any(votes.values()):
        raise UsageError(f"no row of the runs' input has a label in a column {column}")
    return Labels(_people(name, votes, rule))


def _is_label_file(path: Path) -> bool:
    """Say whether the first readable row has a label, and is no pair of a known format."""
    for record in FileSource.open(path, labels=True).records():
        try:
            fields = row_fields(record.row)
        except RowError:
            continue
        has_label = any(name in fields for name in (*LABEL_FIELDS, *STRENGTH_FIELDS))
        return has_label and not any(known.recognises(fields) for known in PAIRS)
    raise UsageError(f"{path} has no row that can be read")


def _from_label_file(path: Path, rule: Rule, columns: Collection[str], name: str) -> Labels:
    votes: defaultdict[str, list[Vote]] = defaultdict(list)
    metadata: dict[str, PairMetadata] = {}
    wanted = dict.fromkeys((*USUAL_COLUMNS, *columns))
    for record in FileSource.open(path, labels=True).records():
        where = f"{path} line {record.line}"
        try:
            fields = row_fields(record.row)
            pair_id = given_id(fields)
        except RowError as error:
            raise UsageError(f"{where}: {error.detail}") from None
        if pair_id is None:
            raise UsageError(f"{where}: no pair_id; expected the id of a judged pair")
        vote = _vote(fields, where)
        votes[pair_id] += [] if vote is None else [vote]
        metadata[pair_id] = PairMetadata(columns_of(fields, wanted))
    if not any(votes.values()):
        raise UsageError(f"{path}: no row has a label")
    return Labels(_people(name, votes, rule), metadata)


def _vote(fields: Mapping[str, Any], where: str) -> Vote | None:
    """Return the label of a row, None where it is left blank."""
    row = Row(fields)
    try:
        label = label_of(row)
        strength = strength_of(row, label)
    except Unusable as error:
        raise UsageError(f"{where}: {error}") from None
    if row.problems:
        raise UsageError(f"{where}: {row.problems[0][1]}, which is not on the scale -3 to 3")
    if strength is None:
        return None
    has_degree = any(fields.get(name) not in (None, "") for name in STRENGTH_FIELDS)
    return vote_of(strength, has_degree)


def _from_annotated(source: str, where: Mapping[str, Any], rule: Rule, name: str) -> Labels:
    votes: dict[str, list[Vote]] = {}
    metadata: dict[str, PairMetadata] = {}
    problems: Counter[str] = Counter()
    for item in read_annotated(source, **where):
        if isinstance(item, Problem):
            problems[item.reason] += 1
            continue
        pair_id = item.pair.pair_id
        votes[pair_id] = votes_of(item)
        own = {"source": item.source, **item.columns}
        metadata[pair_id] = metadata_of(item.pair, columns_of(own, own))
    if not any(votes.values()):
        raise UsageError(f"{source}: no pair has a label")
    notes = [f"{source}: {count:,} x {reason}" for reason, count in sorted(problems.items())]
    return Labels(_people(name, votes, rule), metadata, notes)


def _people(name: str, votes: Mapping[str, list[Vote]], rule: Rule) -> System:
    """Return people as a system; their strengths go where all of them are of one degree."""
    decisions = {pair_id: _decision(decide(of_pair, rule)) for pair_id, of_pair in votes.items()}
    degrees = {abs(d.strength) for d in decisions.values() if d.strength}
    if len(degrees) < 2:  # "better" for want of a degree, as benchmarks' labels are read
        decisions = {
            pair_id: Decision(d.preference, failure=d.failure) for pair_id, d in decisions.items()
        }
    return System(name, "people", decisions)


def _decision(label: Label) -> Decision:
    if label.missing is not None:
        return failed(label.missing)
    return Decision(preference=label.preference, strength=label.strength)
