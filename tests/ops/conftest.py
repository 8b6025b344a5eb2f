"""A real store in a temporary file, and the real LangSmith API over it on a loopback port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from langsmith import Client

from app.ops.langsmith import langsmith_app
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore

API_KEY = "a-key-for-tests"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OpsStore]:
    opened = OpsStore.open(tmp_path / "ops.db")
    yield opened
    opened.close()


@contextmanager
def serving(store: OpsStore, settings: OpsSettings | None = None) -> Iterator[str]:
    """The address of the API, mounted as the product mounts it."""

    def authorize(request: Request) -> None:
        if request.headers.get("x-api-key") != API_KEY:
            raise HTTPException(401, "Send a valid key as x-api-key.")

    app = FastAPI()
    app.mount("/langsmith", langsmith_app(store, authorize, settings))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/langsmith"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture
def langsmith_url(store: OpsStore) -> Iterator[str]:
    with serving(store) as url:
        yield url


@pytest.fixture(scope="session")
def serve() -> object:
    """`with serve(store, settings) as url:` for tests that start and stop the API themselves."""
    return serving


@pytest.fixture
def client(langsmith_url: str) -> Iterator[Client]:
    opened = Client(api_url=langsmith_url, api_key=API_KEY, auto_batch_tracing=True)
    yield opened
    opened.close()
