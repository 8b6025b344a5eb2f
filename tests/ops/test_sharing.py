"""Sharing traces and threads through the client: who knows the token reads them, and nothing beside them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from langsmith import Client
from langsmith._client import Langsmith
from langsmith._exceptions import NotFoundError
from langsmith.utils import LangSmithError, LangSmithNotFoundError

from app.ops.store import Conflict, Ingest, NotFound, OpsStore, RunQuery
from app.ops.store.models import Document, FeedbackFields, RunFields

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "a-key-for-tests"
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
def v2(langsmith_url: str) -> Iterator[Langsmith]:
    with Langsmith(api_key=KEY, base_url=langsmith_url, max_retries=0) as opened:
        yield opened


@pytest.fixture
def stranger(langsmith_url: str) -> Iterator[Langsmith]:
    with Langsmith(api_key="no key at all", base_url=langsmith_url, max_retries=0) as opened:
        yield opened


def trace(second: int = 0, thread: str | None = None) -> list[RunFields]:
    root, child, started = uuid4(), uuid4(), NOW + timedelta(seconds=second)
    step = f"{started:%Y%m%dT%H%M%S%f}Z"
    common: Any = {"trace_id": root, "session_name": "parley", "run_type": "chain", "start_time": started}
    extra = Document.of({"metadata": {"thread_id": thread} if thread else {}})
    above: RunFields = {**common, "id": root, "name": "turn", "dotted_order": f"{step}{root}", "extra": extra}
    order = f"{step}{root}.{step}{child}"
    below: RunFields = {**common, "id": child, "name": "step", "parent_run_id": root, "dotted_order": order}
    return [above, below]


def put(store: OpsStore, runs: list[RunFields]) -> UUID:
    """Store a trace; gives back its id."""
    store.ingest(Ingest(posts=runs))
    return runs[0]["id"]


def test_a_shared_trace_is_read_without_a_key(client: Client, stranger: Langsmith, store: OpsStore) -> None:
    shared, hidden = put(store, trace()), put(store, trace(10))
    token = client.share_run(shared).split("/")[-2]
    assert client.run_is_shared(shared)
    everybody = Client(api_url=client.api_url, api_key="no key at all")
    assert everybody.read_shared_run(token).id == shared
    assert {run.name for run in everybody.list_shared_runs(token)} == {"turn", "step"}
    runs = stranger.public.runs.query(token, selects=["ID", "NAME"]).items
    assert runs is not None
    assert [run.name for run in runs] == ["turn", "step"]
    one = stranger.public.runs.retrieve(str(shared), share_token=token, selects=["NAME"], start_time=NOW)
    assert one.name == "turn"
    with pytest.raises(LangSmithNotFoundError):
        everybody.read_shared_run(token, hidden)
    with pytest.raises(NotFoundError):
        stranger.public.runs.retrieve(str(hidden), share_token=token, selects=["NAME"], start_time=NOW)
    assert list(everybody.list_shared_runs(token, run_ids=[str(hidden)])) == []


def test_no_question_reaches_beside_what_is_shared(
    langsmith_url: str, store: OpsStore, subtests: pytest.Subtests
) -> None:
    put(store, trace(-10))
    shared = put(store, trace(0, "t-1"))
    hidden = put(store, trace(10))
    project = store.projects.find(name="parley")[0].id
    traces = store.shares.share_trace(shared).token
    threads = store.shares.share_thread(project, "t-1").token
    cursor = store.runs.query(RunQuery(is_root=True, limit=1)).next_cursor
    bodies: dict[str, Any] = {
        "session": [str(project)],
        "trace": str(hidden),
        "filter": f'or(eq(trace_id, "{hidden}"), eq(name, "turn"), eq(name, "step"))',
        "trace_filter": f'or(eq(id, "{hidden}"), neq(id, "{hidden}"))',
        "tree_filter": f'or(eq(id, "{hidden}"), neq(id, "{hidden}"))',
        "cursor": cursor,
        "parent_run": str(hidden),
    }
    for token, (narrower, said) in product((traces, threads), bodies.items()):
        with subtests.test(narrower=narrower, token=token):
            url = f"{langsmith_url}/public/{token}/runs/query"
            answer = requests.post(url, json={narrower: said}, timeout=10).json()
            assert {run["trace_id"] for run in answer["runs"]} <= {str(shared)}
    closing = {"trace_filter": 'eq(name, "turn")), or(eq(name, "turn")'}
    response = requests.post(f"{langsmith_url}/public/{threads}/runs/query", json=closing, timeout=10)
    assert response.status_code == 422


def test_a_child_shares_its_whole_trace(client: Client, v2: Langsmith, store: OpsStore) -> None:
    runs = trace()
    root = put(store, runs)
    project = str(store.projects.find(name="parley")[0].id)
    token = v2.runs.share.create(str(runs[1]["id"]), session_id=project, trace_id=str(root)).share_token
    assert client.read_shared_run(token).id == root  # type: ignore[arg-type]
    assert client.read_run_shared_link(runs[1]["id"]) == client.read_run_shared_link(root)
    shared = v2.runs.retrieve_v2(str(root), project_id=project, selects=["SHARE_URL"]).share_url
    assert shared is not None
    assert shared.endswith(f"/public/{token}/r")
    with pytest.raises(NotFoundError):
        v2.runs.share.create(str(root), session_id=str(uuid4()), trace_id=str(root))


def test_sharing_again_gives_the_same_link_until_it_is_taken_back(client: Client, store: OpsStore) -> None:
    root = put(store, trace())
    first = client.share_run(root)
    assert client.share_run(root) == first
    assert client.read_run(root).model_dump().get("share_token") or client.run_is_shared(root)
    client.unshare_run(root)
    client.unshare_run(root)
    assert not client.run_is_shared(root)
    with pytest.raises(LangSmithNotFoundError):
        client.read_shared_run(first.split("/")[-2])
    assert client.share_run(root) != first


def test_the_second_version_takes_sharing_back(v2: Langsmith, store: OpsStore) -> None:
    root = put(store, trace())
    project = str(store.projects.find(name="parley")[0].id)
    v2.runs.share.create(str(root), session_id=project, trace_id=str(root))
    v2.runs.share.delete(str(root), session_id=str(uuid4()))
    assert store.shares.of_trace(root)
    v2.runs.share.delete(str(root), session_id=project)
    v2.runs.share.delete(str(root), session_id=project)
    assert store.shares.of_trace(root) is None


def test_a_shared_thread_grows_with_its_traces(v2: Langsmith, stranger: Langsmith, store: OpsStore) -> None:
    put(store, trace(0, "t-1"))
    put(store, trace(10, "t-2"))
    project = str(store.projects.find(name="parley")[0].id)
    assert v2.threads.share.retrieve("t-1", project_id=project).share_token is None
    token = v2.threads.share.create("t-1", project_id=project).share_token
    assert token is not None
    assert v2.threads.share.create("t-1", project_id=project).share_token == token
    later = put(store, trace(20, "t-1"))
    items = stranger.public.runs.query(token, selects=["NAME", "TRACE_ID"]).items
    assert items is not None
    assert len(items) == 4
    assert items[-1].trace_id == str(later)
    v2.threads.share.delete("t-1", project_id=project)
    with pytest.raises(NotFoundError):
        stranger.public.runs.query(token, selects=["NAME"])
    with pytest.raises(NotFoundError):
        v2.threads.share.create("nobody", project_id=project)


def test_shared_feedback_does_not_say_who_gave_it(client: Client, langsmith_url: str, store: OpsStore) -> None:
    shared, hidden = put(store, trace()), put(store, trace(10))
    for root in (shared, hidden):
        store.feedback.add(
            FeedbackFields(run_id=root, key="good", score=1, feedback_source={"type": "app", "user_id": "anna"})
        )
    token = client.share_run(shared).split("/")[-2]
    (one,) = requests.get(f"{langsmith_url}/public/{token}/feedbacks", timeout=10).json()
    assert (one["run_id"], one["score"], one["feedback_source"]) == (str(shared), 1, {"type": "app"})
    beside = requests.get(f"{langsmith_url}/public/{token}/feedbacks", params={"run": str(hidden)}, timeout=10)
    assert beside.json() == []


def test_a_guessed_token_opens_nothing(langsmith_url: str, store: OpsStore, subtests: pytest.Subtests) -> None:
    store.shares.share_trace(put(store, trace()))
    tokens = ["00000000-0000-4000-8000-000000000000", "0" * 32, "' OR 1=1 --", "..%2f..", "%00"]
    for token, path in product(tokens, ["run", "runs/query", "feedbacks", "datasets"]):
        with subtests.test(token=token, path=path):
            method = "POST" if path == "runs/query" else "GET"
            response = requests.request(method, f"{langsmith_url}/public/{token}/{path}", json={}, timeout=10)
            assert response.status_code in (401, 404, 422)


def test_a_link_dies_with_its_trace(client: Client, store: OpsStore) -> None:
    runs = trace()
    root = put(store, runs)
    token = client.share_run(root).split("/")[-2]
    store.runs.delete([run["id"] for run in runs])
    put(store, runs)
    with pytest.raises(LangSmithNotFoundError):
        client.read_shared_run(token)


def test_a_link_dies_with_its_project(client: Client, store: OpsStore) -> None:
    put(store, trace(0, "t-1"))
    project = store.projects.find(name="parley")[0].id
    token = store.shares.share_thread(project, "t-1").token
    client.delete_project(project_name="parley")
    with pytest.raises(NotFound):
        store.shares.open(token)


def test_a_token_opens_one_thing_only(client: Client, store: OpsStore) -> None:
    first, second, token = put(store, trace()), put(store, trace(10)), uuid4()
    assert client.share_run(first, share_id=str(token)).endswith(f"/public/{token}/r")
    with pytest.raises(Conflict):
        store.shares.share_trace(second, token)
    with pytest.raises(LangSmithError):
        client.share_run(second, share_id=str(token))


def test_a_run_that_does_not_exist_cannot_be_shared(client: Client) -> None:
    with pytest.raises(LangSmithNotFoundError):
        client.share_run(uuid4())


def test_another_workspace_cannot_take_a_token_over(
    client: Client, serve: Any, store: OpsStore, tmp_path: Path
) -> None:
    token = client.share_run(put(store, trace())).split("/")[-2]
    other = OpsStore.open(tmp_path / "other")
    try:
        root = put(other, trace())
        with serve(other, others=[store]) as url, pytest.raises(LangSmithError):
            Client(api_url=url, api_key=KEY).share_run(root, share_id=token)
    finally:
        other.close()
