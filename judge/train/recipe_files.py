"""Recipe files: found by name or path, read as YAML, one laid over others (``extends``)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from judge.errors import UsageError

RECIPES = Path(__file__).parent / "recipes"
EXTENDS = "extends"
"""The key that names what a recipe is laid over: a recipe, or a list of them, each over the one
before it."""


def find_recipe(recipe: str, beside: Path | None = None) -> Path:
    """Return the file of a recipe: a path, or the name of one beside ``beside`` or in ``recipes/``.

    Raises:
        UsageError: naming the recipes that there are.
    """
    name = f"{recipe.removesuffix('.yaml')}.yaml"
    places = [Path(recipe), *([beside.parent / name] if beside else []), RECIPES / name]
    for path in places:
        if path.is_file():
            return path
    known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.yaml")))
    raise UsageError(f"no recipe {recipe!r}; give a file or one of: {known}")


def recipes_for(command: str) -> list[str]:
    """Return the names of the bundled recipes that say they are for ``judge`` ``command``."""
    words = re.compile(rf"^#.*\bjudge {command} --config (\S+)", re.M)
    found = {}
    for file in sorted(RECIPES.rglob("*.yaml")):
        said = words.search(file.read_text(encoding="utf-8"))
        if said and said[1] == file.stem:
            found[file.stem] = file
    return list(found)


def read_recipe(recipe: str) -> tuple[Path, dict[str, Any]]:
    """Return a recipe's file and its values, laid over those of what it ``extends``.

    Sections are laid over one another key by key; any other value, ``null`` too, replaces the one
    below it.

    Raises:
        UsageError: in one line: a missing file, text that is not YAML or no section, a circle.
    """
    path = find_recipe(recipe)
    return path, _resolve(path, ())


def _resolve(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """Return the values of a recipe that the files ``above`` extend."""
    if path.resolve() in above:
        circle = " -> ".join(p.stem for p in (*above, path))
        raise UsageError(f"{path}: extends leads back to itself: {circle}")
    own = _read(path)
    names = own.pop(EXTENDS, [])
    values: dict[str, Any] = {}
    for name in names if isinstance(names, list) else [names]:
        if not isinstance(name, str):
            raise UsageError(f"{path}: extends: expected a recipe's name, found {name!r}")
        try:
            below = find_recipe(name, beside=path)
        except UsageError as error:
            raise UsageError(f"{path}: extends: {error}") from None
        values = lay_over(values, _resolve(below, (*above, path.resolve())))
    return lay_over(values, own)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected `key: value` lines, found {type(values).__name__}")
    return values


def lay_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return ``below`` with ``above`` laid over it: sections key by key, anything else replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = lay_over(old, value)
        else:
            merged[key] = value
    return merged
