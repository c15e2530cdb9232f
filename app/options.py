"""How ``judge review`` serves its pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")


class Oidc(BaseModel):
    """An OpenID Connect provider at which people may sign in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str
    """Its issuer, as it writes it itself; its metadata lies under ``/.well-known``."""
    client_id: str = Field(min_length=1)
    """What this server is called there."""
    secret: SecretStr | None = None
    """None: a public client, which PKCE alone protects."""
    name: str = "your organisation"
    """What the button on the sign-in page calls it."""

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

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=7860, ge=0, le=65535)
    """0 takes a free one."""
    no_auth: bool = False
    """Whoever reaches the port is the one person here, and manages every project."""
    judge: str | None = "small"
    """What answers on the page of the live judge: ``small``, ``mini``, a folder or hub id of a
    model, or the URL of a ``judge serve``. None: there is no such page."""
    oidc: Oidc | None = None
    """Where people may sign in beside the accounts here. None: nowhere else."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies whose ``X-Forwarded-For`` and ``-Proto`` are believed."""

    @model_validator(mode="after")
    def _alone_means_local(self) -> Options:
        if self.no_auth and self.host not in LOCAL_HOSTS:
            raise ValueError(
                f"without sign-in only this machine may reach the pages: host {self.host} is not"
                f" one of {', '.join(LOCAL_HOSTS)}"
            )
        return self
