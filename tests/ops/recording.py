"""What a client sends to the API, kept, so that fuzzers can send it again with something wrong in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from hypothesis import HealthCheck, Phase, settings
from requests.adapters import HTTPAdapter
from starlette.types import ASGIApp, Receive, Scope, Send
from urllib3 import Retry

from app.ops.store import OpsStore

KEY = "a-key-for-tests"
DRIVER = Path(__file__).parents[1] / "clients" / "python" / "drive.py"
AREAS = (
    "tracing",
    "feedback",
    "projects",
    "datasets",
    "experiments",
    "pairwise",
    "prompts",
    "queues",
    "sharing",
    "resources",
)
TIMEOUT_S = 20
NOBODY = "b5a7a1f0-4f0e-4f6e-9d3c-3a1f0c9f7e11"
"""An id that nothing has."""
Serve = Callable[..., AbstractContextManager[str]]


@dataclass(frozen=True)
class Sent:
    """A request as a client sent it."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def send(self, session: requests.Session, host: str) -> requests.Response:
        """Send it again."""
        url = f"{host}{self.path}" + (f"?{self.query}" if self.query else "")
        return session.request(self.method, url, headers=self.headers, data=self.body, timeout=TIMEOUT_S)


class Recorder:
    """Keeps every request on its way to the application."""

    def __init__(self, app: ASGIApp, kept: list[Sent]) -> None:
        self._app = app
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def listen() -> Any:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        await self._app(scope, listen, send)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        kept = {name: headers[name] for name in ("content-type", "content-encoding") if name in headers}
        self._kept.append(Sent(scope["method"], scope["path"], scope["query_string"].decode(), kept, bytes(body)))


@dataclass(frozen=True)
class Used:
    """A served store that a client has used: what it sent, and the ids that it was given."""

    url: str
    sent: list[Sent]
    known: dict[str, Any]
    session: requests.Session

    @property
    def host(self) -> str:
        """The address of the server itself."""
        return self.url.removesuffix("/langsmith")


@contextmanager
def recorded(store: OpsStore, serve: Serve, folder: Path) -> Iterator[Used]:
    """The store, served, after a client has used every part of it."""
    sent: list[Sent] = []
    state = folder / "state.json"
    with serve(store, wrap=lambda app: Recorder(app, sent)) as url, requests.Session() as session:
        environment = {"PATH": os.environ["PATH"], "LANGSMITH_ENDPOINT": url, "LANGSMITH_API_KEY": KEY}
        steps = [f"{area}.write" for area in AREAS]
        done = subprocess.run([sys.executable, DRIVER, state, *steps], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        session.headers["x-api-key"] = KEY
        # A server that refuses before it has read the body closes the connection, and this may cut off the answer.
        session.mount("http://", HTTPAdapter(max_retries=Retry(5, status=0, allowed_methods=None)))
        yield Used(url, list(sent), json.loads(state.read_text()), session)


def some(examples: int) -> settings:
    """So many examples, the same at every run."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def fault(response: Any) -> str | None:
    """What is wrong with an answer, whatever was asked."""
    if response.status_code < 400:
        return None
    if response.status_code >= 500 and response.status_code != 501:
        return f"{response.status_code} {response.text[:300]}"
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} without a detail: {response.text[:300]!r}"
    return None if isinstance(detail, str) and detail else f"{response.status_code} with {detail!r}"
