"""Sign-in at an OpenID Connect provider, beside the accounts here; off unless the server has one.

Authlib speaks the protocol (OpenID Connect Core 1.0, code flow with PKCE): state, nonce and code
verifier are drawn anew for every sign-in and lie in a signed cookie for ten minutes. Of what comes
back the signature, issuer, audience, nonce and times are checked. The account is the one that a
manager linked to issuer and subject; nobody gets one by signing in elsewhere.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any

import httpx2
from anyio.to_thread import run_sync
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.errors import SignInRefused
from app.options import Oidc
from app.service import Service
from app.web.errors import refusal
from app.web.plain import local
from app.web.session import set_token
from judge.masking import Masking

ROOT = "/oidc"
COOKIE = "review_oidc"
MINUTES = 10
"""So long may a person take at the provider."""
LONGEST_SUBJECT = 255  # OpenID Connect Core, section 2
SIGNATURES = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""Those of a key pair: with ``none`` or a shared secret anyone else could sign as well."""
SECONDS = 10
"""So long may the provider take for an answer."""


def oidc_app(service: Service, oidc: Oidc, encrypted: bool) -> Starlette:
    """Return the application under :data:`ROOT`.

    Args:
        encrypted: whether browsers come through HTTPS, so that the cookie may insist on it.
    """
    provider = Provider(service, oidc)
    session = Middleware(
        SessionMiddleware,
        secret_key=token_urlsafe(32),  # whoever is at the provider during a restart begins again
        session_cookie=COOKIE,
        max_age=MINUTES * 60,
        path=ROOT,
        https_only=encrypted,
    )
    routes = [Route("/start", provider.start), Route("/back", provider.back, name="back")]
    return Starlette(routes=routes, middleware=[session])


class Provider:
    """The two steps of a sign-in: to the provider and back."""

    def __init__(self, service: Service, oidc: Oidc) -> None:
        self._service = service
        self._oidc = oidc
        secret = oidc.secret.get_secret_value() if oidc.secret else None
        self._shown = Masking(secret)
        self._client: Any = OAuth().register(
            "provider",
            client_id=oidc.client_id,
            client_secret=secret,
            server_metadata_url=f"{oidc.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid",
                "code_challenge_method": "S256",
                "timeout": SECONDS,
                "trust_env": False,
                "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
            },
        )

    async def start(self, request: Request) -> Response:
        """Send the browser to the provider."""
        try:
            await self._know_provider()
            answer = await self._client.authorize_redirect(request, str(request.url_for("back")))
        except (httpx2.HTTPError, OAuthError, ValueError, RuntimeError) as error:
            return refusal(
                request, 502, f"the sign-in provider cannot be used: {self._shown(_words(error))}"
            )
        request.session["next"] = local(request.query_params.get("next", "/"))
        found: Response = answer
        return found

    async def back(self, request: Request) -> Response:
        """Begin a session for who comes back from the provider."""
        next = local(str(request.session.pop("next", "/")))
        try:
            await self._know_provider()
            token = await self._client.authorize_access_token(
                request,
                claims_options={
                    "iss": {"essential": True, "value": self._oidc.issuer},
                    "aud": {"essential": True, "value": self._oidc.client_id},
                },
            )
            subject = token["userinfo"]["sub"]
        except (httpx2.HTTPError, OAuthError, JoseError, ValueError, KeyError, TypeError) as error:
            return refusal(
                request, 403, f"the sign-in did not succeed: {self._shown(_words(error))}"
            )
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            return refusal(request, 403, "the sign-in did not succeed: it names no subject")
        identity = f"{self._oidc.issuer} {subject}"
        try:
            session = await run_sync(self._service.accounts.sign_in_external, identity)
        except SignInRefused as error:
            return refusal(request, 403, f"{error}; it is {identity!r}")
        response = RedirectResponse(next, 303)
        set_token(request, response, session)
        return response

    async def _know_provider(self) -> None:
        """Ask the provider once what it is.

        Raises:
            ValueError: it calls itself otherwise, or signs with no key pair.
        """
        metadata = await self._client.load_server_metadata()
        if metadata.get("issuer") != self._oidc.issuer:
            metadata.pop("_loaded_at", None)  # it is asked again next time
            raise ValueError(
                f"it calls itself {metadata.get('issuer')!r}, not {self._oidc.issuer!r}"
            )
        name = "id_token_signing_alg_values_supported"
        metadata[name] = [a for a in metadata.get(name) or ["RS256"] if a in SIGNATURES]
        if not metadata[name]:
            raise ValueError("it does not sign with a key pair")


def _words(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
