"""Annotations or ratings to ``train.jsonl`` and ``val.jsonl``: the whole of `judge data prepare`.

A row is read once and becomes lines at once, but its side and its place in the shuffled sets are
known only after the last row. Meanwhile the lines lie on the disk (:mod:`judge.data.spill`), so
memory does not grow with the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import orjson

from judge.annotated import Problem
from judge.data.config import PrepareConfig
from judge.data.justifier import justifier_outcome
from judge.data.leave_out import read_findings
from judge.data.manifest import PreparedManifest
from judge.data.outcome import Made, Outcome
from judge.data.output import DISAGREEMENTS, SetFile, Workshop, digest, refuse_another_config
from judge.data.preference import preference_outcome, rated_pair_id, rated_pair_outcome
from judge.data.prompts import EvaluationPrompts, prompt_outcome
from judge.data.ratings import in_pairs
from judge.data.regression import regression_outcome
from judge.data.spill import Spill
from judge.data.split import Sides
from judge.data.tally import JUSTIFIER_TABLES, Tally
from judge.errors import UsageError
from judge.formats.annotated import input_files, read_annotated, read_rated
from judge.formats.prompts import read_prompts
from judge.idset import IdSet
from judge.prompt import load_template
from judge.runs.training import OutputFile

__all__ = ["PrepareConfig", "run"]

WRITTEN = ("train", "val")
_Row = TypeVar("_Row")


def run(config: PrepareConfig, progress: Callable[[int], None] | None = None) -> PreparedManifest:
    """Write the training sets and return their manifest. Same input and config: same bytes.

    The order of the sets does not depend on the order of the input.

    Args:
        progress: called with the number of rows, after each that was read.

    Raises:
        UsageError: nothing to read or nothing left to train on, an unknown template, findings
            of another input, an output folder of another configuration without ``fresh``, or a
            problem where ``strict``.
    """
    evaluation = EvaluationPrompts(config.against)
    identity = _identity(config, evaluation)
    output = Path(config.output_dir)
    if not config.fresh:
        refuse_another_config(output, identity)
    tally = Tally(JUSTIFIER_TABLES if config.kind == "justifier" else None)
    with Workshop(output) as workshop:
        sides, spill = Sides(), Spill(workshop.folder)
        kept = _not_evaluated(evaluation, _kept(config, _made(config, tally)))
        for number, made in enumerate(kept, 1):
            key = hashlib.sha256(f"{config.seed}:{made.row_id}".encode()).digest()
            spill.add(key, sides.add(made.split, made.prompt), made.split, made.outcome.encode())
            if progress is not None:
                progress(number)
        sides.settle(config.val_share)
        outputs = _write(config, workshop.folder, sides, spill, tally)
        if not outputs["train.jsonl"].rows:
            raise UsageError(f"{config.input}: no training example is left; {tally.summary()}")
        if not outputs[DISAGREEMENTS].rows:
            del outputs[DISAGREEMENTS]
        counts = tally.report()
        manifest = PreparedManifest(
            **identity, sides=counts.sides, problems=counts.problems, outputs=outputs
        )
        workshop.publish(list(outputs), manifest.to_json())
    return manifest


def _identity(config: PrepareConfig, evaluation: EvaluationPrompts) -> dict[str, Any]:
    """Return what says which bytes the output has."""
    rated = config.made_from == "ratings"
    files = input_files(config.input, rated=rated, format=config.format)
    found = {file.name: digest(file) for file in files}
    identity = {
        "options": config.options(),
        "input": found or {config.input: config.revision or "newest"},
    }
    if config.leave_out is not None:
        path = Path(config.leave_out)
        said = {"findings": {path.name: digest(path)}, "checks": sorted(config.leave_out_checks)}
        identity["options"]["left_out"] = said
    if config.against:
        identity["options"]["against"] = evaluation.identity()
    if config.kind == "justifier":
        template = load_template(config.template)
        identity["template"] = {"name": template.name, "digest": template.digest}
    return identity


def _kept(config: PrepareConfig, found: Iterator[Made]) -> Iterator[Made]:
    """Yield what became of the rows; those that a check found are dropped, and counted so.

    Raises:
        UsageError: when the findings name rows, and none of them was there.
    """
    if config.leave_out is None:
        yield from found
        return
    left = read_findings(Path(config.leave_out), config.leave_out_checks)
    for made in found:
        reason = left.reason((made.row_id, *made.others), made.split)
        if reason is not None:
            made = made._replace(outcome=Outcome(made.outcome.source, reason))
        yield made
    if not left.seen and left.rows:
        raise UsageError(
            f"{config.leave_out} names {len(left.rows):,} rows, none of which is in {config.input}:"
            " it was made of another input"
        )


def _not_evaluated(evaluation: EvaluationPrompts, found: Iterator[Made]) -> Iterator[Made]:
    """Yield what became of the rows; those with a prompt to evaluate with are dropped."""
    for made in found:
        if made.outcome.dropped is None and evaluation.holds(made.prompt):
            made = made._replace(outcome=Outcome(made.outcome.source, "evaluation_prompt"))
        yield made


def _made(config: PrepareConfig, tally: Tally) -> Iterator[Made]:
    """Yield what became of every row that could be read, in input order."""
    source: dict[str, Any] = {
        "format": config.format,
        "subset": config.subset,
        "revision": config.revision,
    }
    if config.kind == "prompts":
        read = read_prompts(config.input, rated=config.made_from == "ratings", **source)
        for prompt in _rows(config, read, tally):
            yield Made(prompt.id, prompt.split, prompt.messages, prompt_outcome(prompt))
        return
    if config.made_from == "annotations":
        template = load_template(config.template) if config.kind == "justifier" else None
        for row in _rows(config, read_annotated(config.input, **source), tally):
            outcome: Outcome = (
                preference_outcome(config, row)
                if template is None
                else justifier_outcome(config, template, row)
            )
            yield Made(row.pair.pair_id, row.split, row.pair.prompt, outcome)
        return
    responses = _rows(config, read_rated(config.input, **source), tally)
    if config.kind == "regression":
        for one in responses:
            yield Made(one.rating_id, one.split, one.prompt, regression_outcome(config, one))
        return
    for first, second in in_pairs(responses):
        outcome = rated_pair_outcome(config, first, second)
        both = (first.rating_id, *(() if second is None else (second.rating_id,)))
        yield Made(rated_pair_id(first, second), first.split, first.prompt, outcome, both)


def _rows(config: PrepareConfig, items: Iterator[_Row | Problem], tally: Tally) -> Iterator[_Row]:
    """Yield the rows; problems are counted, or stop everything where ``strict``."""
    for item in items:
        if not isinstance(item, Problem):
            yield item
        elif config.strict:
            line = f", line {item.line}" if item.line else ""
            raise UsageError(f"{item.file}{line}: {item.reason}: {item.detail}")
        else:
            tally.problem(item)


def _write(
    config: PrepareConfig, folder: Path, sides: Sides, spill: Spill, tally: Tally
) -> dict[str, OutputFile]:
    """Write the sets in the order of the spill; return the manifest's entry of each file.

    Of rows with the same prompt a set of prompts has the first one in this order.
    """
    taken = IdSet()
    files = {f"{side}.jsonl": SetFile(folder / f"{side}.jsonl") for side in WRITTEN}
    disagreements = files[DISAGREEMENTS] = SetFile(folder / DISAGREEMENTS)
    for split, prompt, data in spill.ordered():
        side, lost = sides.side(split, prompt)
        outcome = Outcome.decode(data)
        kept = lost is None and outcome.dropped is None
        if config.kind == "prompts" and kept and not taken.add(f"{prompt}"):
            outcome = Outcome(outcome.source, "repeated_prompt")
        tally.add(side, outcome, lost)
        if outcome.disagreement is not None:
            disagreements.write([orjson.dumps({"side": side, **outcome.disagreement})])
        if lost is None and side in WRITTEN:
            files[f"{side}.jsonl"].write(outcome.lines)
    return {name: file.close() for name, file in files.items()}
