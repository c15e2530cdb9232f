"""``judge arena``: answers of several models to one judged result, by our own judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from judge.commands.fields import from_fields
from judge.commands.options import Config
from judge.compare.arena.config import (
    AlpacaEvalConfig,
    AnswersConfig,
    ArenaHardConfig,
    MtBenchConfig,
    PairsConfig,
    ReportConfig,
)
from judge.config import load_config
from judge.exits import LOOK
from judge.options import checked

if TYPE_CHECKING:
    from judge.compare.arena.contestants import Contestant
    from judge.compare.arena.matches import Match
    from judge.compare.arena.read import AnyResult
    from judge.compare.arena.result import ArenaResult, Rule
    from judge.report.tables import Table
    from judge.respond_config import RespondConfig

app = typer.Typer(no_args_is_help=True, help="Judge answers of several models by published rules.")
_LEFT = ("input", "scorer", "weights", "split", "subset", "revision", "replicas", "ray_address")
"""Fields that are made here, or that are for what an arena does not take."""
_LEFT_OF_GRADES = ("input", "samples", "attributes", "split", "subset", "revision")
Figures = Callable[["ArenaResult", Sequence["Match"], "Contestant"], "ArenaResult"]


@app.command("pairs")
@from_fields(PairsConfig, arguments=("answers",), required=("answers",), leave=_LEFT)
def pairs(given: dict[str, Any], config: Config = None) -> None:
    """Win rates over a baseline, in both orders, with intervals by prompt."""
    asked = load_config(PairsConfig, config, given, _example("pairs"))
    _play("pairs", asked, lambda result, matches, baseline: result)


@app.command("alpaca-eval")
@from_fields(AlpacaEvalConfig, arguments=("answers",), required=("answers",), leave=_LEFT)
def alpaca_eval(given: dict[str, Any], config: Config = None) -> None:
    """Win rates and length-controlled win rates by AlpacaEval 2's model."""
    import sklearn  # noqa: F401  a missing library is told before the judging

    from judge.compare.arena.alpaca_eval import with_control

    asked = load_config(AlpacaEvalConfig, config, given, _example("alpaca-eval"))
    _play("alpaca-eval", asked, lambda *found: with_control(asked, *found))


@app.command("arena-hard")
@from_fields(ArenaHardConfig, arguments=("answers",), required=("answers",), leave=_LEFT)
def arena_hard(given: dict[str, Any], config: Config = None) -> None:
    """Arena-Hard's five grades, weights and style control, its rule and ours."""
    from judge.compare.arena.arena_hard import with_grades

    asked = load_config(ArenaHardConfig, config, given, _example("arena-hard"))
    _play("arena-hard", asked, lambda *found: with_grades(asked, *found))


@app.command("mt-bench")
@from_fields(MtBenchConfig, arguments=("answers",), required=("answers",), leave=_LEFT_OF_GRADES)
def mt_bench(given: dict[str, Any], config: Config = None) -> None:
    """Grades from 1 to 10 of both turns, by a model that chats, by MT-bench's rule."""
    from judge.compare.arena.mt_bench.plan import plan, write_prompts
    from judge.compare.arena.mt_bench.scores import score, within
    from judge.compare.arena.mt_bench.tables import tables
    from judge.compare.arena.mt_bench.talks import read_talks
    from judge.compare.arena.mt_bench.wording import load_wording
    from judge.formats.model_answers import read_questions, read_references

    example = "judge arena mt-bench runs/start runs/dpo --model OUR_CHAT_MODEL --out runs/mt"
    asked = load_config(MtBenchConfig, config, given, example)
    wording = load_wording(asked.wording)
    questions = None if asked.questions is None else read_questions(asked.questions)
    references = {} if asked.references is None else read_references(asked.references)
    talks = read_talks(asked.answers, questions, references, asked.strip_thinking)
    grades = plan(*talks)
    write_prompts(Path(asked.out), grades, talks[1], wording, asked.fresh)
    rows = sum(grade.failure is None for grade in within(grades, asked.limit))
    if rows:
        _grade(asked.respond(rows))
    result = score(asked, *talks, grades, wording)
    _show(result, Path(asked.out), list(tables(result)))
    if any(one.failures for one in result.models):
        raise typer.Exit(LOOK)


@app.command("report")
@from_fields(ReportConfig, arguments=("results",), required=("results", "out"))
def report(given: dict[str, Any]) -> None:
    """One page and one table of several results: the shape of the paper's Table 4."""
    from rich.console import Console

    from judge.compare.arena.paper_table import paper_table
    from judge.compare.arena.read import read_result
    from judge.compare.reports.arena import write_report
    from judge.report.tables import shown

    asked = checked(ReportConfig, given)
    found = [(read_result(Path(folder)), Path(folder)) for folder in asked.results]
    paths = write_report(found, Path(asked.out))
    Console().print(shown(paper_table([result for result, _ in found])))
    for path in paths:
        typer.echo(path)


def _example(name: str) -> str:
    return f"judge arena {name} runs/start runs/dpo --baseline start --out runs/arena"


def _play(rule: Rule, config: AnswersConfig, figures: Figures) -> None:
    """Judge what is not judged yet; write and show the result."""
    from judge.compare.arena.tables import tables

    result = played(rule, config, figures)
    _show(result, Path(config.out), list(tables(result)))
    if any(one.failures for one in (*result.results, *result.meetings)):
        raise typer.Exit(LOOK)


def played(rule: Rule, config: AnswersConfig, figures: Figures) -> ArenaResult:
    """Judge what is not judged yet; return the result."""
    from judge.compare.arena.contestants import with_baseline
    from judge.compare.arena.plan import plan, within, write_pairs
    from judge.compare.arena.result import score
    from judge.formats.model_answers import read_questions

    questions = None if config.questions is None else read_questions(config.questions)
    others, baseline = with_baseline(
        config.answers, config.baseline, questions, config.strip_thinking
    )
    games = plan(others, baseline, config.every_pair)
    write_pairs(Path(config.out), games, config.fresh)
    rows = sum(game.judged for game in within(games, config.limit))
    if rows:
        _judge(config, rows)
    found, matches = score(rule, config, others, baseline, games)
    return figures(found, matches, baseline)


def _judge(config: AnswersConfig, rows: int) -> None:
    """Judge the pairs that the run folder lacks."""
    from rich.console import Console

    from judge.infer.asked import check_kind, run
    from judge.runs.folder import CONFIG
    from judge.screen import Screen

    asked = config.batch(rows)
    if not (config.run / CONFIG).exists():  # a finished run is scored without its model
        check_kind(asked)
    with Screen(Console(stderr=True)) as screen:
        screen.note(f"judge: {asked.model}")
        run(asked, screen)


def _grade(config: RespondConfig) -> None:
    """Have the judge write the replies that the run folder lacks."""
    from rich.console import Console

    from judge.infer.engines.registry import load_writer
    from judge.infer.respond.run import run
    from judge.screen import Screen

    with Screen(Console(stderr=True), "grading") as screen:
        screen.note(f"judge: {config.model}")
        run(config, lambda: load_writer(config, screen.note), screen)


def _show(result: AnyResult, folder: Path, tables: Sequence[Table]) -> None:
    from rich.console import Console

    from judge.compare.arena.result import write_result
    from judge.compare.reports.arena import write_report
    from judge.report.tables import shown

    paths = [write_result(result, folder), write_report([(result, folder)], folder)[0]]
    console = Console()
    for table in tables:
        console.print(shown(table))
    for path in paths:
        typer.echo(path)
