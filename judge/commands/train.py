"""``judge train``: recipes to trained models."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any

import typer

from judge.commands import trained
from judge.commands.recipes import Overrides, Recipe, listed
from judge.commands.watched import page_of, train_as, watched
from judge.exits import LOOK
from judge.train.config import JustifierConfig, RewardConfig

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
            table = judges.run(recipe, judging, screen)["table"]
    else:
        recipe = load_recipe(config, overrides or [], rewards.AblationConfig)
        with watched() as screen:
            table = rewards.run(recipe, screen)["table"]
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
def expo(
    weak: Annotated[str, typer.Option(help="Model to move away from: a folder or hub id.")],
    strong: Annotated[str, typer.Option(help="Model trained from it: a folder or hub id.")],
    out: Annotated[str, typer.Option(help="The folder to write.", metavar="DIR")],
    factor: Annotated[
        float | None, typer.Option(help="weak + FACTOR (strong - weak); 1 is strong.")
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(help="Preference file (judge data prepare) to search it on.", metavar="FILE"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Search on the first N pairs only.", metavar="N")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Base of LoRA adapters, if not where they say.")
    ] = None,
) -> None:
    """Extrapolate from a weak model through a strong one (ExPO), file by file."""
    from judge.train.expo.curve import read_curve
    from judge.train.expo.extrapolate import ExpoConfig, run

    config = ExpoConfig(
        weak=weak,
        strong=strong,
        output_dir=out,
        factor=factor,
        search=search,
        search_limit=limit,
        base=base,
    )
    record = run(config)
    for line in read_curve(out) if search is not None else []:
        typer.echo(line)
    _show_log(record, out)


@app.command("weights")
def weights(
    pairs: Annotated[
        str,
        typer.Argument(
            metavar="PAIRS",
            help="Preference file (judge data prepare), or rewards without --model.",
        ),
    ],
    out: Annotated[str, typer.Option(help="Where weights.json is written.", metavar="DIR")],
    model: Annotated[
        str | None, typer.Option(help="Regression model with five outputs: a folder or hub id.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="The first N pairs only.", metavar="N")] = None,
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation.", min=2)] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the division into folds.")] = 17,
    base: Annotated[
        str | None, typer.Option(help="Base of a LoRA adapter, if not where it says.")
    ] = None,
) -> None:
    """Search the weights that make one reward of five attributes."""
    from judge.train.reward.attribute_fit import WeightsConfig, report_lines, run

    config = WeightsConfig(
        pairs=pairs, output_dir=out, model=model, limit=limit, folds=folds, seed=seed, base=base
    )
    for line in report_lines(run(config)):
        typer.echo(line)
    typer.echo(f"written to {out}")


@app.command("plan")
def plan(
    recipe: Annotated[str, typer.Argument(help="Recipe: a file, or a bundled one's name.")],
    overrides: Overrides = None,
    gpus: Annotated[
        int | None, typer.Option(help="How many GPUs; else the recipe's own.", metavar="N", min=1)
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(help="Which GPU, as h100-80gb; else the recipe's own.")
    ] = None,
    gpus_per_node: Annotated[int, typer.Option(help="GPUs of a node.", min=1)] = 8,
    data: Annotated[
        str | None,
        typer.Option(help="Folder of judge data prepare; else the paper's numbers.", metavar="DIR"),
    ] = None,
    price: Annotated[
        float | None, typer.Option(help="Price of a GPU for an hour; else no cost is named.")
    ] = None,
    margin: Annotated[
        float, typer.Option(help="Share of a GPU's memory that stays free.", min=0, max=0.9)
    ] = 0.1,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Compute what a recipe needs before GPUs are rented: memory, hours, what else would fit.

    Ends with 3 when it does not fit.
    """
    from judge.train.plan import planner, report

    request = planner.PlanRequest(
        recipe=recipe,
        overrides=overrides or [],
        gpus=gpus,
        gpu=gpu,
        gpus_per_node=gpus_per_node,
        data=data,
        price=price,
        margin=margin,
    )
    found = planner.plan(request)
    if as_json:
        typer.echo(json.dumps(report.as_json(found), indent=1))
    else:
        typer.echo("\n".join(report.lines(found)))
    if not found.fits:
        raise typer.Exit(LOOK)


def _show_log(log: dict[str, Any], folder: str) -> None:
    """Show the plain values of what a training left behind; the rest is in its folder."""
    for name, value in log.items():
        if not isinstance(value, (dict, list)):
            typer.echo(f"{name}: {value}")
    typer.echo(f"written to {folder}")
