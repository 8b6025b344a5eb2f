"""Signing in and what sessions open, over a real ASGI app without the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest
from fastapi import Depends, FastAPI, Request

from app.auth.middleware import SessionMiddleware
from app.auth.sessions import COOKIE, Sessions, acting_account, session_metadata
from app.auth.settings import AuthSettings
from app.auth.signin import signin_router
from app.auth.users import Account, Accounts
from app.secret import Secret
from app.security import local_path

PASSWORD = "correct horse battery"
ORIGIN = "http://parley.test"


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    accounts = Accounts.open(tmp_path / "chat.db", AuthSettings(login_attempts=3))
    accounts.create("alice", PASSWORD)
    accounts.create("ann", PASSWORD, role="analyst")
    return accounts


@pytest.fixture
def sessions(accounts: Accounts, tmp_path: Path) -> Sessions:
    return Sessions(accounts, Secret.load(tmp_path / "secret"))


@pytest.fixture
def app(sessions: Sessions) -> FastAPI:
    app = FastAPI()
    app.include_router(signin_router(sessions))

    @app.get("/me")
    async def me(account: Account = Depends(sessions.require_account)) -> dict[str, str | None]:  # noqa: B008
        acting = acting_account()
        return {"name": account.name, "acting": acting.name if acting else None}

    @app.get("/ops", dependencies=[Depends(sessions.require_role("analyst", "admin"))])
    async def ops() -> str:
        return "ops"

    @app.get("/v1/models")
    async def models(account: Account = Depends(sessions.require_key)) -> str:  # noqa: B008
        return account.name

    @app.post("/change")
    async def change(request: Request) -> dict[str, str]:
        return dict(request.headers)

    app.add_middleware(SessionMiddleware, sessions=sessions, origins=["https://parley.example"])
    return app


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        yield client


async def sign_in(browser: httpx.AsyncClient, name: str = "alice", password: str = PASSWORD) -> httpx.Response:
    return await browser.post("/login", data={"username": name, "password": password}, headers={"Origin": ORIGIN})


async def test_signing_in_opens_what_the_role_may_see(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/me")).status_code == 401
    assert (await sign_in(browser)).json() == {"success": True}
    assert (await browser.get("/me")).json() == {"name": "alice", "acting": "alice"}
    refused = await browser.get("/ops")
    assert refused.status_code == 403
    assert "analyst or admin" in refused.json()["detail"]
    await sign_in(browser, "ann")
    assert (await browser.get("/ops")).status_code == 200
    assert acting_account() is None


async def test_the_cookie_is_kept_from_scripts_and_other_sites(browser: httpx.AsyncClient) -> None:
    cookie = (await sign_in(browser)).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie


async def test_over_https_the_cookie_is_for_https_only(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://parley.test") as client:
        response = await client.post("/login", data={"username": "alice", "password": PASSWORD})
    assert "Secure" in response.headers["set-cookie"]


async def test_a_wrong_password_is_refused_and_then_slowed(browser: httpx.AsyncClient) -> None:
    for _ in range(3):
        refused = await sign_in(browser, password="wrong wrong wrong")
        assert (refused.status_code, refused.json()["detail"]) == (401, "credentialsSignin")
    slowed = await sign_in(browser)
    assert slowed.status_code == 429
    assert 0 < int(slowed.headers["retry-after"]) <= 300
    page = await browser.post("/signin", data={"username": "alice", "password": PASSWORD})
    assert page.status_code == 429
    assert "Try again in 5 minutes" in page.text


@pytest.mark.parametrize("act", ["disable", "set_password"])
async def test_a_session_ends_with_the_account_or_its_password(
    browser: httpx.AsyncClient, accounts: Accounts, act: str
) -> None:
    await sign_in(browser)
    if act == "disable":
        accounts.disable("alice")
        accounts.enable("alice")
    else:
        accounts.set_password("alice", "another long password")
    assert (await browser.get("/me")).status_code == 401


async def test_a_session_survives_a_restart(browser: httpx.AsyncClient, accounts: Accounts, tmp_path: Path) -> None:
    await sign_in(browser)
    token = browser.cookies[COOKIE]
    accounts.close()
    reopened = Accounts.open(tmp_path / "chat.db", AuthSettings())
    account = Sessions(reopened, Secret.load(tmp_path / "secret")).account_of_token(token)
    assert account is not None
    assert account.name == "alice"


def test_forged_stale_and_foreign_tokens_are_nobodys(accounts: Accounts, sessions: Sessions, tmp_path: Path) -> None:
    alice = accounts.named("alice")
    claims = {"identifier": "alice", "metadata": session_metadata(alice), "exp": datetime.now(UTC) + timedelta(hours=1)}
    good = jwt.encode(claims, sessions.signing_key, algorithm="HS256")
    assert sessions.account_of_token(good) == alice

    def made(key: str = sessions.signing_key, algorithm: str = "HS256", **changes: object) -> str:
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(kept, key, algorithm=algorithm)

    bad = [
        made(key="another key, which is long enough"),
        made(key="", algorithm="none"),
        made(exp=datetime.now(UTC) - timedelta(seconds=1)),
        made(exp=None),
        made(identifier="nobody"),
        made(identifier=7),
        made(metadata=None),
        made(metadata={}),
        made(metadata={**session_metadata(alice), "epoch": 1}),
        made(metadata=session_metadata(accounts.named("ann"))),
        good[:-2],
        "",
    ]
    assert [sessions.account_of_token(token) for token in bad] == [None] * len(bad)


async def test_the_link_signs_in_once_and_leaves_no_trace(browser: httpx.AsyncClient, accounts: Accounts) -> None:
    token = accounts.create_signin_link("alice", timedelta(minutes=5))
    response = await browser.get("/signin", params={"token": token})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert response.headers["referrer-policy"] == "same-origin"
    assert response.headers["cache-control"] == "no-store"
    assert (await browser.get("/me")).json()["name"] == "alice"
    browser.cookies.clear()
    again = await browser.get("/signin", params={"token": token})
    assert again.status_code == 410
    assert "each works once" in again.text
    assert token not in again.text
    assert (await browser.get("/me")).status_code == 401


async def test_a_page_sends_to_the_form_and_the_form_back_to_the_page(browser: httpx.AsyncClient) -> None:
    sent = await browser.get("/ops?tab=health&q=a b", headers={"Accept": "text/html,*/*"})
    assert sent.status_code == 303
    form = await browser.get(sent.headers["location"])
    assert 'value="/ops?tab=health&amp;q=a%20b"' in form.text
    entered = {"username": "ann", "password": PASSWORD, "next": "/ops?tab=health&q=a%20b"}
    wrong = await browser.post("/signin", data={**entered, "password": "wrong wrong wrong"})
    assert wrong.status_code == 401
    assert 'value="/ops?tab=health&amp;q=a%20b"' in wrong.text
    right = await browser.post("/signin", data=entered)
    assert (right.status_code, right.headers["location"]) == (303, "/ops?tab=health&q=a%20b")
    assert (await browser.get("/ops")).status_code == 200


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\r\nX: y", "", "ops"]
)
def test_nobody_is_sent_to_another_site(path: str) -> None:
    assert local_path(path) == "/"


async def test_markup_in_the_form_stays_text(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/signin", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>" not in page.text


async def test_a_key_opens_the_api_and_nothing_else(browser: httpx.AsyncClient, accounts: Accounts) -> None:
    bearer = {"Authorization": f"Bearer {accounts.create_key('alice', 'notebook')}"}
    assert (await browser.get("/v1/models", headers=bearer)).json() == "alice"
    assert (await browser.get("/me", headers=bearer)).status_code == 401
    accounts.revoke_key(accounts.api_keys()[0].id)
    refused = await browser.get("/v1/models", headers=bearer)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert (await browser.get("/v1/models")).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": ORIGIN}, 200),
        ({"Origin": "https://parley.example"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://parley.test:81"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_other_sites_cannot_make_a_browser_change_anything(
    browser: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    assert (await browser.post("/change", headers=headers)).status_code == status


async def test_only_a_checked_session_is_passed_on(browser: httpx.AsyncClient, accounts: Accounts) -> None:
    await sign_in(browser)
    token = browser.cookies[COOKIE]
    browser.cookies.clear()

    async def passed_on(**headers: str) -> dict[str, str]:
        return (await browser.post("/change", headers=headers)).json()

    assert (await passed_on(Cookie=f"theme=dark; {COOKIE}={token}"))["cookie"] == f"theme=dark; {COOKIE}={token}"
    assert (await passed_on(Cookie=f"theme=dark; {COOKIE}_0={token}"))["cookie"] == "theme=dark"
    assert "authorization" not in await passed_on(Authorization=f"Bearer {token}")
    assert "authorization" in await passed_on(Authorization="Bearer pk_123")
    accounts.disable("alice")
    assert "cookie" not in await passed_on(Cookie=f"{COOKIE}={token}")
