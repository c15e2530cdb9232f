"""Who may send what: every endpoint that we or Gradio open, sessions, forgery, sign-in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import httpx
import pytest
from fastapi.testclient import TestClient

from app.live import LiveJudge
from app.main import create_app
from app.options import Options
from app.web.gradio_routes import ROOT, kind_of
from tests.app.e2e.conftest import Site
from tests.app.e2e.endpoints import call_handler, filled, handlers, routes
from tests.app.made import PASSWORD

JSON = {"Accept": "application/json"}
PUBLIC = {"/health", "/favicon.ico", "/sign-in"}

NAMED = ("adjudicate", "dashboard", "tasks", "manage", "ask")
"""Every page but the first; a new one is named here with who may open it."""
OF_OTHERS = (
    r"disputes|/export/|/review/(dashboard|adjudicate|tasks|manage|ask)$"
    r"|/projects/(new|\d+/add)|/upload$|/questions$|/annotations/"
)
"""What an annotator reaches nothing of."""


def client(site: Site, name: str | None = None, **headers: str) -> httpx.Client:
    cookies = {} if name is None else {"review_session": site.session(name)}
    return httpx.Client(base_url=site.url, cookies=cookies, headers={**JSON, **headers}, timeout=60)


@pytest.fixture
def every_route(site: Site) -> list[tuple[str, str]]:
    app = create_app(site.service, Options())
    found = [(method, filled(path, site)) for method, path in routes(app)]
    assert ("POST", f"{ROOT}/gradio_api/upload") in found  # Gradio opens it; the guard does not
    assert ("POST", "/api/tasks/1/choose") in found and len(found) > 80
    return found


def test_no_endpoint_without_a_session(site: Site, every_route: list[tuple[str, str]]) -> None:
    with client(site, Origin=site.url) as http:
        for method, path in every_route:
            answer = http.request(method, path)
            is_asset = path.startswith(ROOT) and kind_of(method, path) == "asset"
            if path in PUBLIC or is_asset or method == "OPTIONS":
                continue
            assert answer.status_code in (401, 404), (method, path, answer.status_code)


def test_an_annotator_reaches_only_an_annotators_endpoints(
    site: Site, every_route: list[tuple[str, str]]
) -> None:
    with client(site, "ann", Origin=site.url) as http:
        http.headers["X-CSRF-Token"] = http.get("/api/me").json()["csrf"]
        for method, path in every_route:
            if re.search(OF_OTHERS, path):
                query = f"?project={site.team.project_id}&view=source"
                body = {"token": "12345678", "decision": {"strength": 1}, "reason": "x"}
                if "/comments" in path:
                    body = {"token": "12345678", "text": "x"}
                sent = {"data": body} if path == "/projects/new" else {"json": body}
                answer = http.request(method, path + query, **(sent if method == "POST" else {}))
                assert answer.status_code in (403, 404), (method, path)


def test_what_gradio_opens_beyond_pages_and_events_is_closed_to_everyone(
    site: Site, every_route: list[tuple[str, str]]
) -> None:
    opened = set()
    with client(site, "max", Origin=site.url) as http:
        for method, path in every_route:
            if not path.startswith(ROOT) or kind_of(method, path) == "asset":
                continue
            answer = http.request(method, path)
            if method != "HEAD" and "no such page" not in answer.text:
                opened.add((method, path))
        upload = http.post(f"{ROOT}/gradio_api/upload", files={"files": ("x.txt", b"x")})
        assert upload.status_code == 404
    pages = {f"{ROOT}/", *(f"{ROOT}/{p}" for p in NAMED)}
    events = {("POST", f"{ROOT}/gradio_api/queue/join"), ("GET", f"{ROOT}/gradio_api/queue/data")}
    assert opened == {("GET", page) for page in pages} | events


def test_a_session_of_gradio_belongs_to_one_person(site: Site) -> None:
    body = {"session_hash": "hash1234567", "fn_index": 0, "data": [""]}
    join, data = f"{ROOT}/gradio_api/queue/join", f"{ROOT}/gradio_api/queue/data"
    with (
        client(site, "max", Origin=site.url) as mine,
        client(site, "ann", Origin=site.url) as other,
    ):
        assert mine.post(join, json=body).status_code == 200
        assert other.post(join, json=body).status_code == 403
        assert other.get(data, params={"session_hash": "hash1234567"}).status_code == 403
        for bad in (
            b"",
            b"[]",
            b"{}",
            b'{"session_hash": 5}',
            b'{"session_hash": "x", "fn_index": 0}',
            b'{"session_hash": "new12345", "fn_index": 999}',
            b'{"session_hash": "new12345", "fn_index": "0"}',
            b'{"session_hash": "new12345"}',
            b"[" * 9999,
        ):
            assert other.post(join, content=bad).status_code == 403, bad


def test_a_handler_looks_up_the_role_itself(new_site: Callable[..., Site]) -> None:
    site = new_site(judge=LiveJudge("http://127.0.0.1:9"))
    found = handlers(create_app(site.service, Options(), LiveJudge("http://127.0.0.1:9")))
    assert len(found) > 9
    secret = site.team.people["max"].name
    with client(site, "ann", Origin=site.url) as http:
        for handler, inputs in found:
            heard = call_handler(http, handler, inputs, site.team.project_id)
            assert '"success":false' in heard.replace(" ", ""), (handler, heard)
            assert secret not in heard
    with client(site, "max") as http:
        names = http.get("/api/me").json()
        assert names["name"] == secret


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "HERE"}, True),
        ({"Origin": "HERE", "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_changes_come_from_our_own_pages(site: Site, headers: dict[str, str], passes: bool) -> None:
    headers = {name: value.replace("HERE", site.url) for name, value in headers.items()}
    with client(site, "ann") as http:
        csrf = http.get("/api/me").json()["csrf"]
        begin = f"/api/tasks/{site.team.take('ann')[0].assignment_id}/begin"
        answer = http.post(begin, headers={**headers, "X-CSRF-Token": csrf})
        assert answer.status_code == (204 if passes else 403)
        # The origin alone is not enough either.
        for wrong in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": csrf[:-1] + "x"}):
            assert http.post(begin, headers={**headers, **wrong}).status_code == 403
        other = site.service.accounts.csrf_token(site.session("ann"))
        assert http.post(begin, headers={**headers, "X-CSRF-Token": other}).status_code == 403


def test_nobody_sees_or_touches_another_persons_task(site: Site) -> None:
    task = site.team.take("ann")[0].assignment_id
    with client(site, "ben", Origin=site.url) as http:
        http.headers["X-CSRF-Token"] = http.get("/api/me").json()["csrf"]
        body = {"token": "12345678", "choice": {"strength": 1}, "reason": "x"}
        for method, path, sent in (
            ("GET", "", None),
            ("GET", "/panels?view=source", None),
            ("GET", "/sources", None),
            ("POST", "/begin", None),
            ("POST", "/reveal", None),
            ("PUT", "/draft", {"strength": 1}),
            ("POST", "/choose", {k: body[k] for k in ("token", "choice")}),
            ("POST", "/skip", {k: body[k] for k in ("token", "reason")}),
            ("POST", "/flag", {k: body[k] for k in ("token", "reason")}),
        ):
            answer = http.request(method, f"/api/tasks/{task}{path}", json=sent)
            assert answer.status_code == 404, (method, path, answer.text)


def test_headers_of_every_answer(site: Site) -> None:
    with client(site, "max") as http:
        for path in ("/sign-in", "/api/me", "/nowhere", f"{ROOT}/?project=1", "/static/js/dom.js"):
            answer = http.get(path, headers={"Origin": "http://evil.example"})
            policy = answer.headers["content-security-policy"]
            assert "unsafe-eval" not in policy
            assert "unsafe-inline" not in policy.split("style-src")[0]
            assert "frame-ancestors 'none'" in policy and "default-src 'self'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in answer.headers
        page = http.get(f"{ROOT}/?project=1", headers={"Accept": "text/html"})
        nonces = set(re.findall(r'<script nonce="([^"]+)"', page.text))
        assert (
            len(nonces) == 1
            and f"'nonce-{nonces.pop()}'" in page.headers["content-security-policy"]
        )
        assert re.findall(r"<script(?! nonce)", page.text) == []
        assert http.get(f"{ROOT}/?project=1").text != page.text


def test_too_much_at_once_is_refused(site: Site) -> None:
    with client(site, "ann", Origin=site.url) as http:
        http.headers["X-CSRF-Token"] = http.get("/api/me").json()["csrf"]
        task = site.team.take("ann")[0].assignment_id
        big = json.dumps({"justification": "x" * 2_000_000}).encode()
        assert http.put(f"/api/tasks/{task}/draft", content=big).status_code == 413
        pieces = (big[i : i + 65536] for i in range(0, len(big), 65536))
        chunked = http.put(f"/api/tasks/{task}/draft", content=pieces)
        assert chunked.status_code == 413
        long = http.put(f"/api/tasks/{task}/draft", json={"justification": "x" * 20_001})
        assert long.status_code == 422 and "x" * 100 not in long.text


def test_numbers_that_no_database_has_are_refused(site: Site) -> None:
    huge, project = 2**31, site.team.project_id
    task = site.team.take("max")[0].assignment_id
    body = {"token": "12345678", "decision": {"strength": 1}, "reason": "x"}
    with client(site, "max", Origin=site.url) as http:
        http.headers["X-CSRF-Token"] = http.get("/api/me").json()["csrf"]
        for method, path, sent in (
            ("GET", f"/api/tasks/{huge}", None),
            ("GET", f"/api/projects/{huge}/annotating", None),
            ("GET", f"/api/projects/{project}/mine?before={huge}", None),
            ("GET", f"/api/disputes/{huge}", None),
            ("POST", f"/api/disputes/{huge}/decide", body),
            ("POST", f"/api/tasks/{huge}/begin", None),
            ("PUT", f"/api/tasks/{task}/draft", {"sequence": huge}),
            ("GET", f"/export/{huge}/csv", None),
        ):
            answer = http.request(method, path, json=sent)
            assert answer.status_code == 422, (method, path, answer.text)


@pytest.mark.parametrize(
    "next", ["//evil.example", "http://evil.example", "/\\evil.example", "/a\nb"]
)
def test_sign_in_leads_to_no_other_site(site: Site, next: str) -> None:
    with client(site, Origin=site.url) as http:
        form = {"name": "ann", "password": PASSWORD, "next": next}
        answer = http.post("/sign-in", data=form)
        assert answer.status_code == 303 and answer.headers["location"] == "/"


def test_sign_in_and_out(site: Site) -> None:
    with client(site, Origin=site.url, Accept="text/html") as http:
        page = http.get(f"{ROOT}/?project=1")
        assert page.status_code == 303
        assert page.headers["location"] == "/sign-in?next=/review/%3Fproject%3D1"
        wrong = http.post("/sign-in", data={"name": "<b>ann", "password": "guess"})
        assert wrong.status_code == 403 and "wrong name or password" in wrong.text
        assert "<b>ann" not in wrong.text
        right = http.post("/sign-in", data={"name": "ann", "password": PASSWORD, "next": "/x"})
        assert right.status_code == 303 and right.headers["location"] == "/x"
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
        me = http.get("/api/me", headers=JSON).json()
        assert me["name"] == "ann"
        done = http.post("/api/sign-out", headers={"X-CSRF-Token": me["csrf"], **JSON})
        assert done.status_code == 204
        assert http.get("/api/me", headers=JSON).status_code == 401


def test_over_https_the_cookie_belongs_to_this_host_alone(site: Site) -> None:
    address = "https://review.example"
    app = create_app(site.service, Options())
    with TestClient(app, address, headers={"Origin": address}, follow_redirects=False) as http:
        form = {"name": "ann", "password": PASSWORD}
        cookie = http.post("/sign-in", data=form).headers["set-cookie"]
        assert cookie.startswith("__Host-review_session=") and "Path=/" in cookie
        assert {"Secure", "HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        assert http.get("/api/me").json()["name"] == "ann"
        token = cookie.split(";")[0].partition("=")[2]
        http.cookies.clear()
        # What an unencrypted page, or another host, could have set under the plain name.
        http.cookies.set("review_session", token)
        assert http.get("/api/me").status_code == 401


def test_guessing_locks_a_name(site: Site) -> None:
    with client(site, Origin=site.url) as http:
        for _ in range(5):
            http.post("/sign-in", data={"name": "ann", "password": "guess"})
        locked = http.post("/sign-in", data={"name": "ann", "password": PASSWORD})
        assert locked.status_code == 403 and "too many failed sign-ins" in locked.text


def test_another_password_ends_the_other_sessions(site: Site) -> None:
    with client(site, "ann", Origin=site.url) as here, client(site, "ann") as there:
        csrf = here.get("/api/me").json()["csrf"]
        new = "another horse battery"
        form = {"old": PASSWORD, "new": new, "again": new, "csrf": csrf}
        assert here.post("/password", data={**form, "csrf": "x"}).status_code == 403
        assert here.post("/password", data={**form, "again": "y"}).status_code == 403
        assert here.post("/password", data={**form, "old": "guess"}).status_code == 403
        assert "Your password is changed" in here.post("/password", data=form).text
        assert here.get("/api/me").status_code == 200
        assert there.get("/api/me").status_code == 401


def test_alone_on_this_machine(new_site: Callable[..., Site]) -> None:
    site = new_site(options=Options(no_auth=True))
    with httpx.Client(base_url=site.url, headers=JSON, timeout=60) as http:
        me = http.get("/api/me").json()
        assert me["local"] and me["projects"][0]["role"] == "manager"
        assert http.get("/api/me").json()["csrf"] == me["csrf"]
        # A name of another site that points here would act as the one person.
        assert http.get("/api/me", headers={"Host": "evil.example"}).status_code == 400
    for host in ("0.0.0.0", "192.168.1.5", "example.org"):
        with pytest.raises(ValueError, match="only this machine"):
            Options(no_auth=True, host=host)
