"""No key reaches another workspace, by whatever route: the routes are the application's own list."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from app.ops.langsmith import authorize_by, by_workspace_key, langsmith_app
from app.ops.store import Conflict, Ingest, InvalidRecord, NotFound, OpsStore, StoreError
from app.ops.store.tables import metadata
from app.ops.store.workspaces import SCHEMA, Workspaces

CANARY = "canary-of-a"
SAYS_NOTHING = ("", "null", "[]", '{"message":"deleted"}', '{"share_token":null}')
_SAID = re.compile(CANARY + r" (\w+) (\d)")
_PARAMETER = re.compile(r"{[^}]+}")
_numbers = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def open_workspaces(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Workspaces]]:
    """Opens one and the same installation, as often as it is called, on either engine."""
    opened: list[Workspaces] = []
    on_server = request.param == "postgresql"
    url = request.getfixturevalue("postgres_url") if on_server else ""
    schema = f"{SCHEMA}_{os.getpid()}_{next(_numbers)}"

    def open_again() -> Workspaces:
        opened.append(Workspaces(tmp_path / "ops", database_url=url, schema=schema))
        return opened[-1]

    yield open_again
    for each in opened:
        each.close()


@pytest.fixture
def workspaces(open_workspaces: Callable[[], Workspaces]) -> Workspaces:
    return open_workspaces()


@pytest.fixture
def api(workspaces: Workspaces) -> FastAPI:
    authorize = authorize_by(by_workspace_key(workspaces), hint="Send a key.")
    return langsmith_app(authorize, workspaces=workspaces.stores)


@pytest_asyncio.fixture
async def http(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ops") as client:
        yield client


class Operation(NamedTuple):
    """A route with one of its verbs."""

    method: str
    path: str
    query: list[str]


def operations(api: FastAPI) -> Iterator[Operation]:
    """All that the application serves, as it says itself."""
    for path, verbs in api.openapi()["paths"].items():
        for method, about in verbs.items():
            query = [one["name"] for one in about.get("parameters", []) if one["in"] == "query"]
            yield Operation(method.upper(), path, query)


def one_of_each(rows: dict[str, list[dict[str, Any]]]) -> list[Any]:
    """Of each table what its first row is known by."""
    keys = {name: [column.name for column in table.primary_key] for name, table in metadata.tables.items()}
    found = {some[0][name] for table, some in rows.items() for name in (*keys[table], "handle") if name in some[0]}
    return sorted({value for value in found if isinstance(value, UUID | str)}, key=str)


def naming(value: str) -> dict[str, Any]:
    """A body that speaks of the value wherever one of this API could."""
    one = ("id", "run_id", "trace_id", "session_id", "project_id", "dataset_id", "example_id", "reference_example_id")
    several = ("ids", "session", "run_ids", "project_ids", "session_ids", "dataset_ids", "example_ids", "trace_ids")
    more = ("reference_dataset_id", "source_run_id", "source_dataset_id", "target_dataset_id", "parent_run_id", "trace")
    ids = dict.fromkeys((*one, *more), value) | {name: [value] for name in several}
    return {"name": f"of-b-{next(_numbers)}", "key": "k", "inputs": {}, **ids}


async def test_no_route_and_no_verb_reaches_another_workspace(
    workspaces: Workspaces, api: FastAPI, http: httpx.AsyncClient, fill: Callable[..., Any]
) -> None:
    ours, theirs = (workspaces.add(name) for name in ("ours", "theirs"))
    store = workspaces.store(theirs)
    values = [str(value) for value in one_of_each(fill(store, CANARY))]
    before = all_rows(store)
    headers = {"x-api-key": workspaces.create_key(ours, "test")}
    asked = 0
    for operation in sorted(operations(api), key=lambda one: one.method == "POST"):  # last: they may make such ids ours
        if (await http.request(operation.method, operation.path)).status_code != 401:
            continue  # for everybody who knows a token or a signed link
        for value in values:
            path = _PARAMETER.sub(quote(value, safe=""), operation.path)
            request = {"params": dict.fromkeys(operation.query, value), "json": naming(value)}
            answer = await http.request(operation.method, path, **request, headers=headers)
            seen = (operation.method, path, answer.status_code, answer.text)
            assert answer.status_code < 500 or answer.status_code == 501, seen
            assert set(_SAID.findall(answer.text)) <= set(_SAID.findall(value)), seen
            if path != operation.path and operation.method != "POST" and answer.status_code < 400:
                assert answer.text in SAYS_NOTHING, seen
            asked += 1
    assert asked > 1000
    assert all_rows(store) == before
    assert len(list(store.blobs.folder.glob("??/*"))) == 3


def all_rows(store: OpsStore) -> dict[str, list[Any]]:
    with store.read() as db:
        return {
            table.name: sorted((tuple(row) for row in db.execute(table.select())), key=repr)
            for table in metadata.tables.values()
        }


async def test_a_client_that_names_another_workspace_is_refused(
    workspaces: Workspaces, http: httpx.AsyncClient
) -> None:
    ours, theirs = (workspaces.add(name) for name in ("ours", "theirs"))
    key = {"x-api-key": workspaces.create_key(ours, "test")}
    assert (await http.get("/settings", headers=key)).json()["id"] == str(ours.id)
    assert (await http.get("/settings", headers=key | {"X-Tenant-Id": str(ours.id).upper()})).status_code == 200
    for wrong in (str(theirs.id), str(uuid4()), "ours", "x" * 1000):
        refused = await http.get("/settings", headers=key | {"X-Tenant-Id": wrong})
        assert refused.status_code == 403
        assert str(ours.id) in refused.json()["detail"]


async def test_keys_open_until_they_are_revoked_and_are_kept_nowhere(
    workspaces: Workspaces, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    secret = workspaces.create_key(workspaces.default.workspace, "test")
    (key,) = workspaces.api_keys()
    assert secret.startswith(key.prefix)
    assert (await http.get("/sessions", headers={"x-api-key": secret})).status_code == 200
    for wrong in (b"", secret[:-1], secret + "x", key.prefix, str(key.id), "é".encode()):
        assert (await http.get("/sessions", headers={"x-api-key": wrong})).status_code == 401
    workspaces.revoke_key(key.id)
    assert (await http.get("/sessions", headers={"x-api-key": secret})).status_code == 401
    with workspaces.default.read() as db:
        assert secret not in str([tuple(row) for row in db.execute(metadata.tables["api_keys"].select())])


def test_another_process_sees_what_is_added_at_once(open_workspaces: Callable[[], Workspaces]) -> None:
    server, command = open_workspaces(), open_workspaces()
    added = command.add("team")
    assert [workspace.name for workspace in server.all()] == ["default", "team"]
    key = server.key(command.create_key(added, "test"))
    assert key is not None
    assert server.opened_by(key).workspace == added
    run_id = uuid4()
    server.opened_by(key).ingest(Ingest(posts=[{"id": run_id, "name": "one"}]))
    assert server.store(added).runs.get(run_id).name == "one"
    with pytest.raises(NotFound):
        server.default.runs.get(run_id)


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\x00b", "a\nb", "\ud800"])
def test_names_that_are_none_are_refused(workspaces: Workspaces, name: str) -> None:
    with pytest.raises(InvalidRecord, match="printable"):
        workspaces.add(name)


def test_names_are_unique_and_unknown_ones_are_told(workspaces: Workspaces) -> None:
    workspaces.add("team")
    for taken in ("team", "default"):
        with pytest.raises(Conflict, match=taken):
            workspaces.add(taken)
    with pytest.raises(NotFound, match="nobody"):
        workspaces.named("nobody")
    with pytest.raises(NotFound):
        workspaces.revoke_key(uuid4())


@pytest.mark.parametrize("url", ["postgresql://nobody:secret@127.0.0.1:9/none", "postgres://%zz@[::1"])
def test_a_server_that_cannot_be_used_is_told_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError, match=r"database\.url") as refusal:
        Workspaces(tmp_path, database_url=url)
    assert "secret" not in str(refusal.value)
