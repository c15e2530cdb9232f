"""Options of the command line out of a configuration's fields: name, type, default and help.

A command takes ``given``, the values of the options that were used by field, and hands them to
:func:`judge.options.checked` or, with a file, :func:`judge.config.load_config`. Nothing of a field
is written a second time. A field that is a configuration itself gives an option for each of its
own: ``oidc`` of :class:`app.options.Options` gives ``--oidc-issuer`` and others.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from functools import wraps
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from judge.options import option_of

Command = TypeVar("Command", bound=Callable[..., Any])
GIVEN = "given"
"""The parameter of a command in whose place the options are put."""
_DEFAULT = re.compile(r"\s*\bNone: (.+?)\.?$", re.S)


def from_fields(
    kind: type[BaseModel],
    *,
    leave: Collection[str] = (),
    arguments: Collection[str] = (),
    required: Collection[str] = (),
) -> Callable[[Command], Command]:
    """Return a decorator that gives a command an option for every field of ``kind``.

    Args:
        leave: fields that are no options of this command.
        arguments: fields that are arguments.
        required: fields that nothing else can give, as a ``--config`` file.
    """

    def decorate(function: Command) -> Command:
        own = inspect.signature(function, eval_str=True).parameters
        fields = {n: f for n, f in _fields(kind) if n not in leave and n not in own}
        names = sorted(fields, key=lambda name: name not in arguments)
        made = {
            name: _parameter(name, fields[name], name in arguments, name in required)
            for name in names
        }
        parameters = list(_in_place(own.values(), made))

        @wraps(function)
        def command(**values: Any) -> Any:
            used = {name: values.pop(name) for name in made}
            return function(**{GIVEN: _nested(kind, used)}, **values)

        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        del command.__wrapped__
        return command  # type: ignore[return-value]

    return decorate


def help_of(field: FieldInfo, default: str | None = None) -> str:
    """Return the help of a field: its description without marks, and its default.

    ``None: TEXT.`` at the end of a description is the default in words.
    """
    text = re.sub(r":\w+:`[~.]?([^`]*)`", r"\1", field.description or "").replace("``", "")
    text = " ".join(text.split())
    if default is None and (match := _DEFAULT.search(text)):
        default, text = match[1], text[: match.start()]
    value = field.default
    if default is None and isinstance(value, str | int | float) and not isinstance(value, bool):
        default = f"{value:g}" if isinstance(value, float) else str(value)
    if default is None and isinstance(value, tuple) and value:
        default = ", ".join(map(str, value))
    return text if default is None else f"{text} (default: {default})"


def _ordered(kind: type[BaseModel]) -> list[str]:
    """Return the names of the fields: a class's own before those of its bases."""
    names = [name for base in kind.__mro__ for name in vars(base).get("__annotations__", ())]
    known = dict.fromkeys(name for name in names if name in kind.model_fields)
    # What is read, where the results go and what runs stand first.
    first = ("input", "out", "output_dir", "model", "engine", "url")
    return sorted(known, key=lambda name: (*first, *known).index(name))


def _fields(kind: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the options' names in Python and their fields, also those of nested configurations."""
    for name in _ordered(kind):
        field = kind.model_fields[name]
        if (inner := _nested_kind(field)) is None:
            yield name, field
        else:
            yield from ((f"{name}_{part}", found) for part, found in _fields(inner))


def _nested_kind(field: FieldInfo) -> type[BaseModel] | None:
    kinds = (field.annotation, *get_args(field.annotation))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def _nested(kind: type[BaseModel], used: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the options that were used, by field.

    None, or an empty list, means that an option was not used.
    """
    given = {name: value for name, value in used.items() if value not in (None, [])}
    for name, field in kind.model_fields.items():
        if (inner := _nested_kind(field)) is not None:
            parts = {p: f"{name}_{p}" for p in inner.model_fields if f"{name}_{p}" in given}
            if parts:
                given[name] = {part: given.pop(option) for part, option in parts.items()}
    return given


def _in_place(
    own: Collection[inspect.Parameter], made: dict[str, inspect.Parameter]
) -> Iterator[inspect.Parameter]:
    for parameter in own:
        if parameter.name == GIVEN:
            yield from made.values()
        else:
            yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _parameter(name: str, field: FieldInfo, argument: bool, required: bool) -> inspect.Parameter:
    said = option_of(field)
    value, metavar = _typed(name, field.annotation, said.metavar)
    shown: dict[str, Any] = {"help": help_of(field, said.default), "show_default": False}
    if argument:
        info: Any = typer.Argument(metavar=metavar or name.upper(), **shown)
    else:
        flag = said.flag or _flag(name, value, field.default)
        info = typer.Option(flag, metavar=metavar, rich_help_panel=said.panel, **shown)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[value if required else value | None, info],
    )


def _flag(name: str, value: Any, default: Any) -> str:
    flag = f"--{name.replace('_', '-')}"
    if value is bool and default is True:
        return f"{flag}/--no-{name.replace('_', '-')}"
    return flag


def _typed(name: str, annotation: Any, metavar: str | None) -> tuple[Any, str | None]:
    """Return the type that typer reads a field by, and the word for its value, None: typer's own.

    A list's values are given one by one; an object is a text (JSON), or ``NAME=VALUE`` repeated.
    """
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return _typed(name, kinds[0], metavar)
    if origin is dict:
        named = get_args(annotation)[1] is str
        return (list[str], metavar or "NAME=VALUE") if named else (str, metavar or "JSON")
    if origin in (tuple, list):
        return _list_of(name, get_args(annotation)[0], metavar is None), metavar
    return annotation, metavar


def _list_of(name: str, inner: Any, choices: bool) -> Any:
    if get_origin(inner) is Literal:
        words = {str(word): str(word) for word in get_args(inner)}
        inner = StrEnum(name, words) if choices else str
    return list[inner]
