"""``judge review``: a run folder as a project of the review UI, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judge.commands.project import opened
from judge.errors import UsageError

if TYPE_CHECKING:
    from app.options import Options
    from app.service import Service


def review(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Run folder of judge batch or score, to be reviewed."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A team's database. (default: an SQLite file in DIR)"),
    ] = None,
    project: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the project. (default: DIR's name)")
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where the pairs that the run judged are by now."),
    ] = None,
    evaluation: Annotated[
        bool,
        typer.Option(
            "--evaluation", help="DIR judged an evaluation set: never export it as training data."
        ),
    ] = False,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. (default: 127.0.0.1)")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0: a free one. (default: 7860)")] = None,
    no_auth: Annotated[
        bool | None,
        typer.Option("--no-auth", help="No sign-in: one person, on this machine alone."),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="Live judge: a model, a judge serve's URL, none. (default: small)"),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="A reverse proxy in front; may be repeated."),
    ] = None,
    oidc_issuer: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="People may also sign in at this OpenID Connect provider, with --oidc-client-id."
            " The client's secret, if it has one: JUDGE_OIDC_SECRET.",
        ),
    ] = None,
    oidc_client_id: Annotated[
        str | None, typer.Option(metavar="ID", help="What this server is called there.")
    ] = None,
    oidc_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The provider's name on the sign-in page."),
    ] = None,
) -> None:
    """Review judgments in the browser: choose first, then see the judge.

    The same command again goes on where the project stands, and adds what DIR has more.
    """
    from app.listening import bound_socket
    from judge.compare.systems import read_config

    options = _options(
        host=host,
        port=port,
        no_auth=no_auth,
        judge=judge,
        trusted_proxies=tuple(trusted_proxy or ()) or None,
        oidc=_oidc(issuer=oidc_issuer, client_id=oidc_client_id, name=oidc_name),
    )
    if database is None and folder is None:
        raise UsageError("nothing to review: expected a run folder, or a --database")
    if folder is not None:
        read_config(folder)  # before anything is made
    # A port that is taken is no reason to make a database, and a password shown once, first.
    with (
        bound_socket(options.host, options.port) as listener,
        opened(database or str(folder), new=True) as service,
    ):
        if folder is not None:
            _fill(service, folder, project, pairs, evaluation, alone=options.no_auth)
        if not options.no_auth:
            _first_manager(service)
        _look_for_the_judge(options.judge)
        from app.main import serve  # seconds of imports, which no mistake has to wait for

        serve(service, options, listener)


def _oidc(**given: str | None) -> dict[str, str] | None:
    """Return what is said of the provider; None where nothing is."""
    import os

    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        return None
    if "issuer" not in values or "client_id" not in values:
        raise UsageError("sign-in at a provider needs both --oidc-issuer and --oidc-client-id")
    secret = os.environ.get("JUDGE_OIDC_SECRET")
    return {**values, "secret": secret} if secret else values


def _options(**given: Any) -> Options:
    from pydantic import ValidationError

    from app.options import Options

    values = {name: value for name, value in given.items() if value is not None}
    if values.get("judge") == "none":
        values["judge"] = None
    try:
        return Options.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        field = "-".join(map(str, problem["loc"]))
        text = problem["msg"].removeprefix("Value error, ")
        raise UsageError(f"--{field.replace('_', '-')}: {text}" if field else text) from None


def _fill(
    service: Service,
    folder: Path,
    name: str | None,
    pairs: str | None,
    evaluation: bool,
    *,
    alone: bool,
) -> None:
    """Make the folder's project where there is none, and add its tasks."""
    from app.review.project import Settings

    name = name or folder.resolve().name
    if name not in service.projects.names():
        # One person gives one annotation; a team three, as its manager may change.
        settings = Settings(name=name, annotations=1) if alone else Settings(name=name)
        service.projects.create(None, settings)
    done = service.importing.run(service.projects.find(name), folder, pairs, evaluation)
    typer.echo(f"project {name}: {done.added:,} tasks added, {done.known:,} known already")
    for reason in done.reasons:
        typer.echo(f"  {reason}", err=True)


def _look_for_the_judge(judge: str | None) -> None:
    """Say what the page that asks the judge will say; the others need no model."""
    from judge.models.layers import layers_of

    if judge is None or judge.startswith(("http://", "https://")):
        return
    try:
        layers_of(judge)
    except UsageError as error:
        typer.echo(f"there is no judge to ask yet (--judge NAME takes another): {error}", err=True)


def _first_manager(service: Service) -> None:
    """Where nobody has an account yet, make one and show its password, once."""
    from secrets import token_urlsafe

    if service.accounts.any():
        return
    password = token_urlsafe(12)
    service.accounts.create(None, "manager", password)
    for name in service.projects.names():
        service.projects.set_role(None, service.projects.find(name), "manager", "manager")
    typer.echo(f"first account: name manager, password {password} (shown this once)")
