"""What the tests of the checks share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from judge.annotated import AnnotatedPair
from judge.data.checks.check import CheckConfig, run
from tests.data.checks.material import write


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Checks pairs: returns the report, with the parsed lines under ``lines``."""

    def checked(items: Iterable[AnnotatedPair], **options: Any) -> dict[str, Any]:
        file = write(tmp_path / "pairs.jsonl", items)
        out = tmp_path / "report"
        config = CheckConfig(input=str(file), output_dir=str(out), fresh=True, **options)
        report = run(config).model_dump(mode="json")
        text = (out / "findings.jsonl").read_text(encoding="utf-8")
        return report | {"lines": [json.loads(entry) for entry in text.splitlines()]}

    return checked
