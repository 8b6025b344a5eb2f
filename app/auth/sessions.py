"""One sign-in for the chat, the ops pages and the documents: Chainlit's session cookie, checked on every request.

Chainlit trusts any cookie it has signed until it expires. Here a session also ends when its account is disabled or its
password changes: the cookie carries the account's session epoch, and `SessionMiddleware` withholds an ended one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import quote

import jwt
from fastapi import HTTPException, Request
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.auth.users import Account, Accounts
from app.secret import Secret

COOKIE = "access_token"
ALGORITHM = "HS256"
SCOPE_KEY = "parley.account"
SIGNIN_PATH = "/signin"

# A context variable can live only in a module; `SessionMiddleware` sets it for the length of one request.
_acting: ContextVar[Account | None] = ContextVar("acting", default=None)


class ChatUser(Protocol):
    """What Chainlit keeps of a signed-in user."""

    identifier: str
    metadata: dict[str, Any]


def acting_account() -> Account | None:
    """Whose request is being served here; for code that Chainlit calls without saying so."""
    return _acting.get()


@contextmanager
def acting_as(account: Account | None) -> Iterator[None]:
    """Let the block, and the tasks it starts, act for this account."""
    before = _acting.set(account)
    try:
        yield
    finally:
        _acting.reset(before)


def current_account(connection: HTTPConnection) -> Account | None:
    """The signed-in account of a request that passed `SessionMiddleware`."""
    return connection.scope.get(SCOPE_KEY)


class Sessions:
    """Makes and checks session cookies, and guards routes with them."""

    def __init__(self, accounts: Accounts, secret: Secret) -> None:
        self.accounts = accounts
        self.signing_key = secret.derive("chat sessions")
        """Also Chainlit's CHAINLIT_AUTH_SECRET: it reads the same cookie."""
        self._life = timedelta(hours=accounts.settings.session_hours)

    async def sign_in(self, name: str, password: str, address: str) -> Account | None:
        """Check a password without blocking the event loop. Raises `TooManyAttempts`."""
        return await asyncio.to_thread(self.accounts.authenticate, name, password, address)

    def token(self, account: Account) -> str:
        """A new session, as Chainlit encodes it."""
        now = self.accounts.now()
        claims = {
            "identifier": account.name,
            "display_name": account.name,
            "metadata": session_metadata(account),
            "iat": now,
            "exp": now + self._life,
        }
        return jwt.encode(claims, self.signing_key, algorithm=ALGORITHM)

    def account_of_token(self, token: str) -> Account | None:
        """The account of a session; None where it is forged, expired or ended."""
        try:
            claims = jwt.decode(
                token, self.signing_key, algorithms=[ALGORITHM], options={"require": ["exp", "identifier"]}
            )
        except jwt.InvalidTokenError:
            return None
        return self._live(claims["identifier"], claims.get("metadata"))

    def account_of(self, user: ChatUser | None) -> Account | None:
        """The account behind Chainlit's user, as it is now; None once the session has ended."""
        return self._live(user.identifier, user.metadata) if user else None

    def _live(self, name: object, metadata: object) -> Account | None:
        if not isinstance(name, str) or not isinstance(metadata, dict):
            return None
        account = self.accounts.find(name)
        if account is None or account.disabled_at or metadata != session_metadata(account):
            return None
        return account

    def set_cookie(self, request: Request, response: Response, account: Account) -> None:
        """Sign the browser in."""
        secure = self.accounts.settings.cookie_secure
        response.set_cookie(
            COOKIE,
            self.token(account),
            max_age=int(self._life.total_seconds()),
            httponly=True,
            samesite="lax",
            secure=secure == "always" or (secure == "auto" and request.url.scheme == "https"),
        )

    async def require_account(self, request: Request) -> Account:
        """Dependency: the signed-in account; 401, or for a page the way to sign in."""
        account = current_account(request)
        if account is None:
            raise _sign_in_first(request)
        return account

    def require_role(self, *roles: str) -> Callable[..., Any]:
        """Dependency for accounts with one of these roles; others get 403."""

        async def guard(request: Request) -> Account:
            account = await self.require_account(request)
            if account.role not in roles:
                raise HTTPException(403, f"This needs the role {' or '.join(roles)}; an admin can give it to you.")
            return account

        return guard

    def require_key(self, request: Request) -> Account:
        """Dependency: the account of the bearer key; 401 without a good one."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        account = self.accounts.verify_key(key.strip()) if scheme.lower() == "bearer" else None
        if account is None:
            raise HTTPException(
                401,
                "Send `Authorization: Bearer pk_…` with a key from `parley keys create`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return account


def session_metadata(account: Account) -> dict[str, Any]:
    """What a session carries besides the name; it has ended once this is no longer what the account says."""
    return {"account": account.id, "epoch": account.session_epoch}


def _sign_in_first(request: Request) -> HTTPException:
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return HTTPException(303, headers={"Location": f"{SIGNIN_PATH}?next={quote(wanted, safe='')}"})
    return HTTPException(401, "Sign in first.")
