"""``judge align``: preferences to aligned models."""

from __future__ import annotations

from typing import Annotated

import typer

from judge.commands.watched import close, paged, watched

app = typer.Typer(help="Align models with preferences.", no_args_is_help=True)

Recipe = Annotated[str, typer.Option("--config", help="Recipe: a file, or a bundled one's name.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")]


@app.command("dpo")
def dpo(config: Recipe, overrides: Overrides = None) -> None:
    """Train on preferences: regular, margin or scaled DPO; goes on after an interruption."""
    from judge.train.align.config import DPOConfig
    from judge.train.config import load_recipe

    recipe = load_recipe(config, overrides or [], DPOConfig)
    with paged(recipe.output_dir), watched() as screen:
        from judge.train.align import dpo

        manifest = dpo.run(recipe, screen)
    close(manifest, screen)


@app.command("sft")
def sft(config: Recipe, overrides: Overrides = None) -> None:
    """Fine-tune on chosen responses, or on conversations; goes on after an interruption."""
    from judge.train.align.config import PolicySFTConfig
    from judge.train.config import load_recipe

    recipe = load_recipe(config, overrides or [], PolicySFTConfig)
    with paged(recipe.output_dir), watched() as screen:
        from judge.train.align import sft

        manifest = sft.run(recipe, screen)
    close(manifest, screen)
