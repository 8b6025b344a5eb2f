"""What every request passes before any route: the origin check, and the session."""

from __future__ import annotations

from collections.abc import Collection

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.auth.sessions import COOKIE, SCOPE_KEY, Sessions, acting_as
from app.auth.users import KEY_PREFIX
from app.security import SameOrigin

Headers = list[tuple[bytes, bytes]]


class SessionMiddleware:
    """Refuses what another site makes a browser send, and passes on only sessions that are still good.

    `origins` are further addresses of this server, such as the one that a proxy in front of it shows.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, origins: Collection[str] = ()) -> None:
        self.app = SameOrigin(_WithSession(app, sessions), origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class _WithSession:
    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        token = connection.cookies.get(COOKIE, "")
        account = self._sessions.account_of_token(token) if token else None
        headers = _with_trusted_session(connection, token if account else None)
        with acting_as(account):
            await self.app({**scope, "headers": headers, SCOPE_KEY: account}, receive, send)


def _with_trusted_session(connection: HTTPConnection, token: str | None) -> Headers:
    """The request's headers with the session that was checked, and no other that Chainlit would accept unchecked."""
    headers: Headers = connection.scope["headers"]
    sent = b"; ".join(value for name, value in headers if name == b"cookie").split(b";")
    cookies = [cookie.strip() for cookie in sent if cookie.strip() and not cookie.strip().startswith(COOKIE.encode())]
    if token:
        cookies.append(f"{COOKIE}={token}".encode())
    kept = [
        (name, value)
        for name, value in headers
        if name != b"cookie" and not (name == b"authorization" and _is_foreign_bearer(value))
    ]
    return [*kept, (b"cookie", b"; ".join(cookies))] if cookies else kept


def _is_foreign_bearer(value: bytes) -> bool:
    scheme, _, credentials = value.partition(b" ")
    return scheme.lower() == b"bearer" and not credentials.strip().startswith(KEY_PREFIX.encode())
