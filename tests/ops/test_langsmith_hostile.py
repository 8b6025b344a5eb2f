"""Requests that nobody should send: each gets a sentence and a 4xx, and nothing of it is stored."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import zstandard

from app.ops.settings import OpsSettings
from app.ops.store import OpsStore, RunQuery
from app.ops.store.database import Database

KEY = {"x-api-key": "a-key-for-tests"}
BOUNDARY = "b0undary"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
ZSTD = {**FORM, "content-encoding": "zstd"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpsStore]:
    folder = tmp_path_factory.mktemp("ops")
    if request.param == "sqlite":
        opened = OpsStore.open(folder)
    else:
        opened = OpsStore(Database.on_server(request.getfixturevalue("postgres_url"), f"hostile_{os.getpid()}"), folder)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def langsmith_url(store: OpsStore, serve: Any) -> Iterator[str]:
    with serve(store) as url:
        yield url


@pytest.fixture(scope="module")
def http(langsmith_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=langsmith_url, headers=KEY, timeout=30) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _empty_store(store: OpsStore) -> None:
    for project in store.projects.find():
        store.projects.delete(project.id)


def a_run(**changes: Any) -> dict[str, Any]:
    run_id = str(uuid.uuid4())
    return {"id": run_id, "trace_id": run_id, "name": "one", "run_type": "tool", "inputs": {}} | changes


def form(*parts: tuple[str, bytes], closed: bool = True) -> bytes:
    lines = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n'
        "Content-Type: application/json\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in parts
    ]
    return b"".join(lines) + (f"--{BOUNDARY}--\r\n".encode() if closed else b"")


def run_parts(**changes: Any) -> list[tuple[str, bytes]]:
    run = a_run(**changes)
    return [(f"post.{run['id']}", json.dumps(run).encode()), (f"post.{run['id']}.outputs", b'{"y": 2}')]


def stored(store: OpsStore) -> int:
    return len(store.runs.query(RunQuery()).runs)


def refused(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    detail = answer.json()["detail"]
    assert "Traceback" not in detail
    for word in words:
        assert word in detail


def test_a_good_form_is_stored_plain_and_compressed(http: httpx.Client, store: OpsStore) -> None:
    assert http.post("/runs/multipart", content=form(*run_parts()), headers=FORM).status_code == 202
    compressed = zstandard.compress(form(*run_parts()))
    assert http.post("/runs/multipart", content=compressed, headers=ZSTD).status_code == 202
    assert [run.outputs for run in store.runs.query(RunQuery()).runs] == [{"y": 2}, {"y": 2}]


def test_bytes_that_are_not_zstd(http: httpx.Client, store: OpsStore) -> None:
    refused(http.post("/runs/multipart", content=b"not zstd at all", headers=ZSTD), 400, "zstd")
    half = zstandard.compress(form(*run_parts(inputs={"x": "abc" * 1000})))[:60]
    refused(http.post("/runs/multipart", content=half, headers=ZSTD), 400)
    brotli = {**FORM, "content-encoding": "br"}
    refused(http.post("/runs/multipart", content=b"x", headers=brotli), 415, "zstd")
    assert stored(store) == 0


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        (b"", FORM, 400, "boundary"),
        (b"garbage", FORM, 400, ""),
        (b"{}", {"content-type": "application/json"}, 400, "multipart"),
        (b"{}", {"content-type": "multipart/form-data"}, 400, "boundary"),
        (form(*run_parts(), closed=False), FORM, 400, "cut off"),
        (form(("post.x", b"{")), FORM, 422, "JSON"),
        (form(("post.x", b"[]")), FORM, 422, "object"),
        (form(("post.x", json.dumps({"id": str(uuid.uuid4())}).encode())), FORM, 422, "another id"),
        (form(("post.x", b'{"id": "x"}')), FORM, 422, "valid UUID"),
        (form(("post.x.outputs", b"{}")), FORM, 422, "comes before"),
        (form(("sabotage.x", b"{}")), FORM, 422, "sabotage"),
        (form(("", b"{}")), FORM, 422, "part"),
        (form((f"attachment.{uuid.uuid4()}.a", b"{}")), FORM, 422, "before its run"),
        (form(("feedback.x", b"{}")), FORM, 422, "feedback"),
        (form(("post.x", b"[" * 5000)), FORM, 422, "JSON"),
        (form(("post.x", rb'{"id": "\ud800"}')), FORM, 422, "JSON"),
    ],
)
def test_forms_that_cannot_be_read(
    http: httpx.Client, store: OpsStore, content: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    refused(http.post("/runs/multipart", content=content, headers=headers), status, words)
    assert stored(store) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run_type": "spaceship"}, "run_type"),
        ({"start_time": "yesterday"}, "start_time"),
        ({"start_time": "0001-01-01T00:00:00+14:00"}, "start_time"),
        ({"inputs": "text"}, "inputs"),
        ({"dotted_order": "'; DROP TABLE runs; --"}, "dotted_order"),
        ({"parent_run_id": "1 OR 1=1"}, "parent_run_id"),
        ({"session_id": str(uuid.uuid4())}, "does not exist"),
        ({"tags": [1]}, "tags"),
    ],
)
def test_one_bad_run_refuses_the_whole_request(
    http: httpx.Client, store: OpsStore, changes: dict[str, Any], words: str
) -> None:
    body = form(*run_parts(), *run_parts(**changes))
    refused(http.post("/runs/multipart", content=body, headers=FORM), 422, words)
    refused(http.post("/runs/batch", json={"post": [a_run(), a_run(**changes)]}), 422, words)
    refused(http.post("/runs", json=a_run(**changes)), 422, words)
    assert stored(store) == 0
    assert [project.name for project in store.projects.find()] == ["default"]


def test_thirty_megabytes(http: httpx.Client, store: OpsStore) -> None:
    body = form(*run_parts(inputs={"x": "y" * 30_000_000}))
    refused(http.post("/runs/multipart", content=body, headers=FORM), 413, "Send fewer or smaller")
    assert stored(store) == 0


def test_a_small_body_that_expands_without_end(store: OpsStore, serve: Any) -> None:
    settings = OpsSettings(expanded_limit_bytes=1_000_000)
    bomb = zstandard.compress(form(*run_parts(inputs={"x": "y" * 50_000_000})))
    assert len(bomb) < 10_000
    with serve(store, settings) as url:
        refused(httpx.post(f"{url}/runs/multipart", content=bomb, headers=KEY | ZSTD), 413, "decompressed")
    assert stored(store) == 0


def test_more_parts_than_anyone_needs(http: httpx.Client) -> None:
    body = form(*[("post.x.outputs", b"")] * 50_001)
    refused(http.post("/runs/multipart", content=body, headers=FORM), 413, "parts")


@pytest.mark.parametrize(
    "hostile",
    [
        'eq(name, "x"); DROP TABLE runs',
        "eq(name; DROP TABLE runs, 'x')",
        "1 OR 1=1",
        "eq(name) OR 1=1 --",
        'sql("DELETE FROM runs")',
        'eq("name", "x")',
        "eq(password, 'x')",
        "eq(name, name)",
        "and(" * 500,
        "and(" + ",".join(["eq(name,1)"] * 900) + ")",
        "x" * 20_000,
        'in(name, "x")',
        "in(name, [eq(name, 1)])",
        'has(metadata, "{")',
        'gt(start_time, "soon")',
        "eq(name, [1])",
        "search()",
        "has(tags)",
        "eq()",
        "\x00",
        '"',
        "'",
    ],
)
def test_filters_written_to_attack(http: httpx.Client, store: OpsStore, hostile: str) -> None:
    http.post("/runs", json=a_run())
    for field in ("filter", "trace_filter", "tree_filter"):
        refused(http.post("/runs/query", json={field: hostile}), 422)
    refused(http.post("/runs/stats", json={"filter": hostile}), 422)
    assert stored(store) == 1


def test_values_stay_values(http: httpx.Client, store: OpsStore) -> None:
    name = "'; DROP TABLE runs; -- \" ) % _ \\ \n é 😀"
    http.post("/runs", json=a_run(name=name, tags=[name], extra={"metadata": {name: name}}))
    for quoted in (json.dumps(name), json.dumps(name, ensure_ascii=False)):
        for text in (
            f"eq(name, {quoted})",
            f"has(tags, {quoted})",
            f"and(eq(metadata_key, {quoted}), eq(metadata_value, {quoted}))",
            f"in(name, [{quoted}])",
            f"search({quoted})",
        ):
            answer = http.post("/runs/query", json={"filter": text})
            assert len(answer.json()["runs"]) == 1, text
    assert http.post("/runs/query", json={"query": "drop"}).json()["runs"][0]["name"] == name
    for no_word in ("%", '"', "' OR 1=1", "* NOT x", "a:b"):
        assert http.post("/runs/query", json={"query": no_word}).json()["runs"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"cursor": "zzz"},
        {"cursor": "WzFd"},
        {"session": "x"},
        {"session": ["x"]},
        {"limit": 0},
        {"run_type": "spaceship"},
        {"order": "sideways"},
        {"query": "x" * 100_000},
    ],
)
def test_queries_that_make_no_sense(http: httpx.Client, body: dict[str, Any]) -> None:
    refused(http.post("/runs/query", json=body), 422)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", rb'{"filter": "\ud800"}', b'{"a":' * 3000])
def test_bodies_that_are_not_json_objects(http: httpx.Client, content: bytes) -> None:
    for method, path in [("POST", "/runs/query"), ("POST", "/runs"), ("POST", "/sessions"), ("POST", "/feedback")]:
        refused(http.request(method, path, content=content), 422)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"key": "k"},
        {"key": "", "run_id": str(uuid.uuid4())},
        {"key": "k", "run_id": "x"},
        {"key": "k", "run_id": str(uuid.uuid4()), "score": "good"},
        {"key": "k", "run_id": str(uuid.uuid4()), "score": 1e400},
    ],
)
def test_feedback_that_says_nothing(http: httpx.Client, store: OpsStore, body: dict[str, Any]) -> None:
    refused(http.post("/feedback", content=json.dumps(body).replace("Infinity", "1e400")), 422)
    assert store.feedback.find() == []


def test_what_is_not_there_is_not_found(http: httpx.Client) -> None:
    nobody = uuid.uuid4()
    for method, path in [
        ("GET", f"/runs/{nobody}"),
        ("GET", f"/sessions/{nobody}"),
        ("PATCH", f"/sessions/{nobody}"),
        ("DELETE", f"/sessions/{nobody}"),
        ("GET", f"/feedback/{nobody}"),
        ("PATCH", f"/feedback/{nobody}"),
        ("DELETE", f"/feedback/{nobody}"),
        ("GET", f"/api/v2/runs/{nobody}?project_id={nobody}"),
    ]:
        content = b"{}" if method == "PATCH" else None
        refused(http.request(method, path, content=content), 404, str(nobody))
    refused(http.get("/runs/1"), 422)


def test_what_is_not_served_says_so_by_name(http: httpx.Client) -> None:
    refused(http.get("/api/v2/sandboxes/boxes"), 501, "sandboxes")
    refused(http.get("/feedback/formulas"), 501, "formulas")
    refused(http.post("/api/v1/workspaces/current/secrets", json=[]), 501, "secrets")
    project = http.get("/sessions").json()[0]["id"]
    refused(http.post("/api/v2/runs/query", json={"project_ids": [project], "ai_search": "slow"}), 501, "ai_search")


def test_there_is_one_workspace(http: httpx.Client) -> None:
    assert http.get("/settings").json()["id"] == http.get("/sessions?limit=1").json()[0]["tenant_id"]


def test_everything_but_info_needs_a_key(langsmith_url: str) -> None:
    assert httpx.get(f"{langsmith_url}/info").json()["batch_ingest_config"]["use_multipart_endpoint"] is True
    for method, path in [
        ("POST", "/runs/multipart"),
        ("POST", "/runs/query"),
        ("GET", "/sessions"),
        ("GET", f"/runs/{uuid.uuid4()}"),
        ("POST", "/feedback"),
        ("GET", "/settings"),
        ("GET", "/nothing"),
        ("POST", "/api/v2/runs/query"),
    ]:
        refused(httpx.request(method, langsmith_url + path), 401, "x-api-key")
