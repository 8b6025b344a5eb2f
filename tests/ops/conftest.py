"""A real store on each engine, and the real LangSmith API over it on a loopback port."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import util
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from langsmith import Client
from starlette.types import ASGIApp

from app.ops.langsmith import langsmith_app
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore
from app.ops.store.database import Database
from app.ops.views import Check, OpsState, build_deep_links, build_ops, build_public

sys.path.insert(0, str(Path(__file__).parent))

API_KEY = "a-key-for-tests"
OpenStore = Callable[[], OpsStore]
_schemas = count(1)


def _beside(name: str) -> ModuleType:
    spec = util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server; the test is skipped where none is installed."""
    postgres = _beside("postgres")
    if url := os.environ.get(postgres.URL_VARIABLE):
        yield url
        return
    binaries = postgres.find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    with (
        TemporaryDirectory(prefix="pg-", dir=postgres.folder_for_data()) as short,
        postgres.running(binaries, Path(short) / "server") as url,
    ):
        yield url


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new store on SQLite; to be copied, not to be used."""
    folder = tmp_path_factory.mktemp("empty") / "ops"
    OpsStore.open(folder).close()
    return folder


@pytest.fixture(scope="session")
def copy_database(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Makes a PostgreSQL database with a new store's tables in the schema "ops", by copying; its address."""
    postgres, names = _beside("postgres"), (f"test_{os.getpid()}_{number}" for number in count())
    empty = next(names)
    url = postgres.create(postgres_url, empty)
    OpsStore(Database.on_server(url, "ops"), tmp_path_factory.mktemp("empty")).close()
    return lambda: postgres.create(postgres_url, next(names), empty)


@pytest.fixture(params=["sqlite", "postgresql"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Opens one and the same store, as often as it is called, on either engine."""
    opened: list[OpsStore] = []
    folder = tmp_path / "ops"
    server = request.getfixturevalue("copy_database")() if request.param == "postgresql" else None
    if not server:
        shutil.copytree(request.getfixturevalue("empty_folder"), folder)

    def open_again() -> OpsStore:
        opened.append(OpsStore(Database.on_server(server, "ops"), folder) if server else OpsStore.open(folder))
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()
    if server:
        _beside("postgres").drop(server)


@pytest.fixture
def store(open_store: OpenStore) -> OpsStore:
    return open_store()


@contextmanager
def serving(
    store: OpsStore,
    settings: OpsSettings | None = None,
    others: Sequence[OpsStore] = (),
    wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> Iterator[str]:
    """The address of the API, mounted as the product mounts it; `others` are workspaces that no key opens.

    `wrap` may put something before the API.
    """

    async def authorize(request: Request) -> OpsStore:
        if request.headers.get("x-api-key") != API_KEY:
            raise HTTPException(401, "Send a valid key as x-api-key.")
        return store

    app = FastAPI()
    app.mount("/langsmith", langsmith_app(authorize, settings, workspaces=lambda: [store, *others]))
    server = uvicorn.Server(uvicorn.Config(wrap(app), host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
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


@pytest.fixture(params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """The API in a process of its own, on either engine; tests kill it and start it again.

    With the marker `intake_process` batches are taken in as where Parley serves: in another process still.
    """
    schema = f"test_{os.getpid()}_{next(_schemas)}"
    server = (request.getfixturevalue("postgres_url"), schema) if request.param == "postgresql" else None
    intake = "process" if request.node.get_closest_marker("intake_process") else "thread"
    process = _beside("api_process").ApiProcess(tmp_path / "ops", API_KEY, server, intake=intake)
    process.start()
    yield process
    process.close()


@pytest.fixture
def ops_state(store: OpsStore) -> OpsState:
    async def checks() -> list[Check]:
        return []

    return OpsState(store, {}, checks, clock=lambda: datetime.now(UTC), who=lambda request: "ann")


@pytest.fixture
def pages(ops_state: OpsState) -> Iterator[TestClient]:
    """Every page, the deep links and what is shared, for somebody called ann."""
    app = FastAPI()
    app.include_router(build_ops(ops_state))
    app.include_router(build_deep_links(ops_state))
    app.include_router(build_public(lambda: [ops_state.store]))
    with TestClient(app, base_url="http://ops.example", follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="session")
def fill() -> object:
    """`fill(store, word)` puts rows that say `word` into every table there is."""
    return _beside("filled").fill
