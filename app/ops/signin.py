"""Signing in to the pages where there are no accounts: with a workspace's key, or by a link that works once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.ops.store import OpsStore
from app.ops.store.workspaces import Workspaces
from app.ops.views.addresses import BASE
from app.ops.views.forms import read_form
from app.ops.views.render import page
from app.security import local_path

COOKIE = "parley_ops"
SIGNIN_PATH = "/signin"
SESSION_LIFE = timedelta(days=14)
LINK_LIFE = timedelta(minutes=30)
_ALGORITHM = "HS256"
_LINK = "link"
"""In place of a key's id, in a session that a link opened."""
_WRONG_KEY = "No workspace has this key, or it was revoked. Check it, or have a new one made."
_USED_LINK = "This link was used already, or is older than half an hour. Sign in with a key instead."


class Signins:
    """Makes and checks session cookies. A session ends with the key that opened it."""

    def __init__(self, workspaces: Workspaces, signing_key: str, now: Callable[[], datetime]) -> None:
        self._workspaces = workspaces
        self._signing_key = signing_key
        self._now = now
        self._links: dict[str, datetime] = {}

    def create_link_token(self) -> str:
        """What opens the default workspace's pages once, within half an hour."""
        token = secrets.token_urlsafe(32)
        self._links[token] = self._now() + LINK_LIFE
        return token

    def by_link(self, token: str) -> str | None:
        """A new session for a link's token; None where it was used or is too old."""
        ends = self._links.pop(token, None)
        return self._session(_LINK) if ends and ends > self._now() else None

    def by_key(self, secret: str) -> str | None:
        """A new session for a workspace's key; None where no workspace has it."""
        key = self._workspaces.key(secret)
        return self._session(str(key.id)) if key else None

    def store(self, session: str) -> OpsStore | None:
        """The store whose pages the session may see; None where it was made up, has expired or has ended."""
        try:
            claims = jwt.decode(
                session, self._signing_key, algorithms=[_ALGORITHM], options={"require": ["exp", "key"]}
            )
        except jwt.InvalidTokenError:
            return None
        if claims["key"] == _LINK:
            return self._workspaces.default
        key = self._workspaces.live_key(UUID(claims["key"]))
        return self._workspaces.opened_by(key) if key else None

    def _session(self, key: str) -> str:
        claims: dict[str, Any] = {"key": key, "exp": self._now() + SESSION_LIFE}
        return jwt.encode(claims, self._signing_key, algorithm=_ALGORITHM)


def signin_router(signins: Signins) -> APIRouter:
    """`/signin`: the form, what it sends, and the one-click link."""
    router = APIRouter(include_in_schema=False)

    @router.get(SIGNIN_PATH)
    def form_or_link(request: Request, token: str = "", next: str = BASE) -> Response:
        if not token:
            return _form(next)
        session = signins.by_link(token)
        return _entered(request, session, next) if session else _form(next, _USED_LINK, 410)

    @router.post(SIGNIN_PATH)
    async def enter(request: Request) -> Response:
        sent = await read_form(request)
        goal = sent.get("next", BASE)
        session = signins.by_key(sent.get("key", ""))
        return _entered(request, session, goal) if session else _form(goal, _WRONG_KEY, 401)

    return router


def _form(goal: str, message: str = "", status: int = 200) -> HTMLResponse:
    return page("signin.html", {"action": SIGNIN_PATH, "next": local_path(goal), "message": message}, status=status)


def _entered(request: Request, session: str, goal: str) -> RedirectResponse:
    """On to where the browser wanted to go. Neither the link nor the way on is kept or told to anybody."""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    response = RedirectResponse(local_path(goal), status_code=303, headers=headers)
    response.set_cookie(
        COOKIE,
        session,
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response
