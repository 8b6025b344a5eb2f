"""Signing in: with a name and a password, or with a one-time link."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from jinja2 import Environment, FileSystemLoader
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from app.auth.errors import TooManyAttempts
from app.auth.sessions import SIGNIN_PATH, Sessions
from app.security import local_path

# A link's token must not be kept in a cache, nor told to the next site as the referrer. "no-referrer" would also make
# browsers send the form with the origin "null", which is refused.
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
PAGE_CSP = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
WRONG = "That name and password don't match. Check both; capital letters count in the password."
SPENT = (
    "This sign-in link has been used or has expired: each works once. Sign in with your password, or restart Parley "
    "for a new link. A forgotten password is replaced with: parley users password NAME"
)

Field = Annotated[str, Form()]


class SigninPage:
    """The form, in the state that it is shown."""

    def __init__(self) -> None:
        templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
        self._template = templates.get_template("signin.html")

    def show(
        self, next_path: str = "/", *, message: str = "", status_code: int = 200, retry_after_s: int | None = None
    ) -> Response:
        """The form, and above it why it is shown again."""
        html = self._template.render(action=SIGNIN_PATH, next_path=local_path(next_path), message=message)
        headers = {**PRIVATE, "Content-Security-Policy": PAGE_CSP}
        if retry_after_s is not None:
            headers["Retry-After"] = str(retry_after_s)
        return HTMLResponse(html, status_code=status_code, headers=headers)


def signin_router(sessions: Sessions) -> APIRouter:
    """`/signin`, a page of its own, and `POST /login`, which Chainlit's page posts to."""
    router = APIRouter(tags=["sign-in"])
    page = SigninPage()

    @router.get(SIGNIN_PATH)
    def signin_page(request: Request, token: str = "", next: str = "/") -> Response:
        """The form; or, with a `token` that is still good, signed in at once."""
        if not token:
            return page.show(next)
        account = sessions.accounts.redeem(token)
        if account is None:
            return page.show(message=SPENT, status_code=410)
        response = RedirectResponse("/", status_code=303, headers=PRIVATE)
        sessions.set_cookie(request, response, account)
        return response

    @router.post(SIGNIN_PATH)
    async def signin_form(request: Request, username: Field, password: Field, next: Field = "/") -> Response:
        """Sign in and go on to `next`; the form again, saying why, where that fails."""
        try:
            account = await sessions.sign_in(username, password, _address(request))
        except TooManyAttempts as error:
            return page.show(next, message=str(error), status_code=429, retry_after_s=error.retry_after_s)
        if account is None:
            return page.show(next, message=WRONG, status_code=401)
        response = RedirectResponse(local_path(next), status_code=303, headers=PRIVATE)
        sessions.set_cookie(request, response, account)
        return response

    @router.post("/login")
    async def login(request: Request, username: Field, password: Field) -> Response:
        """Sign in from Chainlit's page, which knows its sentences by the names given as `detail`."""
        try:
            account = await sessions.sign_in(username, password, _address(request))
        except TooManyAttempts as error:
            raise HTTPException(429, "tooManyAttempts", headers={"Retry-After": str(error.retry_after_s)}) from error
        if account is None:
            raise HTTPException(401, "credentialsSignin")
        response = JSONResponse({"success": True}, headers=PRIVATE)
        sessions.set_cookie(request, response, account)
        return response

    return router


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
