"""Results of any rule, read back from their folders."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from judge.compare.arena.mt_bench.scores import MtBenchResult
from judge.compare.arena.result import ARENA, ArenaResult
from judge.errors import UsageError

AnyResult = ArenaResult | MtBenchResult


def read_result(folder: Path) -> AnyResult:
    """Return the result in a folder of ``judge arena``.

    Raises:
        UsageError: when there is none, or a damaged one.
    """
    path = folder / ARENA
    try:
        there = json.loads(path.read_bytes())
        kind = MtBenchResult if there["rule"] == "mt-bench" else ArenaResult
        return kind.model_validate(there)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, ValidationError):
        raise UsageError(f"{path} is damaged, or of another version") from None
