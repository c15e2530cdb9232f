"""``judge review``: a run folder as a project of the review UI, in the browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from app.asked import ReviewConfig
from judge.commands.fields import from_fields
from judge.commands.project import opened
from judge.errors import UsageError
from judge.options import checked

if TYPE_CHECKING:
    from app.service import Service


@from_fields(ReviewConfig, arguments=("folder",), leave=("oidc_secret",))
def review(given: dict[str, Any]) -> None:
    """Review judgments in the browser: choose first, then see the judge.

    The same command again goes on where the project stands, and adds what DIR has more.
    """
    from app.listening import bound_socket
    from judge.compare.systems import read_config

    asked = checked(ReviewConfig, _with_secret(given))
    if asked.database is None and asked.folder is None:
        raise UsageError("nothing to review: expected a run folder, or a --database")
    if asked.folder is not None:
        read_config(asked.folder)  # before anything is made
    # A port that is taken is no reason to make a database, and a password shown once, first.
    with (
        bound_socket(asked.host, asked.port) as listener,
        opened(asked.database or str(asked.folder), new=True) as service,
    ):
        if asked.folder is not None:
            _fill(service, asked.folder, asked)
        if not asked.no_auth:
            _first_manager(service)
        _look_for_the_judge(asked.judge)
        from app.main import serve  # seconds of imports, which no mistake has to wait for

        serve(service, asked, listener)


def _with_secret(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the client's secret beside what they say of the provider."""
    if "oidc" not in given:
        return given
    if not given["oidc"].keys() >= {"issuer", "client_id"}:
        raise UsageError("sign-in at a provider needs both --oidc-issuer and --oidc-client-id")
    secret = os.environ.get("JUDGE_OIDC_SECRET")
    return {**given, "oidc": {**given["oidc"], **({"secret": secret} if secret else {})}}


def _fill(service: Service, folder: Path, asked: ReviewConfig) -> None:
    """Make the folder's project where there is none, and add its tasks."""
    from app.review.project import Settings

    name = asked.project or folder.resolve().name
    if name not in service.projects.names():
        # One person gives one annotation; a team three, as its manager may change.
        settings = Settings(name=name, annotations=1) if asked.no_auth else Settings(name=name)
        service.projects.create(None, settings)
    project_id = service.projects.find(name)
    done = service.importing.run(project_id, folder, asked.pairs, asked.evaluation)
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
