"""How ``judge review`` serves its pages."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from judge.options import Option

LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")


class Oidc(BaseModel):
    """An OpenID Connect provider at which people may sign in."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    issuer: Annotated[str, Option(metavar="URL")]
    """People may also sign in at this OpenID Connect provider, with ``--oidc-client-id``: the URL
    that it calls its issuer. The client's secret, if it has one: JUDGE_OIDC_SECRET."""
    client_id: Annotated[str, Option(metavar="ID")] = Field(min_length=1)
    """The client id that the provider gave this server."""
    secret: SecretStr | None = None
    """None: a public client, which PKCE alone protects."""
    name: Annotated[str, Option(metavar="NAME")] = "your organisation"
    """The provider's name on the sign-in page."""

    @field_validator("issuer")
    @classmethod
    def _encrypted(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        if parts.scheme == "https" and parts.hostname:
            return issuer
        if parts.scheme == "http" and parts.hostname in LOCAL_HOSTS:
            return issuer
        raise ValueError(f"{issuer!r} is not an https:// URL")


class Options(BaseModel):
    """Where and how the pages are served."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=7860, ge=0, le=65535)
    """Port; 0 takes a free one."""
    no_auth: bool = False
    """No sign-in: one person, on this machine alone, who manages every project."""
    judge: str | None = "small"
    """The live judge: ``small``, ``mini``, a folder or hub id of a model, the URL of a ``judge
    serve``, or ``none``: no page to ask it."""
    oidc: Oidc | None = None
    """Where people may sign in beside the accounts here. None: nowhere else."""
    max_upload: Annotated[int, Option(metavar="MIB")] = Field(default=256, ge=1, le=65_536)
    """Most MiB that a manager may send at once; four times as many may come out of an archive."""
    trusted_proxies: Annotated[
        tuple[str, ...], Option(flag="--trusted-proxy", metavar="ADDRESS")
    ] = ()
    """Address of a reverse proxy in front, whose ``X-Forwarded-For`` and ``-Proto`` are believed.
    May be repeated."""

    @field_validator("judge")
    @classmethod
    def _none_of_them(cls, judge: str | None) -> str | None:
        return None if judge == "none" else judge

    @model_validator(mode="after")
    def _alone_means_local(self) -> Options:
        if self.no_auth and self.host not in LOCAL_HOSTS:
            raise ValueError(
                f"without sign-in only this machine may reach the pages: host {self.host} is not"
                f" one of {', '.join(LOCAL_HOSTS)}"
            )
        return self
