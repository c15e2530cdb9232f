"""The command line: exit codes, one-line errors, what it imports, progress, interruption."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from typer.testing import CliRunner, Result

from app.asked import ReviewConfig
from judge import __version__, exits
from judge.cli import app
from judge.commands import arena
from judge.commands.fields import help_of
from judge.commands.lazy import COMMANDS
from judge.commands.lazy import load as load_command
from judge.commands.probe import _LEFT
from judge.compare.arena.config import (
    AlpacaEvalConfig,
    ArenaHardConfig,
    MtBenchConfig,
    PairsConfig,
    ReportConfig,
)
from judge.compare.config import CompareConfig
from judge.compare.probes.config import ProbeConfig
from judge.compare.rank.config import RankConfig
from judge.config import BatchConfig, ScoreConfig, load_batch_config
from judge.engine_options import RayOptions, VllmOptions
from judge.errors import UsageError
from judge.exits import EXTRAS, INTERRUPTED, LOOK, OVER_BUDGET, USAGE, missing
from judge.infer.engines import registry as load
from judge.infer.engines.protocol import Engine
from judge.options import Option, checked
from judge.screen import Screen, duration
from judge.serve.config import ServeConfig
from judge.train.checkpoints.config import ExportConfig, PushConfig, SelectConfig
from judge.train.expo.config import ExpoConfig
from judge.train.hours import HoursRequest
from judge.train.loss_table import LossTable
from judge.train.plan.config import PlanRequest
from judge.train.reward.config import WeightsConfig
from tests.scripted import TEMPLATE, engine, failures, judgments, results, row, write_rows

ROOT = Path(__file__).parent.parent


def judge(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def batch(*arguments: Any) -> Result:
    return judge("batch", *arguments, "--template", TEMPLATE)


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "load_engine", lambda config, note=None: engine())


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "good.jsonl", [row(n) for n in range(5)])


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "mixed.jsonl", [row(1), b"no json", row(3, response_1="")])


# --- start ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "also"), [(["--help"], {"pydantic"}), (["--version"], {"pydantic"})]
)
def test_help_imports_nothing_heavy(arguments: list[str], also: set[str]) -> None:
    imports_nothing_of(arguments, HEAVY | also)


def test_the_help_of_a_command_imports_its_configuration_alone() -> None:
    imports_nothing_of(["batch", "--help"], HEAVY)


HEAVY = {"torch", "transformers", "outlines", "datasets", "pyarrow", "numpy", "jinja2", "yaml"}


def imports_nothing_of(arguments: list[str], modules: set[str]) -> None:
    """What a command costs before it does anything is what it imports: modules, not seconds."""
    code = textwrap.dedent("""
        import sys
        from judge.cli import app
        try:
            app(sys.argv[2:], standalone_mode=False)
        finally:
            found = set(sys.argv[1].split(",")) & set(sys.modules)
            assert not found, found
            assert len(sys.modules) < 900, len(sys.modules)
    """)
    told = [sys.executable, "-c", code, ",".join(modules), *arguments]
    subprocess.run(told, check=True, cwd=ROOT, capture_output=True)


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    for name, entry in COMMANDS.items():
        assert load_command(name).help.splitlines()[0] == entry.help, name


def test_version() -> None:
    assert judge("--version").stdout == f"judge {__version__}\n"


@pytest.mark.parametrize(
    ("command", "kind", "own"),
    [
        ("batch", BatchConfig, {"config", "dry_run"}),
        ("score", ScoreConfig, {"config", "dry_run"}),
        ("probe", ProbeConfig, {"config"}),
        ("serve", ServeConfig, {"config"}),
        ("compare", CompareConfig, {"out"}),
        ("rank", RankConfig, set()),
        ("arena pairs", PairsConfig, {"config"}),
        ("arena alpaca-eval", AlpacaEvalConfig, {"config"}),
        ("arena arena-hard", ArenaHardConfig, {"config"}),
        ("arena mt-bench", MtBenchConfig, {"config"}),
        ("arena report", ReportConfig, set()),
        ("train select", SelectConfig, set()),
        ("train export", ExportConfig, set()),
        ("train push", PushConfig, {"yes"}),
        ("train expo", ExpoConfig, set()),
        ("train weights", WeightsConfig, set()),
        ("train plan", PlanRequest, {"as_json"}),
        ("train losses", LossTable, {"as_json"}),
        ("train hours", HoursRequest, {"as_json"}),
        ("review", ReviewConfig, {"oidc_issuer", "oidc_client_id", "oidc_name"}),
    ],
)
def test_every_field_of_the_configuration_is_an_option(
    command: str, kind: type[BaseModel], own: set[str]
) -> None:
    name, *inner = command.split()
    found = load_command(name)
    options = {p.name: p for p in (found.commands[inner[0]] if inner else found).params}
    left = {
        "probe": set(_LEFT),
        "train plan": {"counts"},
        "review": {"oidc"},
        "arena mt-bench": set(arena._LEFT_OF_GRADES),
    }.get(command, set(arena._LEFT) if name == "arena" and inner != ["report"] else set())
    assert options.keys() - {"help"} == (kind.model_fields.keys() | own) - left
    for name, field in kind.model_fields.items():
        assert field.description, name
        if name in options and isinstance(field.default, str):
            assert f"(default: {field.default}" in options[name].help, name


def test_the_help_of_a_field() -> None:
    class Asked(BaseModel):
        model_config = ConfigDict(use_attribute_docstrings=True)

        plain: int = 3
        """Number of ``things``."""
        worded: str | None = None
        """Where :class:`judge.Pair` goes. None: nowhere
        at all."""
        switch: bool = True
        """Do it."""

    said = {name: help_of(field) for name, field in Asked.model_fields.items()}
    assert said == {
        "plain": "Number of things. (default: 3)",
        "worded": "Where judge.Pair goes. (default: nowhere at all)",
        "switch": "Do it.",
    }


def test_a_value_that_an_option_does_not_take_is_told_by_the_option() -> None:
    class Inner(BaseModel):
        one: int = 1

    class Asked(BaseModel):
        output_dir: Annotated[str, Option(flag="--out")] = "runs"
        kind: Literal["a", "b"] = "a"
        inner: Inner = Inner()

    for given, message in (
        ({"output_dir": 1}, "--out: Input should be a valid string"),
        ({"kind": "c"}, "--kind: 'c' is not one of 'a' or 'b'"),
        ({"inner": {"one": "x"}}, "--inner-one: Input should be a valid integer"),
    ):
        with pytest.raises(UsageError) as error:
            checked(Asked, given)
        assert str(error.value).startswith(message)


def test_a_command_without_its_input_says_what_to_type() -> None:
    for command, example in (
        ("batch", "judge batch pairs.jsonl --out runs/mine"),
        ("score", "judge score pairs.jsonl --out runs/scored"),
        ("probe", "judge probe pairs.jsonl --out runs/probes"),
    ):
        result = judge(command)
        assert result.exit_code == 2
        assert lines_of(result) == [f"error: INPUT is missing; expected, for example: {example}"]
    result = judge("batch", "pairs.jsonl")
    assert lines_of(result)[0].startswith("error: --out is missing; expected, for example")


@pytest.mark.parametrize(("kind", "recipe"), [("justifier", "small_judge"), ("reward", "mini_bt")])
def test_the_help_of_a_training_lists_recipes_and_fields(kind: str, recipe: str) -> None:
    said = " ".join(judge("train", kind, "--help").stdout.split())
    assert f" {recipe}," in said.partition("Fields,")[0]
    assert "learning_rate=1e-" in said and "max_steps=-1" in said


# --- exit codes ----------------------------------------------------------------------------------


def test_a_complete_run_is_0_and_shows_the_table(good: Path, tmp_path: Path) -> None:
    result = batch(good, "--out", tmp_path / "run")
    assert result.exit_code == 0
    assert "model: small, a judge bundled with this package" in result.stderr
    for text in ("judged", "Response 1 preferred", "order-consistent", "pairs/s", "report.html"):
        assert text in result.stdout
    assert (tmp_path / "run" / "report.html").is_file()


def test_failed_rows_are_3_also_when_nothing_is_left_to_do(mixed: Path, tmp_path: Path) -> None:
    for _ in range(2):
        result = batch(mixed, "--out", tmp_path / "run")
        assert result.exit_code == 3
        assert "bad_json" in result.stdout
    assert [(f["line"], f["reason"]) for f in failures(tmp_path / "run")] == [
        (2, "bad_json"),
        (3, "empty_response"),
    ]
    assert len(judgments(tmp_path / "run")) == 1


def test_the_error_budget_is_4(mixed: Path, tmp_path: Path) -> None:
    result = batch(mixed, "--out", tmp_path / "run", "--max-failures", 1)
    assert result.exit_code == 4
    assert "error: 2 rows failed, more than --max-failures 1" in result.stderr


def lines_of(result: Result) -> list[str]:
    return [line for line in result.stderr.splitlines() if not line.startswith("model:")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jsonl", "--out", "run"], "cannot read missing.jsonl: No such file"),
        (["good.jsonl"], "--out is missing; expected, for example: judge batch pairs.jsonl"),
        (["--out", "run"], "INPUT is missing; expected, for example: judge batch pairs.jsonl"),
        (["good.jsonl", "--out", "run", "--window", "0"], "field window: Input should be greater"),
        (["good.jsonl", "--out", "good.jsonl"], "cannot use the run folder good.jsonl"),
        (["good.jsonl", "--out", "/proc/run"], "cannot use the run folder /proc/run"),
        (["good.jsonl", "--out", "run", "--config", "none.yaml"], "cannot read none.yaml"),
        (["good.jsonl", "--out", "run", "--model", "./none"], "no model folder at ./none"),
        ([".", "--out", "run"], ". is a folder"),
    ],
)
def test_usage_errors_are_2_and_one_line(
    good: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(good.parent)
    result = judge("batch", *arguments)
    assert result.exit_code == 2
    [line] = lines_of(result)
    assert line.startswith("error: ")
    assert message in line
    assert not (good.parent / "run").exists()


def test_unknown_options_are_2(good: Path) -> None:
    assert judge("batch", good, "--engine", "magic").exit_code == 2
    assert judge("batch", good, "--scorer", "a=b").exit_code == 2


def test_another_configuration_is_2_and_changes_nothing(good: Path, tmp_path: Path) -> None:
    batch(good, "--out", tmp_path / "run")
    before = results(tmp_path / "run")
    result = batch(good, "--out", tmp_path / "run", "--seed", 1)
    assert result.exit_code == 2
    assert "seed is 0 there, 1 now" in result.stderr
    assert results(tmp_path / "run") == before
    assert batch(good, "--out", tmp_path / "run", "--seed", 1, "--fresh").exit_code == 0


def test_a_missing_extra_is_2(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_engine(config: BatchConfig, note: object = None) -> Engine:
        raise ModuleNotFoundError("No module named 'vllm.lora'", name="vllm.lora")

    monkeypatch.setattr(load, "load_engine", load_engine)
    result = batch(good, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "error: this command needs vllm: pip install 'pairwise-justifier[vllm]'" in result.stderr


def test_the_extras_that_errors_name_bring_the_modules() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] in missing("vllm")
    named = {"sklearn": "scikit-learn", "argon2": "argon2-cffi", "markdown_it": "markdown-it-py"}
    for extra, modules in EXTRAS.items():
        brought = " ".join(project["optional-dependencies"][extra])
        for module in modules:
            assert named.get(module, module).replace("_", "-") in brought, (extra, module)
    assert "[app]" in missing("fastapi", "review") and "[serve]" in missing("fastapi", "serve")
    assert "[stats]" in missing("plotly", "data") and "[compare]" in missing("plotly", "compare")
    assert missing("torch").endswith("pip install torch")


def test_every_exit_code_is_documented_once() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| (\d+) \| ", page.partition("## Exit codes")[2], re.M)
    assert codes == ["0", "1", "2", "3", "4", "130"]
    said = re.findall(r"^    (\d+) ", exits.__doc__ or "", re.M)
    assert said == codes
    assert {USAGE, LOOK, OVER_BUDGET, INTERRUPTED} == {2, 3, 4, 130}


def test_a_dry_run_is_0_and_writes_nothing(mixed: Path, tmp_path: Path) -> None:
    result = batch(mixed, "--out", tmp_path / "run", "--dry-run")
    assert result.exit_code == 0
    for text in ("would be judged", "prompt tokens, given order", "over-length", "estimated time"):
        assert text in result.stdout
    assert not (tmp_path / "run").exists()


# --- configuration -------------------------------------------------------------------------------


def test_the_command_line_wins_over_the_file(good: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    values = {"input": str(good), "out": str(tmp_path / "run"), "limit": 2, "template": TEMPLATE}
    file.write_text(yaml.safe_dump({**values, "orders": "given"}))
    assert judge("batch", "--config", file, "--limit", 3).exit_code == 0
    rows = judgments(tmp_path / "run")
    assert len(rows) == 3
    assert list(rows[0]["orders"]) == ["given"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "holds list, expected fields and values"),
        ("a: [", "is not valid YAML"),
        ("windw: 3", "field windw: Extra inputs are not permitted; the fields are input, out,"),
        ("window: many", "field window: Input should be a valid integer"),
    ],
)
def test_a_bad_configuration_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        load_batch_config(file, {"input": "a", "out": "b"})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_configuration_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("")
    given = {"input": "a", "out": "b", "seed": None}
    assert load_batch_config(tmp_path / "run.yaml", given) == BatchConfig(input="a", out="b")


def test_every_field_says_whether_it_determines_the_result() -> None:
    identity = set(BatchConfig(input="a", out="b").identity())
    # Contents' hashes stand in for input and template; the others change no verdict.
    # The numbers in the weights file stand in for it, too.
    beside = {
        "input",
        "template",
        "split",
        "subset",
        "revision",
        "out",
        "limit",
        "max_failures",
        "fresh",
        "weights",
        # What a server or vLLM makes of these is in the engine's own description.
        "url",
        "tokenizer",
        "concurrency",
        "timeout",
        "patience",
        *VllmOptions.model_fields,
        *RayOptions.model_fields,
    }
    assert identity == set(BatchConfig.model_fields) - beside
    assert (
        set(ScoreConfig(input="a", out="b", model="m").identity())
        == set(ScoreConfig.model_fields) - beside
    )


# --- interruption --------------------------------------------------------------------------------

SLOW = textwrap.dedent("""
    import sys, time
    from judge import cli
    from judge.infer.engines import registry as load
    from judge.infer.engines.protocol import ScriptedEngine
    from tests.scripted import answer

    def slow(text, mode):
        time.sleep(0.01)
        return answer(text, mode)

    load.load_engine = lambda config, note=None: ScriptedEngine(slow)
    cli.main()
""")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the run did not get there"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_130_and_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(100)])
    options = ["--template", TEMPLATE, "--window", "4"]
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "batch", str(source), "--out", str(out), *options],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    file = out / "judgments.jsonl"
    until(lambda: file.exists() and file.stat().st_size > 0)
    process.send_signal(number)
    assert process.stderr is not None
    stderr = process.stderr.read()
    assert process.wait() == 130
    assert stderr.splitlines()[-1] == "interrupted; run the same command again to continue"
    assert "Traceback" not in stderr
    whole, torn = divmod(len(judgments(out)), 4)
    assert torn == 0
    assert 0 < whole < 25
    assert judge("batch", source, "--out", out, *options).exit_code == 0
    judge("batch", source, "--out", tmp_path / "whole", *options)
    assert results(out) == results(tmp_path / "whole")


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [row(n) for n in range(400)])
    command = ["batch", str(source), "--out", str(tmp_path / "run"), "--template", TEMPLATE]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *command], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    until(lambda: (tmp_path / "run" / "judgments.jsonl").exists())
    result = judge(*command)
    process.kill()
    process.wait()
    assert result.exit_code == 2
    assert f"in use by another judge process (pid {process.pid})" in result.stderr


# --- what is shown -------------------------------------------------------------------------------


def test_progress_without_a_terminal_is_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(float(second) for second in range(0, 1000, 4))
    monkeypatch.setattr("judge.screen.time.monotonic", lambda: next(clock))
    out = io.StringIO()
    with Screen(Console(file=out, width=40)) as screen:
        screen.start(total=100, done=20, failed=1)
        for _ in range(4):
            screen.advance(10, 1)
    lines = out.getvalue().splitlines()
    assert lines[0] == "going on after 20 finished rows"
    assert re.fullmatch(r"\d+ of 100 rows, \d failed, \d+\.\d rows/s, \d+ s left", lines[1])
    assert "\x1b" not in out.getvalue()


def test_progress_on_a_terminal_is_a_bar() -> None:
    out = io.StringIO()
    with Screen(Console(file=out, width=120, force_terminal=True)) as screen:
        screen.start(total=100, done=0, failed=0)
        screen.advance(50, 2)
    assert "50/100" in out.getvalue()
    assert "2 failed" in out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(45.2, "45 s"), (720, "12 min"), (11_100, "3 h 5 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_markup_in_names_is_shown_as_it_is(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "[bold]in.jsonl", [row(1)])
    result = batch(source, "--out", tmp_path / "[red]run")
    assert result.exit_code == 0
    assert "[red]run" in result.stdout


# --- the other commands --------------------------------------------------------------------------


def test_data_prepare(tmp_path: Path) -> None:
    out = tmp_path / "sets"
    result = judge(
        *("data", "prepare", ROOT / "examples" / "pairs.jsonl", "--out", out, "--no-flip"),
        *("--style", "statement_only", "--style", "elaboration_first", "--set", "all"),
    )
    assert result.exit_code == 0, result.stderr
    manifest = json.loads((out / "manifest.json").read_bytes())
    assert manifest["options"]["styles"] == ["statement_only", "elaboration_first"]
    assert manifest["options"]["flipped"] is False
    assert manifest["options"]["justifications"] == "all"
    assert "kept" in result.stdout


def test_data_prepare_of_nothing_is_2(tmp_path: Path) -> None:
    result = judge("data", "prepare", tmp_path / "none", "--out", tmp_path / "sets")
    assert result.exit_code == 2
    assert len(lines_of(result)) == 1


@pytest.mark.parametrize("kind", ["justifier", "pretrain"])
def test_a_missing_recipe_is_2(kind: str) -> None:
    result = judge("train", kind, "--config", "none")
    assert result.exit_code == 2
    assert "no recipe 'none'" in result.stderr
