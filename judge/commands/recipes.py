"""What the commands that run a recipe have in common: their parameters, what their help lists."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import BaseModel

from judge.train.recipe_files import recipes_for

Recipe = Annotated[str, typer.Option("--config", help="Recipe: a file, or a bundled one's name.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Fields of the recipe, over its own values."),
]


def listed(command: str, kind: type[BaseModel]) -> str:
    """Return the end of a command's help: the bundled recipes for it, and the fields of ``kind``.

    Args:
        command: as ``train justifier``.
    """
    fields = []
    for name, field in kind.model_fields.items():
        value = "" if field.is_required() else f"={field.get_default(call_default_factory=True)}"
        fields.append(f"{name}{value}")
    recipes = ", ".join(recipes_for(command))
    also = ", docs/alignment.md" if command.startswith("align ") else ""
    said = f"what each means: docs/training.md{also}"
    return f"Recipes: {recipes}.\n\nFields, with their defaults ({said}): {', '.join(fields)}."
