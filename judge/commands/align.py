"""``judge align``: preferences to aligned models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from judge.commands.fields import from_fields
from judge.commands.recipes import Overrides, Recipe, listed
from judge.commands.watched import paged, train_as, watched
from judge.errors import UsageError
from judge.options import checked
from judge.train.align.config import DPOConfig, PolicySFTConfig
from judge.train.align.iterate_config import IterateConfig
from judge.train.align.ratings_config import RatingsConfig
from judge.train.align.rloo_config import RLOOConfig

app = typer.Typer(help="Align models with preferences.", no_args_is_help=True)


@app.command("dpo", epilog=listed("align dpo", DPOConfig))
def dpo(config: Recipe, overrides: Overrides = None) -> None:
    """Train on preferences: regular, margin or scaled DPO; goes on after an interruption."""
    train_as("judge.train.align.dpo", DPOConfig, config, overrides or [])


@app.command("sft", epilog=listed("align sft", PolicySFTConfig))
def sft(config: Recipe, overrides: Overrides = None) -> None:
    """Fine-tune on chosen responses, or on conversations; goes on after an interruption."""
    train_as("judge.train.align.sft", PolicySFTConfig, config, overrides or [])


@app.command("rloo", epilog=listed("align rloo", RLOOConfig))
def rloo(config: Recipe, overrides: Overrides = None) -> None:
    """Learn from rewards of what the policy writes (REINFORCE, leave-one-out); can be resumed."""
    train_as("judge.online.rloo", RLOOConfig, config, overrides or [])


@app.command("ppo", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def ppo() -> None:
    """Not available: says why and ends with exit code 2. Use `judge align rloo`."""
    raise UsageError(
        "there is no PPO here: no library of ours has it any more (TRL took its trainer out), and"
        " at 70 billion parameters its value model needs 36 GiB more of each of 32 GPUs, which they"
        " do not have; use `judge align rloo` (docs/alignment.md)"
    )


@app.command("iterate", epilog=listed("align iterate", IterateConfig))
def iterate(config: Recipe, overrides: Overrides = None) -> None:
    """Answer, score, train on the best and the worst, round by round; goes on after a kill."""
    from judge.train.config import load_recipe

    recipe = load_recipe(config, overrides or [], IterateConfig)
    with paged(recipe.output_dir), watched() as screen:
        from judge.online.iterative.run import ROUNDS, run

        rounds = run(recipe, screen)
    typer.echo(f"the newest policy: {rounds.policy}")
    typer.echo(f"figures of all rounds: {Path(recipe.output_dir) / ROUNDS}")


@app.command("rate")
@from_fields(RatingsConfig, arguments=("data",), required=("data", "out"))
def rate(given: dict[str, Any]) -> None:
    """Rate responses by a regression reward model: the data of SteerLM."""
    config = checked(RatingsConfig, given)
    with watched() as screen:
        from judge.online.ratings import run
        from judge.online.rewards import ModelRewards
        from judge.train.align.rloo_config import RewardSection

        manifest = run(config, lambda: ModelRewards(RewardSection(model=config.model)), screen)
    for name, file in manifest["outputs"].items():
        typer.echo(f"{name}: {file['rows']:,} rated responses")
    for why, count in manifest["left_out"].items():
        typer.echo(f"left out: {count:,} {why}")
    typer.echo(f"written to {config.out}")
