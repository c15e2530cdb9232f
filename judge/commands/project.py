"""``judge project``: what an administrator does with the projects that ``judge review`` opens.

The word is the page's own: people, tasks, settings and exports all belong to a project.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.asked import ExportConfig, ImportConfig, MemberConfig
from judge.commands.fields import from_fields
from judge.errors import UsageError
from judge.options import checked

if TYPE_CHECKING:
    from app.service import Service
    from app.service.importing import Imported

app = typer.Typer(help="Projects of the review UI: people, tasks, exports.", no_args_is_help=True)

# Written once each, here and not as fields: they name what a command acts on, in turns of two or
# three, and nothing keeps them. A configuration for each of these commands would be longer.
Where = Annotated[
    str,
    typer.Argument(
        metavar="WHERE",
        help="The run folder that `judge review` opened, an SQLite file or a database's URL.",
    ),
]
Named = Annotated[
    str | None,
    typer.Option("--project", metavar="NAME", help="Which project, if the database holds several."),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="File whose first line is the password. (default: it is asked for)"
    ),
]
AccountName = Annotated[str, typer.Argument(metavar="NAME", help="Name to sign in with.")]


@app.command("create")
def create(
    where: Where,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new project.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE ...]", help="Its settings.")
    ] = None,
) -> None:
    """Make an empty project, and its database where there is none."""
    from app.review.project import Settings, changed_settings

    with opened(where, new=True) as service:
        made = changed_settings(Settings(name=name), settings or [])
        service.projects.create(None, made)
    typer.echo(f"project {name} created")


@app.command("list")
def list_projects(where: Where) -> None:
    """List the projects of a database."""
    with opened(where) as service:
        for name in service.projects.names():
            typer.echo(name)


@app.command("settings")
def settings(
    where: Where,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE ...]", help="What to change.")
    ] = None,
    project: Named = None,
) -> None:
    """Show a project's settings, or change some."""
    from app.review.project import changed_settings

    with opened(where) as service:
        project_id = service.projects.find(project)
        found = service.projects.settings(project_id)
        if changes:
            found = changed_settings(found, changes)
            service.projects.change(None, project_id, found)
    for key, value in found.model_dump(mode="json").items():
        typer.echo(f"{key}={value}")


@app.command("add")
@from_fields(MemberConfig)
def add(
    where: Where,
    name: AccountName,
    given: dict[str, Any],
    password_file: PasswordFile = None,
    project: Named = None,
) -> None:
    """Give a person a role in a project; a new account asks for its password.

    Without a terminal the password is the first line of the standard input.
    """
    asked = checked(MemberConfig, given)
    with opened(where) as service:
        project_id = service.projects.find(project)
        if not service.accounts.exists(name):
            password = None if asked.external_id else _password(password_file)
            service.accounts.create(None, name, password)
        if asked.external_id:
            service.accounts.link_external(None, name, asked.external_id)
        service.projects.set_role(None, project_id, name, asked.role)
    typer.echo(f"{name} is now {asked.role}")


@app.command("remove")
def remove(where: Where, name: AccountName, project: Named = None) -> None:
    """Take a person's role in a project away; what the person did stays."""
    with opened(where) as service:
        service.projects.set_role(None, service.projects.find(project), name, None)
    typer.echo(f"{name} is no longer in the project")


@app.command("password")
def password(where: Where, name: AccountName, password_file: PasswordFile = None) -> None:
    """Set a person's password, lift a lock-out, end the person's sessions."""
    with opened(where) as service:
        service.accounts.reset_password(None, name, _password(password_file))
    typer.echo(f"{name} has a new password")


@app.command("lock")
def lock(where: Where, name: AccountName) -> None:
    """Keep a person from signing in, to any project, and end the person's sessions."""
    with opened(where) as service:
        service.accounts.set_active(None, name, False)
    typer.echo(f"{name} can no longer sign in")


@app.command("unlock")
def unlock(where: Where, name: AccountName) -> None:
    """Let a person sign in again."""
    with opened(where) as service:
        service.accounts.set_active(None, name, True)
    typer.echo(f"{name} can sign in")


@app.command("import")
@from_fields(ImportConfig, arguments=("input",), required=("input",))
def import_(where: Where, given: dict[str, Any], project: Named = None) -> None:
    """Add tasks to a project; what is there already is not added again."""
    asked = checked(ImportConfig, given)
    if asked.evaluation and asked.content != "tasks":
        raise UsageError("--evaluation is for tasks")
    with opened(where) as service:
        project_id = service.projects.find(project)
        if asked.content == "queue":
            found = service.importing.informative(project_id, Path(asked.input))
            typer.echo(f"{found:,} tasks have a place among the most informative")
            return
        _show_import(_import(service, project_id, asked))


def _import(service: Service, project_id: int, asked: ImportConfig) -> Imported:
    if asked.content == "gold" or asked.content == "attention":
        return service.importing.checks(project_id, asked.input, asked.content)
    if Path(asked.input).is_dir():
        return service.importing.run(project_id, Path(asked.input), asked.pairs, asked.evaluation)
    if asked.pairs is not None:
        raise UsageError("--pairs is for a run folder")
    return service.importing.pairs(project_id, asked.input, asked.evaluation)


def _show_import(done: Imported) -> None:
    from judge.exits import LOOK

    typer.echo(f"added {done.added:,}, known already {done.known:,}, refused {done.refused:,}")
    if done.judged:
        typer.echo(f"{done.judged:,} known tasks now have a judgment")
    for reason in done.reasons:
        typer.echo(f"  {reason}", err=True)
    if done.refused:
        raise typer.Exit(LOOK)


@app.command("export")
@from_fields(ExportConfig, required=("out",))
def export(where: Where, given: dict[str, Any], project: Named = None) -> None:
    """Write what people decided to a file."""
    asked = checked(ExportConfig, given)
    with opened(where) as service:
        project_id = service.projects.find(project)
        rates = service.projects.settings(project_id).kind == "attributes"
        kind = asked.kind or ("ratings" if rates else "preference")
        done = service.exporting.write(
            None, project_id, kind, asked.out, asked.unfinished, asked.first
        )
    typer.echo(f"{done.rows:,} rows: {done.path}")
    for reason, count in done.left_out.items():
        typer.echo(f"  left out, {reason}: {count:,}")
    if done.shared_prompts:
        typer.echo(
            f"warning: {done.shared_prompts:,} rows have a prompt of an evaluation set", err=True
        )


@app.command("backup")
def backup(
    where: Where,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new SQLite file.")],
) -> None:
    """Write a database, while it is in use, to a new SQLite file."""
    from app.store.copying import backup as write

    with opened(where) as service:
        rows = write(service.store, file)
    typer.echo(f"{sum(rows.values()):,} rows: {file}")


@app.command("copy")
def copy(
    where: Where,
    to: Annotated[str, typer.Argument(metavar="URL", help="URL of an empty database.")],
) -> None:
    """Copy a database, as SQLite to PostgreSQL, and verify every row."""
    from app.store.copying import copy as write
    from app.store.database import Store

    with opened(where) as service:
        target = Store.open(to)
        try:
            rows = write(service.store, target)
        finally:
            target.close()
    for table, count in rows.items():
        typer.echo(f"{table}: {count:,}")
    typer.echo("every row is the same in the copy")


@contextmanager
def opened(where: str, new: bool = False) -> Iterator[Service]:
    """Yield the services over the database, and turn what they refuse into one line."""
    from app.errors import ReviewError
    from app.service import Service
    from app.service.where import database_url

    service = Service.open(database_url(where, new))
    try:
        yield service
    except ReviewError as error:
        raise UsageError(str(error)) from None
    finally:
        service.close()


def _password(file: Path | None) -> str:
    import sys

    if file is not None:
        try:
            return file.read_text(encoding="utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {file}: {error}") from None
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")
