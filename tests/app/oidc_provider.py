"""A scripted OpenID Connect provider on this machine: real keys, real signatures, chosen faults."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.app.made import token

CLIENT, SECRET = "review", "a secret of the client"


@dataclass
class Provider:
    """Signs whoever comes in as ``subject``, after checking what a provider checks.

    Args:
        fault: what is wrong with its answers; see :meth:`_token`.
    """

    subject: str = "user-17"
    fault: str = ""
    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    other_key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """The request for authorization of each code that was not used yet."""

    def app(self) -> Starlette:
        """Return the application."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._exchange, methods=["POST"]),
            ]
        )

    def _metadata(self, request: Request) -> Response:
        signatures = ["none", "HS256", "RS256"]  # what our side must pick from
        return JSONResponse(
            {
                "issuer": "https://other.example" if self.fault == "metadata" else self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "id_token_signing_alg_values_supported": signatures,
            }
        )

    def _keys(self, request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256" and asked["scope"] == "openid"
        code = token()
        self.asked[code] = asked
        state = token() if self.fault == "state" else asked["state"]
        said = {"code": code, "state": state}
        if self.fault == "denied":
            said = {"error": "access_denied", "state": state}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(said)}")

    async def _exchange(self, request: Request) -> Response:
        form = await request.form()
        basic = base64.b64encode(f"{CLIENT}:{SECRET.replace(' ', '+')}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") not in (f"Basic {basic}", f"Basic {plain}"):
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self.asked.pop(str(form.get("code")), None)
        verifier = str(form.get("code_verifier", ""))
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = _base64(digest).decode()
        if asked is None or asked["code_challenge"] != challenge:
            return JSONResponse({"error": "invalid_grant"}, 400)
        answer: dict[str, Any] = {"access_token": token(), "token_type": "Bearer"}
        if self.fault != "no token":
            answer["id_token"] = self._token(asked)
        return JSONResponse(answer)

    def _token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
        }
        wrong: dict[str, dict[str, Any]] = {
            "issuer": {"iss": "https://other.example"},
            "audience": {"aud": "another client"},
            "nonce": {"nonce": token()},
            "expired": {"iat": now - 4000, "exp": now - 3600},
        }
        claims |= wrong.get(self.fault, {})
        if self.fault == "no nonce":
            del claims["nonce"]
        header = {"alg": "RS256", "kid": "one"}
        if self.fault == "unsigned":
            return _compact({"alg": "none"}, claims, lambda _: b"")
        if self.fault == "shared secret":  # that of the public key, which everybody has
            public = self.key.as_pem(private=False)
            return _compact(
                {"alg": "HS256", "kid": "one"},
                claims,
                lambda text: hmac.digest(public, text, "sha256"),
            )
        return str(jwt.encode(header, claims, self.other_key if self.fault == "key" else self.key))


def _compact(header: Any, claims: Any, sign: Callable[[bytes], bytes]) -> str:
    """Return a token by hand: no library would sign it."""
    parts = [_base64(json.dumps(part).encode()) for part in (header, claims)]
    text = b".".join(parts)
    return b".".join([text, _base64(sign(text))]).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve an application on a free port in a thread; yield its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
