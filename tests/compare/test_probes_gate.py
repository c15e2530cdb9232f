"""The gate: thresholds, what exceeds them, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge.compare.probes.config import PROBES
from judge.compare.probes.figures import FIGURES, Figure, missing
from judge.compare.probes.gate import exceeded, load_gate, matching
from judge.compare.probes.measure import Probed, ProbeReport
from judge.errors import UsageError

FLIPS, NULL = "position.flip_rate", "null.empty.win_rate"


def figure(name: str, value: float, low: float, high: float, system: str = "judge") -> Figure:
    return Figure(name=name, system=system, value=value, interval=(low, high), n=50)


def report(*figures: Figure) -> ProbeReport:
    names = dict.fromkeys(figure.system for figure in figures)
    systems = [Probed(name=name, kind="judge", model="m") for name in names]
    return ProbeReport(
        options={},
        pairs=50,
        unreadable={},
        labelled=0,
        systems=systems,
        failures={},
        rules={},
        meanings={},
        figures=list(figures),
    )


def lines(tmp_path: Path, text: str, *figures: Figure) -> list[str]:
    file = tmp_path / "bias.yaml"
    file.write_text(f"thresholds:\n{text}", encoding="utf-8")
    names = list(dict.fromkeys(figure.system for figure in figures))
    return exceeded(load_gate(str(file), PROBES, names), report(*figures))


@pytest.mark.parametrize(
    ("threshold", "is_exceeded"),
    [
        ("max: 0.3", False),
        ("max: 0.29", True),
        ("max: 0.39, exceeded_by: any", True),
        ("max: 0.4, exceeded_by: any", False),
        ("max: 0.2, exceeded_by: all", False),
        ("max: 0.19, exceeded_by: all", True),
        ("min: 0.3", False),
        ("min: 0.31", True),
        ("min: 0.21, exceeded_by: any", True),
        ("min: 0.4, exceeded_by: all", False),
        ("min: 0.41, exceeded_by: all", True),
        ("min: 0.1, max: 0.5, exceeded_by: any", False),
        ("min: 0.35, max: 0.5", True),
    ],
)
def test_what_exceeds_a_threshold(tmp_path: Path, threshold: str, is_exceeded: bool) -> None:
    found = lines(tmp_path, f"- {{figure: {FLIPS}, {threshold}}}\n", figure(FLIPS, 0.3, 0.2, 0.4))
    assert len(found) == is_exceeded
    for line in found:
        assert line.startswith("judge: position.flip_rate is 0.300 [0.200, 0.400], n 50: m")


def test_a_pattern_means_every_figure_that_it_matches(tmp_path: Path) -> None:
    figures = [figure(name, 0.1, 0.0, 0.2) for name in matching("null.*")]
    assert len(figures) == 5
    figures[0] = figure(figures[0].name, 0.0, 0.0, 0.1)
    found = lines(tmp_path, "- {figure: null.*, max: 0.05}\n", *figures)
    assert [line.split()[1] for line in found] == [f.name for f in figures[1:]]


def test_a_figure_that_could_not_be_computed_keeps_nothing(tmp_path: Path) -> None:
    found = lines(
        tmp_path, "- {figure: length.effect, max: 1}\n", missing("length.effect", "judge", "why")
    )
    assert found == ["judge: length.effect cannot be computed: why"]


def test_a_figure_that_applies_to_some_system(tmp_path: Path) -> None:
    text = f"- {{figure: {FLIPS}, max: 0.5}}\n"
    rewards = missing(FLIPS, "bt", "no slots", applies=False)
    assert lines(tmp_path, text, figure(FLIPS, 0.3, 0.2, 0.4), rewards) == []
    assert lines(tmp_path, text, rewards) == ["bt: position.flip_rate cannot be computed: no slots"]


def test_a_threshold_of_some_systems(tmp_path: Path) -> None:
    figures = [figure(NULL, 0.3, 0.2, 0.4), figure(NULL, 0.3, 0.2, 0.4, "bt")]
    found = lines(tmp_path, f"- {{figure: {NULL}, max: 0.1, systems: [bt]}}\n", *figures)
    assert len(found) == 1 and found[0].startswith("bt: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "thresholds:\n- {figure: nil, max: 1}",
            "there is no figure called 'nil'; there are position.fi",
        ),
        ("thresholds:\n- {figure: 'x.*', max: 1}", "there is no figure called 'x.*'"),
        (f"thresholds:\n- {{figure: {NULL}}}", "expected max, min or both"),
        (f"thresholds:\n- {{figure: {NULL}, max: high}}", "valid number"),
        (f"thresholds:\n- {{figure: {NULL}, max: .nan}}", "finite"),
        (f"thresholds:\n- {{figure: {NULL}, most: 1}}", "thresholds.0.most"),
        (f"thresholds:\n- {{figure: {NULL}, max: 1, exceeded_by: far}}", "'point', 'any' or 'all'"),
        (
            f"thresholds:\n- {{figure: {NULL}, max: 1, systems: [bt]}}",
            "no system bt; there are judge",
        ),
        (
            "thresholds:\n- {figure: padding.shift, max: 1}",
            "belongs to the probe padding, which is",
        ),
        ("thresholds: []", "at least 1"),
        ("limits: []", "thresholds"),
        ("[1, 2]", "holds list"),
        ("a: [", "is not valid YAML"),
        ("", "thresholds"),
    ],
)
def test_files_that_are_no_gate(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bias.yaml"
    file.write_text(text)
    probes = [probe for probe in PROBES if probe != "padding"]
    with pytest.raises(UsageError) as raised:
        load_gate(str(file), probes, ["judge"])
    assert message in str(raised.value) and "bias.yaml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_gate() -> None:
    with pytest.raises(
        UsageError, match=r"gate nowhere\.yaml: cannot read nowhere\.yaml: No such file"
    ):
        load_gate("nowhere.yaml", PROBES, ["judge"])


def test_the_example_gate_is_one(root: Path) -> None:
    gate = load_gate(str(root / "examples" / "bias.yaml"), PROBES, ["judge"])
    named = {name for threshold in gate.thresholds for name in matching(threshold.figure)}
    assert {name.partition(".")[0] for name in named} == set(PROBES)
    assert named <= set(FIGURES)
