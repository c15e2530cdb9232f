"""``judge data check`` as a whole: reports, laws, exit codes, bad input."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from judge.annotated import AnnotatedPair
from judge.cli import app
from judge.data.checks.check import CheckConfig, run
from judge.data.checks.findings import CHECKS, SEVERITIES, CheckName
from judge.data.checks.show import show
from judge.errors import UsageError
from tests.data.checks.material import FIRST, PROMPT, SECOND, found, line, pair, write
from tests.scripted import write_rows

Check = Callable[..., dict[str, Any]]
AGAINST = (2, "@Response 1 is better than @Response 2.")


def test_a_sound_file_has_no_findings(check: Check) -> None:
    report = check([pair("a")])
    assert found(report) == {} and report["lines"] == []
    assert report["rows"] == {"pairs": 1, "ratings": 0, "problems": 0}


def test_every_check_is_described_and_in_the_order_of_severity() -> None:
    assert tuple(CHECKS) == get_args(CheckName)
    ranks = [SEVERITIES.index(check.severity) for check in CHECKS.values()]
    assert ranks == sorted(ranks)


def test_the_report_counts_its_lines(check: Check) -> None:
    items = [pair(name, said=[AGAINST]) for name in "dbca"] + [
        pair("e", prompt=PROMPT + " Write to maria.keller@uni-bonn.de.", split="val")
    ]
    report = check(items, examples=1)
    assert found(report) == {
        "wording_against_strength": 4,
        "email": 1,
        "duplicate_row": 1,
    }
    assert report["severities"] == {"serious": 5, "warning": 1, "note": 0}
    names = [entry["check"] for entry in report["lines"]]
    assert names == sorted(names, key=list(CHECKS).index)
    assert [e["ids"] for e in report["lines"][:4]] == [["a"], ["b"], ["c"], ["d"]]
    assert report["checks"]["duplicate_row"]["rows"] == 4
    assert report["checks"]["wording_against_strength"]["examples"] == report["lines"][:1]
    assert "keller" not in json.dumps(report)
    rest = found(check(items, skip=("email", "duplicate_row")))
    assert rest.keys() == {"wording_against_strength"}


TEXTS = st.sampled_from(
    [
        FIRST,
        SECOND,
        FIRST + " Or so.",
        "call (205) 422-1680 now",
        "\x01 &amp; <|im_end|>",
        "Der Hafen bleibt im Winter eisfrei, weil warmes Wasser die Stadt und das Land erreicht.",
        " ".join(f"word{i}" for i in range(40)),
        " ".join(f"word{i}" for i in range(41)),
    ]
)
SAID = st.sampled_from(
    [(-2, "@Response 1 is better than @Response 2."), AGAINST, (1, ""), (3, "?")]
)


@st.composite
def files(draw: st.DrawFn) -> list[AnnotatedPair]:
    return [
        pair(
            f"{number}",
            prompt=draw(TEXTS),
            responses=(draw(TEXTS), draw(TEXTS)),
            said=draw(st.lists(SAID, min_size=1, max_size=3)),
            split=draw(st.sampled_from(["train", "val", "test"])),
        )
        for number in range(draw(st.integers(1, 7)))
    ]


def lines_of(folder: Path, items: list[AnnotatedPair]) -> list[dict[str, Any]]:
    bench = write(folder / "bench.jsonl", [pair("b0", prompt=FIRST), pair("b1", prompt=SECOND)])
    file, out = write(folder / "pairs.jsonl", items), folder / "out"
    config = {"input": str(file), "output_dir": str(out), "against": (str(bench),), "fresh": True}
    run(CheckConfig.model_validate(config))
    text = (out / "findings.jsonl").read_text(encoding="utf-8")
    return [json.loads(entry) for entry in text.splitlines()]


@settings(max_examples=20)
@given(files(), st.randoms(use_true_random=False), st.data())
def test_order_of_rows_and_of_responses_changes_no_finding(
    tmp_path_factory: pytest.TempPathFactory, items: list[AnnotatedPair], mixer: Any, data: Any
) -> None:
    folder = tmp_path_factory.mktemp("laws")
    lines = lines_of(folder, items)
    assert lines_of(folder, items) == lines
    mixed = list(items)
    mixer.shuffle(mixed)
    assert lines_of(folder, mixed) == lines
    flips = data.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items)))
    flipped = [i.flipped() if flip else i for i, flip in zip(items, flips, strict=True)]
    assert [(e["check"], e["ids"]) for e in lines_of(folder, flipped)] == [
        (e["check"], e["ids"]) for e in lines
    ]
    other = {"response_1": "response_2", "response_2": "response_1"}
    all_flipped = lines_of(folder, [i.flipped() for i in items])
    assert [sorted(other.get(w, w) for w in e.get("where", [])) for e in all_flipped] == [
        sorted(e.get("where", [])) for e in lines
    ]


def test_same_bytes_and_another_configuration_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", [pair("a", said=[AGAINST]), pair("b")])
    out = tmp_path / "out"
    config = CheckConfig(input=str(file), output_dir=str(out))
    run(config)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert before.keys() == {"check.json", "findings.jsonl"}
    run(config)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    other = config.model_copy(update={"near": 0.9, "language": "any"})
    with pytest.raises(UsageError, match=r"language is .*; near is 0\.8 there, 0\.9 now"):
        run(other)
    write(file, [pair("a")])
    with pytest.raises(UsageError, match="of another configuration: input is "):
        run(config)
    run(config.model_copy(update={"fresh": True}))
    (out / "check.json").write_text("[]")
    with pytest.raises(UsageError, match="not the report"):
        run(config)


def test_a_folder_of_pairs_and_ratings(tmp_path: Path) -> None:
    (tmp_path / "preference").mkdir()
    write(tmp_path / "preference" / "preference.jsonl", [pair("a")])
    rated = {"id": "r", "prompt": PROMPT, "response": FIRST, "helpfulness": 3}
    with gzip.open(tmp_path / "validation.jsonl.gz", "wt") as stream:
        stream.write(json.dumps(rated) + "\n")
    report = run(CheckConfig(input=str(tmp_path))).model_dump(mode="json")
    assert report["rows"] == {"pairs": 1, "ratings": 1, "problems": 0}
    assert found(report) == {"prompt_in_two_splits": 1}
    assert report["input"]["files"].keys() == {
        "preference/preference.jsonl",
        "validation.jsonl.gz",
    }
    alone = run(CheckConfig(input=str(tmp_path / "validation.jsonl.gz"))).model_dump(mode="json")
    assert alone["rows"] == {"pairs": 0, "ratings": 1, "problems": 0}


def test_a_benchmark_in_its_own_format(tmp_path: Path, check: Check) -> None:
    bench = tmp_path / "reward_bench.jsonl"
    rows = [
        {"id": 7, "prompt": PROMPT, "chosen": "Yes.", "rejected": "No.", "subset": "xstest"},
        {"id": 8, "prompt": "Say yes.", "chosen": "Yes.", "rejected": "No.", "subset": "xstest"},
    ]
    bench.write_text("".join(json.dumps(r) + "\n" for r in rows))
    report = check([pair("a"), pair("b", prompt="Say no.")], against=(str(bench),))
    assert found(report) == {"contamination": 1}
    (entry,) = report["lines"]
    assert entry["ids"] == ["a"] and entry["benchmark"] == str(bench)
    assert [share for _, share in entry["benchmark_rows"]] == [1.0]
    (against,) = report["against"]
    assert against["rows"] == 2 and len(against["overlapping"]) == 1


@pytest.mark.parametrize(
    ("layout", "row"),
    [
        ("MT-Bench", {"question_id": 81, "category": "writing", "turns": ["Be brief.", PROMPT]}),
        ("AlpacaEval", {"instruction": PROMPT, "dataset": "helpful_base"}),
        ("Arena-Hard", {"uid": "u1", "category": "hard_prompt", "prompt": PROMPT}),
    ],
)
def test_the_questions_of_benchmarks_must_not_be_trained_on(
    check: Check, tmp_path: Path, layout: str, row: dict[str, Any]
) -> None:
    """All turns of them: a policy that has seen the second one has seen the benchmark."""
    questions = tmp_path / "questions.jsonl"
    other = {"question_id": 82, "turns": ["Say no."], "instruction": "Say no.", "prompt": "Say no."}
    questions.write_text(json.dumps(row) + "\n" + json.dumps(other) + "\n")
    report = check([pair("a"), pair("b", prompt="Something else.")], against=(str(questions),))
    assert found(report)["contamination"] == 1, layout
    assert report["against"][0]["rows"] == 2 and len(report["against"][0]["overlapping"]) == 1


def test_rows_that_cannot_be_read_are_findings(tmp_path: Path) -> None:
    good = json.dumps(line(pair("a")))
    empty = json.dumps(line(pair("b")) | {"response_1": " "})
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join([good, good, empty, good[:50]]) + "\n")
    report = run(CheckConfig(input=str(file))).model_dump(mode="json")
    assert found(report) == {"empty_text": 1, "duplicate_id": 1, "unreadable_row": 1}
    (example,) = report["checks"]["unreadable_row"]["examples"]
    assert example["ids"] == ["pairs.jsonl:4"]


def test_hostile_rows(check: Check) -> None:
    items = [
        pair("a", prompt="\x1b[31m" + "<script>" * 10_000, responses=("@" * 10**6, "1 " * 300_000)),
        pair("[red]b", prompt="\u202e" * 5000, responses=("a." * 300_000, "+1" * 300_000)),
    ]
    report = check(items)
    assert {"long_row", "control_character"} <= found(report).keys()
    assert max(len(json.dumps(entry)) for entry in report["lines"]) < 2000


def cli(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["data", "check", *map(str, arguments)])
    return result.exit_code, result.output


def test_exit_codes(tmp_path: Path) -> None:
    sound = write(tmp_path / "sound.jsonl", [pair("a", said=[(1, "")])])
    serious = write(tmp_path / "serious.jsonl", [pair("a", said=[AGAINST])])
    assert cli(sound, "--strict")[0] == 0
    code, output = cli(serious)
    assert (
        code == 0 and "wording_against_strength" in output and "strength 2: @Response 1" in output
    )
    assert cli(serious, "--strict")[0] == 3
    assert cli(serious, "--strict", "--skip", "wording_against_strength")[0] == 0
    out = tmp_path / "out"
    assert cli(serious, "--strict", "--out", out)[0] == 3
    assert (out / "findings.jsonl").is_file(), "strict still writes"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-"], "standard input"),
        (["nothing.jsonl"], "nothing.jsonl"),
        (["pairs.jsonl", "--against", "nothing.jsonl"], "nothing.jsonl"),
        (["pairs.jsonl", "--skip", "emails"], "--skip: 'emails' is not one of"),
        (["pairs.jsonl", "--language", "english"], "'english' is not known"),
        (["pairs.jsonl", "--out", "pairs.jsonl"], "is a file"),
        (["pairs.jsonl", "--near", "2"], "--near"),
    ],
)
def test_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    write(tmp_path / "pairs.jsonl", [pair("a")])
    monkeypatch.chdir(tmp_path)
    code, output = cli(*arguments)
    assert code == 2 and message in output


def test_helpsteer2s_own_rows(shared: Path) -> None:
    """Read by eye: of 36 justifications one says 1 is better and has the number for 2."""
    report = run(
        CheckConfig(input=str(shared / "data" / "helpsteer2_sample"), examples=9)
    ).model_dump(mode="json")
    assert report["rows"]["pairs"] == 12
    (example,) = report["checks"]["wording_against_strength"]["examples"]
    assert example["ids"] == ["helpsteer2-row-8727"]
    assert report["severities"]["serious"] == 1 and report["severities"]["warning"] == 0
    assert report["checks"]["no_statement"]["rows"] == 4


@pytest.mark.parametrize("bad", [0, 1, 7])
def test_a_share_of_all_rows_is_at_most_all(bad: int, tmp_path: Path) -> None:
    """Rows that cannot be read are rows, too: seven of ten are 70 %, not 233.3."""
    off_scale = line(pair("x")) | {"all_preferences_unprocessed": [{"strength": 9}]}
    partly = line(pair("y", said=[(-2, "@Response 1 is better than @Response 2.")]))
    partly["all_preferences_unprocessed"].append({"strength": 9})
    rows = [line(pair(name)) for name in "ab"] + [partly] + [b"{"] * bad + [off_scale]
    file = write_rows(tmp_path / "preference.jsonl", rows)
    report = run(CheckConfig(input=str(file), language="any"))
    assert report.rows_seen == 4 + bad
    unread = report.checks["unreadable_row"]
    assert unread.rows == bad + 2, "one of them lost an annotation alone"
    console = Console(width=200, color_system=None)
    with console.capture() as shown:
        show(report, console)
    assert f"{100 * (bad + 2) / (bad + 4):.1f} %" in shown.get()
    shares = [float(found) for found in re.findall(r"([\d.]+) %", shown.get())]
    assert shares and max(shares) <= 100
