"""``judge probe`` from end to end: files, resumption, exit codes, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from judge.cli import app
from judge.compare.probes.config import ProbeConfig
from judge.compare.probes.sets import sets_of
from judge.config import BatchConfig
from judge.infer.engines import registry as load
from tests import reward_models as tiny
from tests.probed import engine, fair, rows
from tests.scripted import TEMPLATE, write_rows


def invoke(*arguments: Any, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["probe", *map(str, arguments)], input=text)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "in.jsonl", [*rows(12), b"no json"])


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[BatchConfig]:
    """A fair judge in the model's place; the configurations that it was loaded with."""
    seen: list[BatchConfig] = []

    def load_it(config: BatchConfig, note: Any) -> Any:
        seen.append(config)
        return engine(fair)

    monkeypatch.setattr(load, "load_engine", load_it)
    return seen


def options(tmp_path: Path, *more: Any) -> list[Any]:
    return ["--out", tmp_path / "out", "--template", TEMPLATE, "--samples", 2, *more]


def test_the_whole_of_it(source: Path, tmp_path: Path, loads: list[BatchConfig]) -> None:
    done = invoke(source, *options(tmp_path))
    assert done.exit_code == 0, done.output
    assert len(loads) == 1  # once for all runs
    report = json.loads((tmp_path / "out" / "probes.json").read_bytes())
    assert report["pairs"] == report["labelled"] == 12 and report["unreadable"] == {"bad_json": 1}
    assert "rows of the input that are not pairs: bad_json 1" in done.stdout
    assert "position.flip_rate" in done.stdout and "12 of 12 rows were refused" in done.stdout
    runs = {folder.name for folder in (tmp_path / "out" / "runs").iterdir()}
    assert runs == {*sets_of(ProbeConfig(input="", out="").probe), "sample_1", "sample_2"}
    written = (tmp_path / "out" / "probes.json").read_bytes()
    again = invoke(source, *options(tmp_path))
    assert again.exit_code == 0 and len(loads) == 1  # nothing is judged twice
    assert (tmp_path / "out" / "probes.json").read_bytes() == written
    other = invoke(source, *options(tmp_path, "--out", tmp_path / "other"))
    assert other.exit_code == 0
    assert (tmp_path / "other" / "probes.json").read_bytes() == written


def test_responses_without_a_word_are_probed_where_they_are_asked_for(
    source: Path, tmp_path: Path, loads: list[BatchConfig]
) -> None:
    empty = [{**row, "response_1": ""} for row in rows(14)[12:]]
    more = write_rows(tmp_path / "more.jsonl", [*rows(12), *empty])
    few = ("--probe", "null", "--mode", "verdict", "--empty-responses")
    done = invoke(more, *options(tmp_path, *few))
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out" / "probes.json").read_bytes())
    assert report["pairs"] == report["labelled"] == 14 and report["unreadable"] == {}
    ran = json.loads((tmp_path / "out" / "runs" / "null_empty" / "summary.json").read_bytes())
    assert ran["failed"] == 0 and ran["judged"] in (12, 13, 14)
    other = invoke(more, *options(tmp_path, *few[:-1]))
    assert other.exit_code == 2 and "holds the pairs of another input" in other.stderr


def test_more_probes_later(source: Path, tmp_path: Path, loads: list[BatchConfig]) -> None:
    one = invoke(source, *options(tmp_path, "--probe", "null", "--mode", "verdict"))
    assert one.exit_code == 0 and "null.constant" in one.stdout and "padding" not in one.stdout
    summary = tmp_path / "out" / "runs" / "original" / "summary.json"
    before = summary.read_bytes()
    both = ["--probe", "padding", "--probe", "null", "--mode", "verdict"]
    assert invoke(source, *options(tmp_path, *both)).exit_code == 0
    assert summary.read_bytes() == before
    changed = invoke(source, *options(tmp_path, *both, "--limit", 5))
    assert changed.exit_code == 2 and "Choose another --out" in changed.stderr
    assert invoke(source, *options(tmp_path, *both, "--limit", 5, "--fresh")).exit_code == 0
    report = json.loads((tmp_path / "out" / "probes.json").read_bytes())
    assert report["pairs"] == 5 and report["options"]["limit"] == 5
    other = invoke(source, *options(tmp_path, "--probe", "null", "--limit", 5, "--window", 7))
    assert other.exit_code == 2 and "mode is" in other.stderr


def test_the_gate(source: Path, tmp_path: Path, loads: list[BatchConfig]) -> None:
    gate = tmp_path / "bias.yaml"
    gate.write_text("thresholds:\n- {figure: position.flip_rate, max: 0.1}\n")
    probes = ["--probe", "position", "--probe", "null", "--gate", gate]
    assert invoke(source, *options(tmp_path, *probes)).exit_code == 0
    gate.write_text(
        "thresholds:\n- {figure: position.flip_rate, max: 0.1, exceeded_by: any}\n"
        "- {figure: null.*, max: 0}\n- {figure: position.first_slot_rate, min: 0.6}\n"
    )
    over = invoke(source, *options(tmp_path, *probes))
    assert over.exit_code == 3
    told = [line for line in over.stdout.splitlines() if line.startswith("gate: ")]
    assert told == [
        "gate: judge: position.flip_rate is 0.000 [0.000, 0.242], n 12: max 0.1 (any)",
        "gate: judge: position.first_slot_rate is 0.500 [0.254, 0.746], n 12: min 0.6 (point)",
    ]
    gate.write_text("thresholds:\n- {figure: padding.shift, max: 0.1}\n")
    left_out = invoke(source, *options(tmp_path, *probes))
    assert left_out.exit_code == 2 and "belongs to the probe padding" in left_out.stderr


def test_a_bad_gate_stops_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    gate = tmp_path / "bias.yaml"
    gate.write_text("thresholds:\n- {figure: flips, max: 0.1}\n")
    done = invoke(source, *options(tmp_path, "--gate", gate))
    assert done.exit_code == 2 and "there is no figure called 'flips'" in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_real_reward_model_alone(source: Path, tmp_path: Path) -> None:
    model = tiny.write_classifier(tmp_path / "tiny", card=tiny.card("bt", "reward"))
    probes = ["--probe", "position", "--probe", "length", "--probe", "padding"]
    done = invoke(source, *options(tmp_path, *probes, "--no-judge", "--scorer", f"bt={model}"))
    assert done.exit_code == 0, done.output
    assert "does not apply" in done.stdout and "it has no slots" in done.stdout
    report = json.loads((tmp_path / "out" / "probes.json").read_bytes())
    assert report["systems"] == [{"name": "bt", "kind": "reward_model", "model": str(model)}]
    found = {figure["name"]: figure for figure in report["figures"]}
    assert found["length.longer_rate"]["n"] == 12 and found["padding.shift"]["n"] == 12


def test_samples_are_what_a_judge_of_that_seed_says(tmp_path: Path, root: Path) -> None:
    """The mini judge, loaded once, draws as one that was loaded with that seed and temperature."""
    source = root / "examples" / "pairs.jsonl"
    short = ["--model", "mini", "--limit", 2, "--max-new-tokens", 6]
    done = invoke(
        source, "--out", tmp_path / "out", "--probe", "consistency", "--samples", 2, *short
    )
    assert done.exit_code == 0, done.output
    runs = tmp_path / "out" / "runs"
    samples = [(runs / f"sample_{n}" / "judgments.jsonl").read_bytes() for n in (1, 2)]
    assert samples[0] != samples[1]
    batch = ["batch", source, "--out", tmp_path / "batch", *short]
    batch += ["--seed", 2, "--temperature", 0.7]
    assert CliRunner().invoke(app, list(map(str, batch))).exit_code == 0
    assert (tmp_path / "batch" / "judgments.jsonl").read_bytes() == samples[1]


def test_the_standard_input_has_no_labels(
    source: Path, tmp_path: Path, loads: list[BatchConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = options(tmp_path, "--probe", "length", "--mode", "verdict")
    done = invoke("-", *given, text=source.read_text())
    assert done.exit_code == 0, done.output
    assert "no pair has a label" in done.stdout
    labels = write_rows(
        tmp_path / "labels.jsonl", [{"pair_id": f"p{n}", "label": 1} for n in range(4)]
    )
    again = invoke("-", *given, "--labels", labels, text=source.read_text())
    report = json.loads((tmp_path / "out" / "probes.json").read_bytes())
    assert again.exit_code == 0 and report["labelled"] == 4


def test_labels_of_a_column_and_their_rule(tmp_path: Path, loads: list[BatchConfig]) -> None:
    given = [
        {**row, "vote": 1 + number % 2, "annotations": [{"strength": s} for s in (-2, -2, 2)]}
        for number, row in enumerate(rows(8))
    ]
    source = write_rows(tmp_path / "in.jsonl", given)
    labelled = {}
    for name, more in {
        "consensus": [],
        "majority": ["--label-rule", "majority"],
        "column": ["--labels", "column:vote"],
    }.items():
        done = invoke(source, *options(tmp_path, "--probe", "length", "--mode", "verdict", *more))
        assert done.exit_code == 0, done.output
        report = json.loads((tmp_path / "out" / "probes.json").read_bytes())
        labelled[name] = report["labelled"]
    assert labelled == {"consensus": 0, "majority": 8, "column": 8}
    none = invoke(source, *options(tmp_path, "--probe", "length", "--labels", "column:no"))
    assert none.exit_code == 2 and "has a label in a column no" in none.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--probe", "smell"], "'position', 'length'"),
        (["--no-judge"], "nothing to probe: --no-judge needs a --scorer"),
        (["--samples", 1], "samples"),
        (["--sample-temperature", 0], "sample_temperature"),
        (["--labels", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--gate", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (["--model", "./nowhere"], "no model folder at ./nowhere"),
        (["--template", "nowhere"], "no prompt template 'nowhere'"),
        (["--scorer", "judge=x"], "a scorer cannot be called 'judge'"),
        (["--orders", "none"], "none"),
    ],
)
def test_bad_options(source: Path, tmp_path: Path, more: list[Any], message: str) -> None:
    done = invoke(source, *options(tmp_path), "--probe", "null", *more)
    assert done.exit_code == 2 and message in done.stderr, done.output
    assert not (tmp_path / "out" / "probes.json").exists()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "has no rows"),
        ([b"no json", b"[]"], "no row of the input is a pair: line 1: bad_json"),
        ([{"prompt": "a", "response_1": "b"}], "missing_field, no response_2"),
    ],
)
def test_inputs_without_pairs(tmp_path: Path, lines: list[Any], message: str) -> None:
    done = invoke(write_rows(tmp_path / "in.jsonl", lines), *options(tmp_path))
    assert done.exit_code == 2 and message in done.stderr
    assert done.stderr.count("error:") == 1 and not (tmp_path / "out" / "runs").exists()
    assert invoke(tmp_path / "nothing.jsonl", *options(tmp_path)).exit_code == 2


def test_options_of_a_file(source: Path, tmp_path: Path, loads: list[BatchConfig]) -> None:
    file = tmp_path / "probe.yaml"
    file.write_text(f"probe: ['null']\nmode: verdict\ntemplate: {TEMPLATE}\n")
    done = invoke(source, "--out", tmp_path / "out", "--config", file)
    assert done.exit_code == 0 and loads[0].mode == "verdict"
    file.write_text("max_failures: 3\n")
    refused = invoke(source, "--out", tmp_path / "out", "--config", file)
    assert refused.exit_code == 2 and "max_failures" in refused.stderr
