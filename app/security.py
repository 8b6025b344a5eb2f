"""What keeps a hostile document, trace or site from acting in the reader's browser."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# The chat is a single-page app that injects styles; everything it needs comes from this server.
CHAT_CSP = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; "
    "object-src 'self'; frame-ancestors 'self'; base-uri 'self'"
)
OPS_CSP = "default-src 'self'; object-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"


class SecurityHeaders:
    """ASGI middleware that adds the headers to each HTTP response that has not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        policy = OPS_CSP if scope["path"].startswith("/ops") else CHAT_CSP

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**COMMON, "Content-Security-Policy": policy}.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class SameOrigin:
    """ASGI middleware that refuses what another site makes a browser send.

    `origins` are further addresses of this server, such as the one that a proxy in front of it shows.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self.app = app
        self._origins = {origin.rstrip("/").lower() for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not _changes_state(scope) or self._is_same(scope):
            await self.app(scope, receive, send)
        else:
            await _refuse(scope, receive, send)

    def _is_same(self, scope: Scope) -> bool:
        """Browsers name the origin of such requests; programs, which hold no cookie, need not."""
        headers = HTTPConnection(scope).headers
        origin = headers.get("origin", "").lower()
        if not origin:
            return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
        return origin in self._origins or urlsplit(origin).netloc == headers.get("host", "").lower()


def local_path(path: str) -> str:
    """The path if it stays on this server, else `/`: nobody is sent on to another site."""
    plain = all(character.isprintable() and character != "\\" for character in path)
    return path if path.startswith("/") and not path.startswith("//") and plain else "/"


def _changes_state(scope: Scope) -> bool:
    return scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "cross-origin"})
        return
    detail = "This request came from another site and was refused. Open Parley at its own address and try again."
    await JSONResponse({"detail": detail}, status_code=403)(scope, receive, send)
