"""The address of a server, and the key that opens it."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import httpx2

from judge.config import holds_key
from judge.errors import UsageError

KEYS = ("JUDGE_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the API key; the first one that is set counts."""


def base_url(url: str) -> str:
    """Return the address whose ``/models`` and ``/completions`` are asked, without a last slash.

    ``http://host:8000`` means ``http://host:8000/v1``; any other path is taken as it is. A query
    (``?api-version=2024-10-21``) belongs behind the paths (:func:`query_of`).

    Raises:
        UsageError: for what is no http address, or holds a key.
    """
    try:
        parts = urlsplit(url)
        httpx2.URL(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and url.split() == [url]
    except (ValueError, httpx2.InvalidURL):
        usable = False
    if not usable or parts.fragment or holds_key(parts.query):
        shown = url.partition("?")[0]
        raise UsageError(f"--url {shown}: expected an address such as http://localhost:8000/v1")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}"


def query_of(url: str) -> str:
    """Return the query of an address with its question mark; nothing where there is none."""
    query = urlsplit(url).query
    return f"?{query}" if query else ""


def credentials(key: str, url: str, query: str) -> dict[str, str]:
    """Return the header that carries the key: Azure wants its own, but for tokens of Entra.

    Args:
        url, query: as of :func:`base_url` and :func:`query_of`.
    """
    azure = urlsplit(url).hostname or ""
    if (azure.endswith(".azure.com") or "api-version=" in query) and not key.startswith("eyJ"):
        return {"api-key": key}
    return {"authorization": f"Bearer {key}"}


def api_key() -> str | None:
    """Return the API key of the environment, None where there is none.

    Raises:
        UsageError: for one that no header can carry.
    """
    for name in KEYS:
        if key := os.environ.get(name, "").strip():
            if not key.isascii() or not key.isprintable():
                raise UsageError(f"{name} holds characters that no HTTP header can carry")
            return key
    return None
