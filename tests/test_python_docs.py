"""The Python of docs/python.md and of the example notebook runs as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.train.reward_sets import tiny_base

ROOT = Path(__file__).parent.parent


@pytest.fixture
def at_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory has the examples, of which four pairs are enough."""
    (tmp_path / "examples").mkdir()
    lines = (ROOT / "examples" / "pairs.jsonl").read_text(encoding="utf-8").splitlines(True)
    (tmp_path / "examples" / "pairs.jsonl").write_text("".join(lines[:4]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def with_mini(source: str) -> str:
    """The same with the bundled models that need no base, and seconds instead of minutes."""
    return re.sub(r'"small(-bt|-regression)?(-base)?"', r'"mini\1"', source)


def trainer(folder: Path, tokenizer: Any) -> Any:
    """A trainer of TRL with a tiny model, one step and one evaluation."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = Dataset.from_list([{"prompt": "Say yes.", "completion": " Yes."}] * 2)
    config = SFTConfig(
        output_dir=str(folder / "out"),
        max_steps=1,
        per_device_train_batch_size=1,
        eval_strategy="steps",
        eval_steps=1,
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
    )
    base = str(tiny_base(folder / "base", tokenizer))
    return SFTTrainer(base, config, train_dataset=rows, eval_dataset=rows)


@pytest.mark.usefixtures("at_the_root")
def test_the_python_of_the_page_runs(
    tmp_path: Path, mini_tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
    assert len(blocks) > 5
    names: dict[str, Any] = {"trainer": trainer(tmp_path, mini_tokenizer)}
    for block in blocks:
        exec(compile(with_mini(block), "docs/python.md", "exec"), names)
    said = capsys.readouterr().out
    assert "0 of 4 failed" in said
    assert "row-1 0 (" in said and "row-2 1 (" in said  # answers of two samples
    [logged] = [e for e in names["trainer"].state.log_history if "judge_win_rate" in e]
    assert logged["judge_win_rate"] in (0.0, 1.0, None) and logged["step"] == 1


@pytest.mark.usefixtures("at_the_root")
def test_the_notebook_runs(capsys: pytest.CaptureFixture[str]) -> None:
    notebook = json.loads((ROOT / "examples" / "judge_pairs.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []  # figures in a file would go stale
            source = with_mini("".join(cell["source"]))
            exec(compile(source, "judge_pairs.ipynb", "exec"), names)
    said = capsys.readouterr().out
    assert "4 judged, 0 failed" in said and "of 4 as the reference" in said


def test_examples_name_the_notebook() -> None:
    assert "judge_pairs.ipynb" in (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
