"""Sign-in at an OpenID Connect provider, against a scripted one that signs real tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount

from app.main import create_app
from app.options import Oidc, Options
from app.service import Service
from app.store.database import Store
from app.web.oidc import ROOT, oidc_app
from tests.app.made import quick_hasher
from tests.app.oidc_provider import CLIENT, SECRET, Provider, running


@dataclass
class Site:
    """The review UI, and the provider it sends people to."""

    url: str
    provider: Provider
    service: Service

    def browser(self) -> httpx.Client:
        """Return a browser that keeps cookies."""
        headers = {"Accept": "text/html"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def whole_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("oidc")
    service = Service(Store.open(f"sqlite:///{folder}/review.sqlite"), hasher=quick_hasher())
    service.accounts.create(None, "ann")
    provider = Provider()
    with running(provider.app()) as issuer:
        provider.issuer = issuer
        oidc = Oidc(issuer=issuer, client_id=CLIENT, secret=SecretStr(SECRET), name="Example & Co")
        with running(create_app(service, Options(oidc=oidc))) as url:
            yield Site(url, provider, service)
    service.close()


@pytest.fixture
def site(whole_site: Site) -> Site:
    """The site, with nothing wrong and ann's identity linked."""
    provider = whole_site.provider
    provider.fault, provider.subject = "", "user-17"
    whole_site.service.accounts.link_external(None, "ann", f"{provider.issuer} user-17")
    return whole_site


def test_who_is_linked_signs_in_and_lands_where_they_wanted_to(site: Site) -> None:
    with site.browser() as browser:
        page = browser.get("/sign-in?next=/password").text
        assert 'href="/oidc/start?next=/password"' in page and "Example &amp; Co" in page
        answer = browser.get("/oidc/start?next=/password", follow_redirects=True)
        assert answer.status_code == 200 and answer.url.path == "/password"
        assert browser.get("/api/me").json()["name"] == "ann"
        cookies = [r.headers.get_list("set-cookie") for r in answer.history]
        (session,) = [c for found in cookies for c in found if c.startswith("review_session=")]
        assert "HttpOnly" in session and "SameSite=lax" in session


def test_every_sign_in_has_its_own_state_nonce_and_challenge(site: Site) -> None:
    with site.browser() as browser:
        asked = [
            parse_qs(urlsplit(browser.get("/oidc/start").headers["location"]).query)
            for _ in range(2)
        ]
    for name in ("state", "nonce", "code_challenge"):
        assert len({one[name][0] for one in asked}) == 2
        assert all(len(one[name][0]) >= 20 for one in asked)


@pytest.mark.parametrize(
    "fault",
    [
        "state", "nonce", "no nonce", "issuer", "audience", "expired", "key", "unsigned",
        "shared secret", "no token", "denied",
    ],
)  # fmt: skip
def test_what_is_not_right_signs_nobody_in(site: Site, fault: str) -> None:
    site.provider.fault = fault
    with site.browser() as browser:
        answer = browser.get("/oidc/start", follow_redirects=True)
        assert answer.status_code == 403 and "did not succeed" in answer.text
        assert browser.get("/api/me").status_code != 200


def test_an_answer_belongs_to_the_browser_that_asked(site: Site) -> None:
    """Whoever is sent to the end of somebody else's sign-in is not signed in as them."""
    with site.browser() as mine, site.browser() as theirs:
        away = mine.get("/oidc/start").headers["location"]
        back = httpx.get(away, trust_env=False).headers["location"]
        assert theirs.get(back).status_code == 403
        assert mine.get(back).status_code == 303
        assert mine.get(back).status_code == 403  # once


def test_a_code_is_worth_nothing_without_the_verifier(site: Site) -> None:
    with site.browser() as mine, site.browser() as theirs:
        codes = []
        for browser in (mine, theirs):
            away = browser.get("/oidc/start").headers["location"]
            codes.append(httpx.get(away, trust_env=False).headers["location"])
        stolen = parse_qs(urlsplit(codes[0]).query)["code"][0]
        state = parse_qs(urlsplit(codes[1]).query)["state"][0]
        answer = theirs.get("/oidc/back", params={"code": stolen, "state": state})
        assert answer.status_code == 403 and "invalid_grant" in answer.text


def test_an_identity_without_an_account_is_told_what_to_ask_for(site: Site) -> None:
    site.provider.subject = "<b>stranger</b>"
    with site.browser() as browser:
        answer = browser.get("/oidc/start", follow_redirects=True)
    assert answer.status_code == 403 and "ask a manager" in answer.text
    assert "&lt;b&gt;stranger" in answer.text and "<b>stranger" not in answer.text


def test_an_account_that_is_shut_out_stays_out(site: Site) -> None:
    site.service.accounts.set_active(None, "ann", False)
    with site.browser() as browser:
        assert browser.get("/oidc/start", follow_redirects=True).status_code == 403
    site.service.accounts.set_active(None, "ann", True)


@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_it_leads_to_no_other_site(site: Site, next: str) -> None:
    with site.browser() as browser:
        away = browser.get("/oidc/start", params={"next": next}).headers["location"]
        back = httpx.get(away, trust_env=False).headers["location"]
        assert browser.get(back).headers["location"] == "/"


def alone(service: Service, issuer: str) -> Starlette:
    """Return the sign-in at a provider without the pages around it."""
    oidc = Oidc(issuer=issuer, client_id=CLIENT)
    return Starlette(routes=[Mount(ROOT, oidc_app(service, oidc, encrypted=False))])


def test_a_provider_that_is_another_or_away_is_named(whole_site: Site) -> None:
    provider = Provider(fault="metadata")
    with running(provider.app()) as issuer:
        provider.issuer = issuer
        with running(alone(whole_site.service, issuer)) as url:
            answer = httpx.get(f"{url}/oidc/start", trust_env=False)
            assert answer.status_code == 502 and "calls itself" in answer.json()["error"]
            provider.fault = ""
            assert httpx.get(f"{url}/oidc/start", trust_env=False).status_code == 302
    with running(alone(whole_site.service, "http://127.0.0.1:9")) as url:
        answer = httpx.get(f"{url}/oidc/start", trust_env=False)
        assert answer.status_code == 502 and "cannot be used" in answer.json()["error"]


def test_without_a_provider_there_is_no_such_page(tmp_path: Path) -> None:
    service = Service(Store.open(f"sqlite:///{tmp_path}/review.sqlite"), hasher=quick_hasher())
    with running(create_app(service, Options())) as url:
        assert httpx.get(f"{url}/oidc/start", trust_env=False).status_code == 404
        assert "oidc" not in httpx.get(f"{url}/sign-in", trust_env=False).text
    service.close()
