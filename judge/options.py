"""What the command line says of a configuration's field besides its name, type and description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from judge.errors import UsageError

Config = TypeVar("Config", bound=BaseModel)


@dataclass(frozen=True)
class Option:
    """Metadata of a field, as ``Annotated[str | None, Option(metavar="FILE")]``.

    A field is an option that is called as it is, with hyphens; its docstring is the help.
    """

    flag: str | None = None
    """Another name, as ``--from``, or both of a switch: ``--flip/--no-flip``."""
    metavar: str | None = None
    """What stands for the value; None: its type."""
    panel: str | None = None
    """The group of options in the help that it belongs to."""
    default: str | None = None
    """The default in words, where the value alone does not say it."""


def option_of(field: FieldInfo) -> Option:
    """Return what the command line says of a field."""
    return next((said for said in field.metadata if isinstance(said, Option)), Option())


def checked(kind: type[Config], given: Mapping[str, Any]) -> Config:
    """Return the configuration of the options that were used.

    Args:
        given: values by field; a field that is not in it has its default.

    Raises:
        UsageError: for a value that its option does not take, naming the option.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "literal_error":
            text = f"{problem['input']!r} is not one of {problem['ctx']['expected']}"
        names = [part for part in problem["loc"] if isinstance(part, str)]
        raise UsageError(f"{_flag(kind, names)}: {text}" if names else text) from None


def _flag(kind: type[BaseModel], names: list[str]) -> str:
    field = kind.model_fields.get(names[0])
    flag = None if field is None else option_of(field).flag
    return flag or f"--{'-'.join(names).replace('_', '-')}"
