"""What the LangSmith API answers instead of what was asked for: `{"detail": "a sentence"}` and a status."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError

from app.ops.store.errors import Conflict, NotFound, StoreBusy, StoreError

_STORE_STATUS: dict[type[StoreError], int] = {NotFound: 404, Conflict: 409, StoreBusy: 503}


class WireError(Exception):
    """Base of every refusal of a request."""

    status = 400


class BadRequest(WireError):
    """The bytes cannot be read."""


class TooLarge(WireError):
    """There are too many bytes."""

    status = 413


class UnsupportedEncoding(WireError):
    """The bytes are compressed in a way that is not understood."""

    status = 415


class Unprocessable(WireError):
    """The request can be read, but says something that cannot be."""

    status = 422


class NotServed(WireError):
    """LangSmith has this, and this store does not."""

    status = 501


def answer_errors(app: FastAPI) -> None:
    """Translate every expected error, in this one place."""

    @app.exception_handler(WireError)
    async def wire_error(request: Request, error: WireError) -> JSONResponse:
        return _detail(error.status, str(error))

    @app.exception_handler(StoreError)
    async def store_error(request: Request, error: StoreError) -> JSONResponse:
        return _detail(_STORE_STATUS.get(type(error), 422), str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid_parameter(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return _detail(422, f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}.")

    @app.exception_handler(OperationalError)
    async def store_unavailable(request: Request, error: OperationalError) -> JSONResponse:
        return _detail(503, "The store cannot be read or written at the moment. Try again.")


def _detail(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"detail": sentence}, status)
