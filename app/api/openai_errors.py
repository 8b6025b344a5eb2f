"""How the OpenAI-compatible routes fail: in OpenAI's error shape."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from agents.errors import TooLong, TurnError

MAX_LISTED = 5
CODES = {401: "invalid_api_key", 404: "not_found", 413: TooLong.code}
"""By HTTP status, where it is not a turn that failed; `invalid_request` for any other."""


class OpenAIRoute(APIRoute):
    """Answers every failure in OpenAI's error shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except TurnError as error:
                return _turn_failed(error)
            except RequestValidationError as error:
                return _invalid(error)
            except HTTPException as error:
                code = CODES.get(error.status_code, "invalid_request")
                return _response(error.status_code, error_body(error.status_code, error.detail, code), error.headers)

        return answer


def turn_error_body(error: TurnError) -> dict[str, Any]:
    """A turn's error in OpenAI's shape."""
    return error_body(error.http_status, error.message, error.code)


def error_body(status: int, message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """What OpenAI clients read of a failure."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _turn_failed(error: TurnError) -> Response:
    headers = {"Retry-After": str(max(1, round(error.retry_after_s)))} if error.retry_after_s else None
    return _response(error.http_status, turn_error_body(error), headers)


def _invalid(error: RequestValidationError) -> Response:
    problems = error.errors()[:MAX_LISTED]
    lines = [f"{_place(problem)}: {problem['msg']}" for problem in problems]
    return _response(422, error_body(422, "; ".join(lines), "invalid_request", _place(problems[0])))


def _place(problem: Mapping[str, Any]) -> str:
    """Where in the body it is, such as `messages.0.content`."""
    return ".".join(str(part) for part in problem["loc"][1:]) or "body"


def _response(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))
