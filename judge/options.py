"""What the command line says of a configuration's field besides its name, type and description."""

from __future__ import annotations

from dataclasses import dataclass


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
