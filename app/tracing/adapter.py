"""Where the LangSmith client's requests leave it: writes go to the spool, reads to the sink."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from app.tracing.spool import Spool, SpoolFull, WriteRequest

UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
WRITES = re.compile(rf"/runs(/batch|/multipart|/{UUID})?|/feedback(/{UUID})?")
METHODS = frozenset({"POST", "PATCH", "PUT", "DELETE"})
KEPT_HEADERS = ("Content-Type", "Content-Encoding", "X-Pre-Compressed-Size", "X-Post-Compressed-Size", "X-Tenant-Id")
"""What the sink needs to understand a body. Keys are added when it is sent and never lie on disk."""


class OutboxAdapter(HTTPAdapter):
    """Spools runs and feedback, and answers 202 once they are safe on disk. Everything else goes to the sink."""

    def __init__(self, endpoint: str, spool: Spool, on_spooled: Callable[[], None]) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._spool = spool
        self._on_spooled = on_spooled

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        path = (request.url or "")[len(self._endpoint) :]
        if request.method not in METHODS or not WRITES.fullmatch(path.partition("?")[0]):
            return super().send(request, *args, **kwargs)
        try:
            self._spool.put(_write_request(request, path))
        except SpoolFull as error:
            return _answer(request, 507, str(error))
        except OSError as error:
            raise requests.ConnectionError(f"cannot spool: {error}", request=request) from error
        self._on_spooled()
        return _answer(request, 202, "Accepted")


def _write_request(request: requests.PreparedRequest, path: str) -> WriteRequest:
    headers = {name: str(request.headers[name]) for name in KEPT_HEADERS if name in request.headers}
    return WriteRequest(str(request.method), path, headers, _read(request.body))


def _read(body: Any) -> bytes:
    if body is None:
        return b""
    content = body.read() if hasattr(body, "read") else body
    return content.encode() if isinstance(content, str) else bytes(content)


def _answer(request: requests.PreparedRequest, status: int, reason: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.reason = reason
    response.url = str(request.url)
    response.request = request
    response.headers["Content-Type"] = "application/json"
    response.encoding = "utf-8"
    response._content = b"{}"
    return response
