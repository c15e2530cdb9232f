"""``judge data check``: reads the rows once for the checks, once more for what repeats, reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field

from judge.annotated import COSTS_A_PART, Problem
from judge.data.checks.addressed import addressed_findings
from judge.data.checks.artefacts import MAX_CHARACTERS, artefact_findings
from judge.data.checks.contamination import SIZE, BenchmarkPrompts, contamination_findings
from judge.data.checks.corpus import Corpus
from judge.data.checks.excerpts import excerpt
from judge.data.checks.findings import CHECKS, CheckName, Finding, Findings
from judge.data.checks.inputs import Prompts, Rows
from judge.data.checks.language import LanguageCheck
from judge.data.checks.near import THRESHOLD
from judge.data.checks.repeats import repeat_findings
from judge.data.checks.report import (
    CheckedInput,
    CheckReport,
    ComparedSet,
    Identity,
    RowCounts,
    outcomes_of,
    severities_of,
)
from judge.data.checks.rows import CheckedRow
from judge.data.checks.wording import wording_findings
from judge.errors import UsageError
from judge.idset import IdSet
from judge.options import Option
from judge.runs.identity import ANEW, refuse_another
from judge.runs.whole import refused_in_one_line, write_whole

REPORT, LINES = "check.json", "findings.jsonl"
ANY_LANGUAGE = "any"
_NEAR_CHECKS: frozenset[CheckName] = frozenset(
    ("near_row", "near_prompt", "near_prompt_in_two_splits")
)
_INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class CheckConfig(BaseModel):
    """What is checked, and how strictly."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    input: Annotated[str, Option(metavar="INPUT")]
    """Folder, file or hub id; of a folder its pairs and its ratings."""
    against: Annotated[tuple[str, ...], Option(metavar="FILE_OR_ID")] = ()
    """Evaluation set whose prompts must not be in the input: pairs, ratings, or questions as judge
    respond takes them (MT-Bench, AlpacaEval, Arena-Hard). May be repeated."""
    output_dir: Annotated[str | None, Option(flag="--out", metavar="DIR")] = None
    """Write ``check.json`` and ``findings.jsonl`` here."""
    format: str | None = None
    """Format of the input; None: as its rows show."""
    split: str | None = None
    """Only this split of the input."""
    subset: str | None = None
    """Subset of a hub data set."""
    revision: str | None = None
    """Branch, tag or commit of a hub data set."""
    fresh: bool = False
    """Overwrite the report of another configuration."""
    ngram: Annotated[int, Option(metavar="N")] = Field(default=SIZE, ge=1, le=50)
    """Words in a row that a prompt may not share with one of an evaluation set."""
    near: Annotated[float, Option(metavar="SIMILARITY")] = Field(default=THRESHOLD, ge=0, le=1)
    """Jaccard similarity from which texts are nearly the same; 0 does not look for them."""
    language: Annotated[str, Option(metavar="CODE")] = "en"
    """ISO 639-1 code of the language that is expected, or ``any``."""
    max_characters: Annotated[int, Option(metavar="N")] = Field(default=MAX_CHARACTERS, ge=1)
    """A row with more is extremely long."""
    skip: Annotated[tuple[CheckName, ...], Option(metavar="CHECK")] = ()
    """Leave this check out. May be repeated."""
    examples: Annotated[int, Option(metavar="N")] = Field(default=2, ge=0)
    """Findings of each check that ``check.json`` and the screen show."""


def run(config: CheckConfig, progress: Callable[[int], None] = lambda rows: None) -> CheckReport:
    """Check the input and return the report, which is also written where a folder is given.

    The same input and configuration give the same bytes.

    Args:
        progress: told how many rows were read so far.

    Raises:
        UsageError: when something cannot be read or written, or the folder holds another report.
    """
    rows = _input(config)
    against = [Prompts(name) for name in config.against]
    identity = _identity(config, rows, against)
    output = Path(config.output_dir) if config.output_dir is not None else None
    if output is not None and not config.fresh:
        _refuse_another(output, identity)
    findings = Findings(config.skip)
    wanted = CHECKS.keys() - findings.skip
    if not wanted & {"contamination", "shared_template"}:
        against = []
    benchmarks = [BenchmarkPrompts(other.name, other, config.ngram) for other in against]
    near = config.near if wanted & _NEAR_CHECKS else 0.0
    corpus, counts, lost = _first_pass(config, rows, findings, benchmarks, near, progress)
    again = (item for item in rows if isinstance(item, CheckedRow))
    findings.extend(repeat_findings(corpus, again, near))
    lines = findings.lines()
    outcomes = outcomes_of(findings, config.examples)
    report = CheckReport(
        **dict(identity),
        rows=counts,
        rows_seen=counts.pairs + counts.ratings + lost,
        against=tuple(
            ComparedSet(name=b.name, rows=b.rows, overlapping=tuple(sorted(b.found)))
            for b in benchmarks
        ),
        severities=severities_of(outcomes),
        checks=outcomes,
    )
    if output is not None:
        _write(output, b"".join(line + b"\n" for line in lines), report)
    return report


def _input(config: CheckConfig) -> Rows:
    return Rows(
        config.input,
        format=config.format,
        split=config.split,
        subset=config.subset,
        revision=config.revision,
    )


def _first_pass(
    config: CheckConfig,
    rows: Rows,
    findings: Findings,
    benchmarks: Sequence[BenchmarkPrompts],
    near: float,
    progress: Callable[[int], None],
) -> tuple[Corpus, RowCounts, int]:
    """Return the corpus, what was counted, and how many rows could not be used at all."""
    corpus = Corpus(near > 0)
    language = None
    if config.language != ANY_LANGUAGE and "foreign_language" not in findings.skip:
        language = LanguageCheck(config.language)
    pairs = problems = 0
    lost = IdSet()
    for item in rows:
        progress(len(corpus))
        if isinstance(item, Problem):
            problems += 1
            if item.reason not in COSTS_A_PART:
                lost.add(_place(item))
            findings.extend([_problem(item)])
            continue
        pairs += item.is_pair
        findings.extend(wording_findings(item))
        findings.extend(artefact_findings(item, config.max_characters))
        findings.extend(addressed_findings(item))
        findings.extend(contamination_findings(item, benchmarks))
        if language is not None:
            findings.extend(language(item))
        corpus.add(item)
    counts = RowCounts(pairs=pairs, ratings=len(corpus) - pairs, problems=problems)
    return corpus, counts, len(lost)


def _problem(problem: Problem) -> Finding:
    check: CheckName = "unreadable_row"
    if problem.reason == "empty_response":
        check = "empty_text"
    elif problem.reason == "duplicate_id":
        check = "duplicate_id"
    detail = f"{problem.reason}: {problem.detail}"
    return Finding(check, (_place(problem),), (), excerpt(detail))


def _place(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}"


def _identity(config: CheckConfig, rows: Rows, against: Sequence[Prompts]) -> Identity:
    return Identity(
        input=CheckedInput(name=config.input, files=rows.digests()),
        options=config.model_dump(mode="json", exclude={"input", "output_dir", "fresh"}),
        against_files={other.name: other.digests() for other in against},
    )


def _refuse_another(output: Path, identity: Identity) -> None:
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file; expected a folder")
    file = output / REPORT
    if not file.exists():
        return
    try:
        before = orjson.loads(file.read_bytes())
        old = {**before["options"], "input": before["input"], "against": before["against_files"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{file}: is not the report of a check. {ANEW}") from None
    new = {**identity.options, "input": identity.input.model_dump()}
    new["against"] = identity.against_files
    refuse_another(output, old, new, "a report", ANEW)


def _write(output: Path, lines: bytes, report: CheckReport) -> None:
    """Write the findings, then the report: a folder with a report is a complete one."""
    with refused_in_one_line(output):
        output.mkdir(parents=True, exist_ok=True)
        (output / REPORT).unlink(missing_ok=True)
    write_whole(output / LINES, lines)
    write_whole(output / REPORT, orjson.dumps(report.model_dump(), option=_INDENTED))
