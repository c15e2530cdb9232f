"""``judge train``: recipes to trained models."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any

import typer

from judge.commands import trained
from judge.commands.fields import from_fields
from judge.commands.recipes import Overrides, Recipe, listed
from judge.commands.watched import page_of, train_as, watched
from judge.exits import LOOK
from judge.options import checked
from judge.train.config import JustifierConfig, RewardConfig
from judge.train.expo.config import ExpoConfig
from judge.train.hours import HoursRequest
from judge.train.loss_table import LossTable
from judge.train.plan.config import PlanRequest
from judge.train.reward.config import WeightsConfig

app = typer.Typer(help="Train judges and reward models.", no_args_is_help=True)
app.command()(trained.select)
app.command()(trained.export)
app.command()(trained.push)


@app.command("justifier", epilog=listed("train justifier", JustifierConfig))
def justifier(config: Recipe, overrides: Overrides = None) -> None:
    """Fine-tune a judge on prepared sets; the same command goes on after an interruption."""
    train_as("judge.train.sft.training", JustifierConfig, config, overrides or [])


@app.command("reward", epilog=listed("train reward", RewardConfig))
def reward(config: Recipe, overrides: Overrides = None) -> None:
    """Train a reward model: regression or Bradley-Terry; goes on after an interruption."""
    train_as("judge.train.reward.training", RewardConfig, config, overrides or [])


@app.command("report")
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The output folder of a training.")],
) -> None:
    """Write the page of a training run's curves; a training does so itself when it ends."""
    typer.echo(page_of(run))


@app.command("ablation")
def ablation(config: Recipe, overrides: Overrides = None) -> None:
    """Compare kinds of reward models, or of judges, over several seeds, as the paper does."""
    from judge.train.ablation import justifiers as judges
    from judge.train.ablation import rewards
    from judge.train.config import load_recipe
    from judge.train.recipe_files import read_recipe

    recipe: rewards.AblationConfig | judges.JustifierAblationConfig
    if "variants" in read_recipe(config)[1]:
        recipe = load_recipe(config, overrides or [], judges.JustifierAblationConfig)
        from judge.infer.asked import judge_file

        judging = partial(judge_file, max_new_tokens=recipe.max_new_tokens)
        with watched() as screen:
            table = judges.run(recipe, judging, screen).table
    else:
        recipe = load_recipe(config, overrides or [], rewards.AblationConfig)
        with watched() as screen:
            table = rewards.run(recipe, screen).table
    typer.echo(table)
    typer.echo(f"written to {recipe.output_dir}")


@app.command("pretrain")
def pretrain(config: Recipe, overrides: Overrides = None) -> None:
    """Train the tokenizer and base model of the mini judge."""
    from judge.train.config import PretrainConfig, load_recipe

    recipe = load_recipe(config, overrides or [], PretrainConfig)
    with watched() as screen:
        from judge.train.bundled import pretrain as training

        log = training.run(recipe, screen)
    _show_log(log, recipe.output_dir)


@app.command("expo")
@from_fields(ExpoConfig, required=("weak", "strong", "output_dir"))
def expo(given: dict[str, Any]) -> None:
    """Extrapolate from a weak model through a strong one (ExPO), file by file."""
    from judge.train.expo.curve import read_curve
    from judge.train.expo.extrapolate import run

    config = checked(ExpoConfig, given)
    record = run(config)
    for line in read_curve(config.output_dir) if config.search is not None else []:
        typer.echo(line)
    _show_log(record.to_json(), config.output_dir)


@app.command("weights")
@from_fields(WeightsConfig, arguments=("pairs",), required=("pairs", "output_dir"))
def weights(given: dict[str, Any]) -> None:
    """Search the weights that make one reward of five attributes."""
    from judge.train.reward.attribute_fit import report_lines, run

    config = checked(WeightsConfig, given)
    for line in report_lines(run(config)):
        typer.echo(line)
    typer.echo(f"written to {config.output_dir}")


@app.command("plan")
@from_fields(PlanRequest, arguments=("recipe",), required=("recipe",), leave=("counts",))
def plan(
    given: dict[str, Any],
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Compute what a recipe needs before GPUs are rented: memory, hours, what else would fit.

    Ends with 3 when it does not fit.
    """
    from judge.train.plan import planner, report

    found = planner.plan(checked(PlanRequest, {**given, "overrides": overrides or []}))
    if as_json:
        typer.echo(json.dumps(report.as_json(found), indent=1))
    else:
        typer.echo("\n".join(report.lines(found)))
    if not found.fits:
        raise typer.Exit(LOOK)


@app.command("losses")
@from_fields(LossTable)
def losses(
    given: dict[str, Any],
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Show the Bradley-Terry losses of differences and strengths: the paper's Table 10."""
    from rich.console import Console

    from judge.report.tables import shown
    from judge.train import loss_table

    found = loss_table.losses(checked(LossTable, given))
    if as_json:
        typer.echo(json.dumps(loss_table.as_json(found), indent=1))
    else:
        Console().print(shown(loss_table.table(found)))


@app.command("hours")
@from_fields(HoursRequest, arguments=("runs",), required=("runs",))
def hours(
    given: dict[str, Any],
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Sum what trainings took, devices times hours: the paper's Table 9."""
    from rich.console import Console

    from judge.report.tables import shown
    from judge.train import hours as spending

    asked = checked(HoursRequest, given)
    found = spending.spent(asked)
    if as_json:
        typer.echo(json.dumps(spending.as_json(found, asked.price), indent=1))
    else:
        Console().print(shown(spending.table(found, asked.price)))


def _show_log(log: dict[str, Any], folder: str) -> None:
    """Show the plain values of what a training left behind; the rest is in its folder."""
    for name, value in log.items():
        if not isinstance(value, (dict, list)):
            typer.echo(f"{name}: {value}")
    typer.echo(f"written to {folder}")
