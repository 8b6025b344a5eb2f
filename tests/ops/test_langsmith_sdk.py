"""The unmodified `langsmith` client against the real API on loopback."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langsmith import AsyncClient, Client, traceable, tracing_context
from langsmith.run_helpers import get_current_run_tree
from langsmith.utils import LangSmithConflictError, LangSmithNotFoundError

from app.ops.store import OpsStore

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "a-key-for-tests"


@pytest.fixture(params=["", "/api", "/api/v1", "/v1"])
def any_spelling(request: pytest.FixtureRequest, langsmith_url: str) -> Client:
    return Client(api_url=langsmith_url + request.param, api_key=KEY)


def trace_question(client: Client, project: str = "parley", *, fail: bool = False) -> uuid.UUID:
    """A question through a chain, a retriever and a model that reports its usage; gives back the root's id."""
    root: dict[str, uuid.UUID] = {}

    @traceable(run_type="retriever", client=client)
    def search(question: str) -> list[dict[str, Any]]:
        return [{"page_content": "Five days.", "metadata": {"page": 3}}]

    @traceable(run_type="llm", client=client)
    def generate(question: str) -> dict[str, Any]:
        if fail:
            raise RuntimeError("the model is gone")
        usage = {
            "input_tokens": 10,
            "output_tokens": 4,
            "total_tokens": 14,
            "input_token_details": {"cache_read": 2},
            "input_cost": 0.25,
            "output_cost": 0.5,
            "total_cost": 0.75,
        }
        return {"text": "Five.", "usage_metadata": usage}

    @traceable(name="turn", client=client, metadata={"variant": "a", "thread_id": "t-1"}, tags=["demo"])
    def answer(question: str) -> dict[str, Any]:
        root["id"] = get_current_run_tree().id
        search(question)
        return {"answer": generate(question)["text"]}

    with tracing_context(enabled=True, project_name=project, client=client):
        try:
            answer("How many days may I carry over?")
        except RuntimeError:
            assert fail
    client.flush()
    return root["id"]


def test_every_spelling_of_the_endpoint_traces_and_reads(any_spelling: Client) -> None:
    root = trace_question(any_spelling)
    assert any_spelling.read_run(root).name == "turn"
    assert [run.id for run in any_spelling.list_runs(project_name="parley", is_root=True)] == [root]


def test_the_client_compresses_its_traces(client: Client) -> None:
    sent: list[tuple[str, str | None]] = []
    client.session.hooks["response"].append(
        lambda response, **_: sent.append((response.url, response.request.headers.get("Content-Encoding")))
    )
    deadline = time.monotonic() + 10
    while client.compressed_traces is None:  # the client's own thread reads /info first
        assert time.monotonic() < deadline
        time.sleep(0.01)
    root = trace_question(client)
    assert client.read_run(root).name == "turn"
    assert {encoding for url, encoding in sent if url.endswith("/runs/multipart")} == {"zstd"}


def test_nested_runs_come_back_as_a_tree(client: Client) -> None:
    root = client.read_run(trace_question(client), load_child_runs=True)
    assert root.inputs == {"question": "How many days may I carry over?"}
    assert root.outputs == {"answer": "Five."}
    assert (root.status, root.metadata["variant"], root.tags) == ("success", "a", ["demo"])
    assert root.latency is not None
    children = root.child_runs or []
    assert [child.name for child in children] == ["search", "generate"]
    assert [child.run_type for child in children] == ["retriever", "llm"]
    assert all(child.parent_run_ids == [root.id] for child in children)


def test_tokens_and_costs_reach_the_root_once(client: Client) -> None:
    root = trace_question(client)
    generated = next(client.list_runs(trace_id=root, run_type="llm", project_name="parley"))
    for run in (client.read_run(root), generated):
        assert (run.prompt_tokens, run.completion_tokens, run.total_tokens) == (10, 4, 14)
        assert (run.prompt_cost, run.completion_cost, run.total_cost) == (
            Decimal("0.25"),
            Decimal("0.5"),
            Decimal("0.75"),
        )
    assert generated.prompt_token_details == {"cache_read": 2}


def test_a_failed_run_carries_its_error(client: Client) -> None:
    root = trace_question(client, fail=True)
    run = client.read_run(root)
    assert run.status == "error"
    assert "the model is gone" in (run.error or "")
    assert [one.id for one in client.list_runs(project_name="parley", error=True, is_root=True)] == [root]
    assert list(client.list_runs(project_name="parley", error=False, is_root=True)) == []


def test_single_runs_without_a_trace_are_posted_and_patched(client: Client) -> None:
    run_id = uuid.uuid4()
    client.create_run(name="alone", run_type="tool", inputs={"x": 1}, id=run_id, project_name="singles")
    assert client.read_run(run_id).status == "pending"
    client.update_run(run_id, outputs={"y": 2}, end_time=datetime.now(UTC))
    run = client.read_run(run_id)
    assert (run.status, run.inputs, run.outputs, run.trace_id) == ("success", {"x": 1}, {"y": 2}, run_id)


def test_a_patch_may_come_before_its_post(client: Client) -> None:
    run_id = uuid.uuid4()
    client.update_run(run_id, outputs={"y": 2}, extra={"metadata": {"late": True}}, end_time=datetime.now(UTC))
    client.create_run(
        name="overtaken",
        run_type="tool",
        inputs={"x": 1},
        id=run_id,
        project_name="singles",
        extra={"metadata": {"early": True}},
    )
    run = client.read_run(run_id)
    assert (run.name, run.run_type, run.status) == ("overtaken", "tool", "success")
    assert (run.inputs, run.outputs) == ({"x": 1}, {"y": 2})
    assert run.metadata["early"] is run.metadata["late"] is True
    assert run.session_id == client.read_project(project_name="singles").id


async def test_the_async_client_traces(langsmith_url: str, client: Client) -> None:
    run_id = uuid.uuid4()
    async with AsyncClient(api_url=langsmith_url, api_key=KEY) as other:
        await other.create_run(name="async", run_type="chain", inputs={"x": 1}, id=run_id)
        await other.update_run(run_id, outputs={"y": 2}, end_time=datetime.now(UTC))
    assert (await asyncio.to_thread(client.read_run, run_id)).outputs == {"y": 2}


def test_uncompressed_traces_with_an_attachment(langsmith_url: str, store: OpsStore) -> None:
    client = Client(api_url=langsmith_url, api_key=KEY)
    run_id = uuid.uuid4()
    start = datetime.now(UTC)
    client.multipart_ingest(
        create=[
            {
                "id": run_id,
                "trace_id": run_id,
                "dotted_order": f"{start:%Y%m%dT%H%M%S%f}Z{run_id}",
                "name": "seen",
                "run_type": "tool",
                "inputs": {"x": 1},
                "start_time": start.isoformat(),
                "attachments": {"photo": ("image/png", b"\x89PNG" * 100)},
            }
        ]
    )
    run = store.runs.get(run_id)
    assert store.blobs.path(run.attachments["photo"].digest).read_bytes() == b"\x89PNG" * 100
    assert (run.attachments["photo"].mime_type, run.attachments["photo"].size_bytes) == ("image/png", 400)


# Feedback


def test_feedback_lives_its_whole_life(client: Client) -> None:
    root = trace_question(client)
    project = client.read_project(project_name="parley").id
    made = client.create_feedback(root, "user_score", score=1, value="helpful", comment="yes", session_id=project)
    assert [(one.key, one.score, one.value) for one in client.list_feedback(run_ids=[root])] == [
        ("user_score", 1, "helpful")
    ]
    client.update_feedback(made.id, score=0, comment=None)
    changed = client.read_feedback(made.id)
    assert (changed.score, changed.comment, changed.value) == (0, None, "helpful")
    assert changed.modified_at > changed.created_at
    assert client.read_run(root).feedback_stats["user_score"]["avg"] == 0
    client.delete_feedback(made.id)
    assert list(client.list_feedback(run_ids=[root])) == []
    with pytest.raises(LangSmithNotFoundError):
        client.read_feedback(made.id)


def test_background_feedback_travels_with_the_traces(client: Client) -> None:
    root = trace_question(client)
    client.create_feedback(root, "user_score", score=1, trace_id=root)
    client.flush()
    assert [one.key for one in client.list_feedback(run_ids=[root], feedback_key=["user_score"])] == ["user_score"]
    assert list(client.list_feedback(run_ids=[root], feedback_key=["other"])) == []


def test_feedback_may_come_before_its_run(client: Client) -> None:
    run_id = uuid.uuid4()
    client.create_feedback(run_id, "early", score=0.5)
    client.create_run(name="later", run_type="chain", inputs={}, id=run_id, project_name="singles")
    found = next(client.list_feedback(run_ids=[run_id]))
    assert (found.score, found.session_id) == (0.5, client.read_project(project_name="singles").id)
    assert found.trace_id == run_id


def test_a_project_as_a_whole_can_be_judged(client: Client) -> None:
    project = client.create_project("experiment-1")
    client.create_feedback(None, "summary", score=0.9, project_id=project.id)
    assert [one.key for one in client.list_feedback(session=[str(project.id)])] == ["summary"]


# Queries


def ids(runs: Any) -> set[uuid.UUID]:
    return {run.id for run in runs}


def test_filters_find_what_they_say(client: Client) -> None:
    good, bad = trace_question(client), trace_question(client, fail=True)
    client.create_feedback(good, "user_score", score=1)
    client.create_feedback(bad, "user_score", score=0)
    client.create_feedback(bad, "other", score=1)

    def found(**wanted: Any) -> set[uuid.UUID]:
        return ids(client.list_runs(project_name="parley", is_root=True, **wanted))

    assert found(filter='eq(status, "success")') == {good}
    assert found(filter='and(eq(feedback_key, "user_score"), eq(feedback_score, 1))') == {good}
    assert found(filter='and(eq(metadata_key, "variant"), eq(metadata_value, "a"))') == {good, bad}
    assert found(filter='and(eq(metadata_key, "variant"), eq(metadata_value, "t-1"))') == set()
    assert found(filter="and(gt(total_tokens, 13), lt(latency, 60))") == {good}
    assert found(filter='or(has(tags, "demo"), eq(name, "nothing"))') == {good, bad}
    assert found(filter="neq(error, null)") == {bad}
    assert found(tree_filter='and(eq(run_type, "llm"), eq(status, "error"))') == {bad}
    assert found(query="carry over") == {good, bad}
    assert found(query="Five.") == {good}
    assert found(filter='eq(thread_id, "t-1")', error=False) == {good}
    assert found(start_time=datetime.now(UTC) + timedelta(hours=1)) == set()
    assert found(run_ids=[good]) == {good}
    llm = client.list_runs(
        project_name="parley", run_type="llm", trace_filter='and(eq(feedback_key,"user_score"),eq(feedback_score,0))'
    )
    assert [run.trace_id for run in llm] == [bad]


def test_long_lists_come_in_pages(client: Client) -> None:
    start = datetime.now(UTC)
    wanted = [uuid.uuid4() for _ in range(230)]
    client.batch_ingest_runs(
        create=[
            {
                "id": run_id,
                "trace_id": run_id,
                "dotted_order": f"{start:%Y%m%dT%H%M%S%f}Z{run_id}",
                "name": "one",
                "run_type": "tool",
                "inputs": {},
                "start_time": (start + timedelta(milliseconds=number // 10)).isoformat(),
                "session_name": "many",
            }
            for number, run_id in enumerate(wanted)
        ]
    )
    listed = [run.id for run in client.list_runs(project_name="many")]
    assert len(listed) == 230
    assert set(listed) == set(wanted)
    assert len(list(client.list_runs(project_name="many", limit=150))) == 150


def test_select_leaves_out_what_was_not_asked_for(client: Client) -> None:
    trace_question(client)
    run = next(client.list_runs(project_name="parley", is_root=True, select=["outputs"]))
    assert (run.outputs, run.inputs) == ({"answer": "Five."}, {})


def test_second_version_of_the_api(client: Client) -> None:
    root = trace_question(client)
    client.create_feedback(root, "user_score", score=1)
    project = str(client.read_project(project_name="parley").id)

    async def read() -> tuple[list[Any], Any, Any]:
        pages = client.runs.query_v2(
            project_ids=[project],
            selects=["NAME", "RUN_TYPE", "STATUS", "TOTAL_TOKENS", "FEEDBACK_STATS", "PARENT_RUN_IDS"],
            include_subtree_usage=True,
            page_size=2,
        )
        runs = [run async for run in pages]
        one = await client.runs.retrieve_v2(str(root), project_id=project, selects=["INPUTS", "DOTTED_ORDER"])
        url = await client.runs.get_url(str(root), project_id=project, trace_id=str(root))
        return runs, one, url

    runs, one, url = asyncio.run(read())
    by_name = {run.name: run for run in runs}
    assert by_name.keys() == {"turn", "search", "generate"}
    assert (by_name["turn"].run_type, by_name["turn"].status, by_name["turn"].total_tokens) == ("CHAIN", "SUCCESS", 14)
    assert by_name["turn"].feedback_stats["user_score"].avg == 1
    assert by_name["generate"].parent_run_ids == [str(root)]
    assert (one.id, one.inputs, one.name) == (str(root), {"question": "How many days may I carry over?"}, None)
    assert url.url.endswith(f"/r/{root}")


def test_stats_count_each_model_call_once(client: Client) -> None:
    trace_question(client)
    trace_question(client, fail=True)
    stats = client.get_run_stats(project_names=["parley"])
    assert (stats["run_count"], stats["total_tokens"], stats["total_cost"]) == (6, 14, 0.75)
    assert stats["error_rate"] == pytest.approx(2 / 6)
    body = {"session": [str(client.read_project(project_name="parley").id)], "is_root": True}
    by_variant = {**body, "group_by": {"attribute": "metadata", "path": "variant"}}
    grouped = client.request_with_retries("POST", "/runs/stats", request_kwargs={"json": by_variant}).json()
    assert grouped["a"]["run_count"] == 2
    by_tag = {**body, "group_by": {"attribute": "tag"}}
    grouped = client.request_with_retries("POST", "/runs/stats", request_kwargs={"json": by_tag}).json()
    assert grouped["demo"]["total_tokens"] == 14


# Projects


def test_projects_live_their_whole_life(client: Client) -> None:
    made = client.create_project("mine", description="first", metadata={"team": "ops"})
    with pytest.raises(LangSmithConflictError):
        client.create_project("mine")
    assert client.create_project("mine", description="second", upsert=True).id == made.id
    assert client.read_project(project_id=str(made.id)).description == "second"
    assert [project.name for project in client.list_projects(name_contains="MIN")] == ["mine"]
    assert [project.name for project in client.list_projects(metadata={"team": "ops"})] == ["mine"]
    client.update_project(made.id, name="yours", end_time=datetime.now(UTC))
    assert client.read_project(project_name="yours").end_time is not None
    trace_question(client, project="yours")
    client.delete_project(project_name="yours")
    assert not client.has_project("yours")
    assert [project.name for project in client.list_projects()] == ["default"]


def test_a_project_knows_its_numbers(client: Client) -> None:
    root = trace_question(client)
    client.create_feedback(root, "user_score", score=1)
    project = client.read_project(project_name="parley", include_stats=True)
    assert (project.run_count, project.total_tokens, project.total_cost) == (1, 14, Decimal("0.75"))
    assert project.latency_p50 is not None
    assert project.feedback_stats["user_score"]["n"] == 1


def test_everything_survives_a_restart(tmp_path: Path, serve: Any) -> None:
    path = tmp_path / "ops.db"
    first = OpsStore.open(path)
    with serve(first) as url:
        before = Client(api_url=url, api_key=KEY)
        root = trace_question(before)
        before.create_feedback(root, "user_score", score=1)
        run = before.read_run(root)
    first.close()
    second = OpsStore.open(path)
    with serve(second) as url:
        after = Client(api_url=url, api_key=KEY)
        assert after.read_run(root).dict() == run.dict()
        assert [one.score for one in after.list_feedback(run_ids=[root])] == [1]
    second.close()
