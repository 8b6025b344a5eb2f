"""The ops layer alone: who may see what, over the real application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import TypeAdapter

from app.ops.server import OpsParts, build_ops_app
from app.ops.settings import OpsSettings
from app.ops.store import Ingest
from app.ops.store.models import RunFields
from app.ops.store.workspaces import Workspaces

_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)
HTML = {"accept": "text/html"}


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workspaces(tmp_path: Path) -> Iterator[Workspaces]:
    opened = Workspaces(tmp_path / "ops")
    yield opened
    opened.close()


@pytest.fixture
def app(workspaces: Workspaces, clock: Clock) -> FastAPI:
    return build_ops_app(OpsParts(workspaces, OpsSettings(), signing_key="k" * 64, clock=clock))


@pytest_asyncio.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ops") as client:
        yield client


async def sign_in(http: httpx.AsyncClient, key: str) -> httpx.Response:
    return await http.post("/signin", data={"key": key, "next": "/ops/turns"})


async def test_the_api_answers_at_the_root_and_where_the_product_has_it(
    http: httpx.AsyncClient, workspaces: Workspaces
) -> None:
    key = workspaces.create_key(workspaces.default.workspace, "test")
    for path in ("/sessions", "/api/v1/sessions", "/langsmith/sessions", "/langsmith/api/v1/sessions"):
        assert (await http.get(path)).status_code == 401, path
        answer = await http.get(path, headers={"x-api-key": key})
        assert [project["name"] for project in answer.json()] == ["default"], path
    assert (await http.get("/info")).json()["instance_flags"]["zstd_compression_enabled"] is True


async def test_pages_want_a_key_first_and_lead_back(http: httpx.AsyncClient, workspaces: Workspaces) -> None:
    refused = await http.get("/ops/turns?thumbs=down", headers=HTML)
    assert (refused.status_code, refused.headers["location"]) == (303, "/signin?next=%2Fops%2Fturns%3Fthumbs%3Ddown")
    assert 'name="next" value="/ops/turns?thumbs=down"' in (await http.get(refused.headers["location"])).text
    assert (await http.get("/ops/turns")).status_code == 401
    assert (await http.get("/ops/static/ops.css")).status_code == 200
    entered = await sign_in(http, workspaces.create_key(workspaces.default.workspace, "test"))
    assert (entered.status_code, entered.headers["location"]) == (303, "/ops/turns")
    assert {"HttpOnly", "SameSite=strict"} <= set(entered.headers["set-cookie"].split("; "))
    assert (await http.get("/ops/turns")).status_code == 200
    assert (await http.get("/")).headers["location"] == "/ops"


@pytest.mark.parametrize("key", ["", "po_wrong", "é" * 1000, "' OR 1=1 --"])
async def test_a_wrong_key_opens_nothing(http: httpx.AsyncClient, key: str) -> None:
    refused = await sign_in(http, key)
    assert refused.status_code == 401
    assert "set-cookie" not in refused.headers
    assert 'role="alert"' in refused.text


async def test_a_link_works_once_and_for_a_while(http: httpx.AsyncClient, app: FastAPI, clock: Clock) -> None:
    first, late = (app.state.signins.create_link_token() for _ in range(2))
    assert (await http.get(f"/signin?token={first}")).status_code == 303
    assert (await http.get("/ops")).status_code == 200
    http.cookies.clear()
    assert (await http.get(f"/signin?token={first}")).status_code == 410
    clock.now += timedelta(minutes=31)
    assert (await http.get(f"/signin?token={late}")).status_code == 410
    assert (await http.get("/ops")).status_code == 401


async def test_a_session_ends_with_its_key(http: httpx.AsyncClient, workspaces: Workspaces) -> None:
    await sign_in(http, workspaces.create_key(workspaces.default.workspace, "test"))
    assert (await http.get("/ops")).status_code == 200
    (key,) = workspaces.api_keys()
    workspaces.revoke_key(key.id)
    assert (await http.get("/ops")).status_code == 401


@pytest.mark.parametrize("session", ["", "x", "eyJhbGciOiJub25lIn0.eyJrZXkiOiJsaW5rIiwiZXhwIjo5OTk5OTk5OTk5fQ."])
async def test_a_made_up_session_opens_nothing(http: httpx.AsyncClient, session: str) -> None:
    assert (await http.get("/ops", headers={"cookie": f"parley_ops={session}"})).status_code == 401


async def test_a_browser_sees_the_workspace_of_its_key_and_no_other(
    http: httpx.AsyncClient, workspaces: Workspaces
) -> None:
    other = workspaces.add("other")
    ours, theirs = workspaces.default, workspaces.store(other)
    for store, question in ((ours, "Ours?"), (theirs, "Theirs?")):
        inputs = {"question": question}
        run = {"id": store.workspace.id, "name": "turn", "inputs": inputs, "start_time": datetime.now(UTC)}
        store.ingest(Ingest(posts=[_RUN.validate_python(run)]))
    await sign_in(http, workspaces.create_key(other, "test"))
    shown = (await http.get("/ops/turns")).text
    assert "Theirs?" in shown
    assert "Ours?" not in shown
    assert (await http.get(f"/ops/turns/{ours.workspace.id}")).status_code == 404


async def test_another_site_cannot_make_a_browser_act(http: httpx.AsyncClient, workspaces: Workspaces) -> None:
    key = workspaces.create_key(workspaces.default.workspace, "test")
    for path in ("/signin", "/ops/prices/new", "/sessions"):
        refused = await http.post(path, data={"key": key}, headers={"origin": "http://evil.example", "x-api-key": key})
        assert refused.status_code == 403, path
    entered = await http.post("/signin", data={"key": key, "next": "//evil.example"}, headers={"origin": "http://ops"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/")


async def test_health_needs_no_key(http: httpx.AsyncClient, workspaces: Workspaces) -> None:
    workspaces.default.ingest(Ingest(posts=[{"id": workspaces.default.workspace.id}]))
    workspaces.default.runs.get(workspaces.default.workspace.id)
    assert (await http.get("/healthz")).json() == {"status": "alive"}
    assert (await http.get("/readyz")).json() == {"ready": True}
    assert 'parley_ops_runs{workspace="default"} 1.0' in (await http.get("/metrics")).text
