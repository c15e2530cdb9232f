"""Files of JSON lines told whole from cut, by what was counted when they were written.

A file that ends after a line looks whole wherever it was cut. A finished run's ``summary.json`` and
a training set's ``manifest.json`` say how many lines there were.
"""

from __future__ import annotations

import json
from pathlib import Path

from judge.errors import UsageError
from judge.runs.folder import FAILURES, JUDGMENTS, RESPONSES, SUMMARY
from judge.runs.training import SetManifest

_BLOCK = 1 << 20


def count_lines(path: Path) -> int:
    """Return how many lines of a file have their line end.

    Raises:
        UsageError: when it cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def is_complete(folder: Path) -> bool:
    """Return whether the run in a run folder came to the end of its input."""
    return _counts(folder) is not None


def check_run(folder: Path) -> None:
    """Check the files of a complete run against what its summary counted.

    Raises:
        UsageError: when one of them holds fewer rows.
    """
    for name, count in (_counts(folder) or {}).items():
        _check(folder / name, count, SUMMARY, "the command of the run completes it again")


def _counts(folder: Path) -> dict[str, int] | None:
    """Return the rows of each file of a complete run; None of one that was stopped or killed."""
    try:
        summary = json.loads((folder / SUMMARY).read_bytes())
        answers = "answered" in summary  # a run of answers, not of judgments
        results = {RESPONSES: "answered"} if answers else {JUDGMENTS: "judged"}
        counts = {name: int(summary[field]) for name, field in results.items()}
        counts[FAILURES] = int(summary["failed"])
        return counts if summary["complete"] else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def check_set(folder: Path, manifest: SetManifest) -> None:
    """Check the files of a training set against the manifest that lies with them.

    Raises:
        UsageError: when one of them holds fewer rows than were written.
    """
    for name, output in (manifest.outputs or {}).items():
        if (folder / name).exists():
            _check(folder / name, output.rows, "manifest.json", "prepare the set again")


def _check(path: Path, written: int, record: str, cure: str) -> None:
    found = count_lines(path)
    if found < written:
        raise UsageError(
            f"{path} is cut: {found:,} whole rows, {record} counts {written:,}; {cure}"
        )
