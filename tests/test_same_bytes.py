"""The comparison of two checkouts finds what differs, and only what no clock explains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.same_bytes import COMMANDS, MAY_DIFFER, compare, without_clocks


def write(folder: Path, **changes: object) -> Path:
    folder.mkdir()
    summary = {"rows": 3, "seconds": 1.5, "engine": {"load_seconds": 2.0, "tokens": [1, 2]}}
    (folder / "summary.json").write_text(json.dumps({**summary, **changes}))
    (folder / "judgments.jsonl").write_text('{"probability": 0.25}\n')
    (folder / "page.html").write_text(
        f"<p>took {changes.get('seconds', 1.5)} s</p><script>1</script>"
        f'<script type="application/json" id="plots">{json.dumps({"rates": changes})}</script>'
    )
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / ".lock").write_text(str(changes))
    return folder


def test_clocks_make_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(write(tmp_path / "old"), write(tmp_path / "new", seconds=9, version="2")) == 0
    assert "4 files compared, 0 differ" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("summary.json", b'{"rows": 4, "engine": {"tokens": [1, 2]}}', "summary.json.rows: 3 -> 4"),
        ("summary.json", b'{"rows": 3, "engine": {"tokens": [1, 3]}}', ".engine.tokens[1]: 2 -> 3"),
        ("judgments.jsonl", b'{"probability": 0.251}\n', "[0].probability: 0.25 -> 0.251"),
        ("judgments.jsonl", b"", "judgments.jsonl"),
        ("model.safetensors", b"weights!", "model.safetensors"),
        ("page.html", b"<p>took 2 s less</p>", "page.html"),
        ("more.txt", b"", "more.txt: only in the new"),
    ],
)
def test_anything_else_does(
    name: str, content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = write(tmp_path / "old"), write(tmp_path / "new")
    (new / name).write_bytes(content)
    assert compare(old, new) == 1
    assert said in capsys.readouterr().out


def test_texts_keep_their_figures() -> None:
    text = "accuracy 0.812 (0.7 to 0.9)\n12.5 seconds\n│ pairs/s │ 3 │\n│ mini │ 5.208 * │"
    assert without_clocks(text) == ["accuracy 0.812 (0.7 to 0.9)", "TIME", "│ mini │TIME"]
    assert without_clocks("at 2026-01-02 03:04:05") == ["at DATE"]


def test_the_commands_are_what_the_list_shows_and_every_exception_has_its_reason() -> None:
    words = {tuple(line.split()[:2]) for line in COMMANDS.strip().splitlines()}
    assert {("data", "prepare"), ("train", "reward"), ("compare", "out/verdict")} <= words
    assert "TEN" not in COMMANDS and "MINI" not in COMMANDS
    assert all(MAY_DIFFER.values())
