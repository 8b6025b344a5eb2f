"""Pages that take forms: what the store refuses becomes a page too, and every form has one way in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.datastructures import ImmutableMultiDict

from app.ops.store import Conflict, NotFound, StoreBusy, StoreError
from app.ops.views.forms import read_fields
from app.ops.views.render import page

LARGEST_FORM_BYTES = 20 * 1024 * 1024
_STATUS: dict[type[StoreError], int] = {NotFound: 404, Conflict: 409, StoreBusy: 503}
_OF_FORMS = (400, 413)


async def _form(request: Request) -> ImmutableMultiDict[str, str]:
    return ImmutableMultiDict(await read_fields(request, LARGEST_FORM_BYTES))


Form = Annotated[ImmutableMultiDict[str, str], Depends(_form)]
"""The parameter of a route that takes a form: its fields that were filled in."""


class PageRoute(APIRoute):
    """A route whose refusals people read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route, with every expected error answered by a page."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except StoreError as error:
                return refused(str(error), _STATUS.get(type(error), 422))
            except RequestValidationError:
                return refused("There is no page at this address; a part of it cannot be read.", 404)
            except HTTPException as error:
                if error.status_code not in _OF_FORMS:
                    raise
                return refused(error.detail, error.status_code)

        return answer


def refused(sentence: str, status: int) -> HTMLResponse:
    """A page that says why there is nothing else on it."""
    return page("refused.html", {"sentence": sentence, "missing": status == 404}, status=status)


def see(url: str) -> RedirectResponse:
    """What follows a form that was taken: loading the page again sends nothing twice."""
    return RedirectResponse(url, status_code=303)
