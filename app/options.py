"""How ``judge review`` serves its pages."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")


class Options(BaseModel):
    """Where and how the pages are served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=7860, ge=0, le=65535)
    """0 takes a free one."""
    no_auth: bool = False
    """Whoever reaches the port is the one person here, and manages every project."""
    judge: str | None = "mini"
    """What answers on the page of the live judge: ``mini``, a folder or hub id of a model, or the
    URL of a ``judge serve``. None: there is no such page."""
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
