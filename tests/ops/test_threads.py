"""Threads through the client: lists, sums, turns, and what each version of the API makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from langsmith import Client
from langsmith._client import Langsmith
from langsmith._exceptions import UnprocessableEntityError

from app.ops.store import Ingest, OpsStore, RunQuery
from app.ops.store.models import Document, RunFields
from app.ops.store.runs.thread_models import ThreadQuery

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "a-key-for-tests"
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
def v2(langsmith_url: str) -> Iterator[Langsmith]:
    with Langsmith(api_key=KEY, base_url=langsmith_url, max_retries=0) as opened:
        yield opened


def turn(
    thread: str | None, second: int, *, tokens: int = 10, error: str | None = None, key: str = "thread_id"
) -> list[RunFields]:
    """A root run that took as many seconds as its place says, and the model call below it."""
    root, call, started = uuid4(), uuid4(), NOW + timedelta(seconds=second)
    step = f"{started:%Y%m%dT%H%M%S%f}Z"
    usage = {"input_tokens": tokens, "output_tokens": 5, "input_token_details": {"cache_read": 2}, "total_cost": 0.25}
    metadata = {key: thread} if thread else {}
    return [
        {
            "id": root,
            "trace_id": root,
            "dotted_order": f"{step}{root}",
            "session_name": "parley",
            "name": "turn",
            "run_type": "chain",
            "start_time": started,
            "end_time": started + timedelta(seconds=second + 1),
            "inputs": Document.of({"question": f"question {second}"}),
            "outputs": Document.of({"answer": f"answer {second}"}),
            "error": error,
            "extra": Document.of({"metadata": metadata}),
        },
        {
            "id": call,
            "trace_id": root,
            "parent_run_id": root,
            "dotted_order": f"{step}{root}.{step}{call}",
            "session_name": "parley",
            "name": "generate",
            "run_type": "llm",
            "start_time": started,
            "outputs": Document.of({"text": "x", "usage_metadata": usage}),
        },
    ]


@pytest.fixture
def project(store: OpsStore) -> str:
    """Two threads, one with three turns of which one failed, and a turn without a thread."""
    turns = [
        *turn("a", 0),
        *turn("b", 1),
        *turn("a", 2, error="ValueError('no')"),
        *turn("a", 3, tokens=20, key="session_id"),
        *turn(None, 4),
    ]
    store.ingest(Ingest(posts=turns))
    return str(store.projects.find(name="parley")[0].id)


def test_a_thread_sums_up_its_traces(v2: Langsmith, store: OpsStore, project: str) -> None:
    latest, earlier = v2.threads.query(project_id=project).items
    assert (latest.thread_id, earlier.thread_id) == ("a", "b")
    assert (latest.count, latest.num_errored_turns, earlier.count) == (3, 1, 1)
    assert (latest.first_inputs, latest.last_outputs) == ("question 0", "answer 3")
    assert latest.last_error == "ValueError('no')"
    assert (latest.min_start_time, latest.max_start_time) == (NOW, NOW + timedelta(seconds=3))
    assert (latest.latency_p50, latest.latency_p99) == (3.0, 4.0)
    assert (latest.total_tokens, latest.total_cost) == (10 + 10 + 20 + 15, 0.75)
    assert latest.total_token_details == {"cache_read": 6}
    roots = {run.inputs["question"]: str(run.id) for run in store.runs.query(RunQuery(is_root=True)).runs}
    assert (latest.first_trace_id, latest.last_trace_id) == (roots["question 0"], roots["question 3"])


def test_feedback_on_any_run_of_a_thread_counts(client: Client, v2: Langsmith, project: str) -> None:
    for trace in v2.threads.list_traces("a", project_id=project):
        client.create_feedback(run_id=trace.trace_id, trace_id=trace.trace_id, key="user_score", score=1)
    (call,) = client.list_runs(project_name="parley", filter='eq(name, "generate")', trace_filter='eq(thread_id, "b")')
    client.create_feedback(run_id=call.id, trace_id=call.trace_id, key="user_score", score=0)
    client.flush()
    stats = {one.thread_id: one.feedback_stats for one in v2.threads.query(project_id=project)}
    assert {thread: (found["user_score"].n, found["user_score"].avg) for thread, found in stats.items() if found} == {
        "a": (3, 1.0),
        "b": (1, 0.0),
    }
    summed = v2.threads.aggregate_stats(project_id=project, select=["THREAD_FEEDBACK_STATS"]).thread_feedback_stats
    assert summed is not None
    assert (summed["user_score"].n, summed["user_score"].avg) == (4, 0.75)


def test_pages_of_threads_follow_each_other(v2: Langsmith, store: OpsStore) -> None:
    store.ingest(Ingest(posts=[run for number in range(7) for run in turn(f"t-{number}", number % 3)]))
    project = str(store.projects.find(name="parley")[0].id)
    found = [one.thread_id for one in v2.threads.query(project_id=project, page_size=2)]
    assert sorted(found) == [f"t-{number}" for number in range(7)]
    assert len(found) == 7


@pytest.mark.parametrize(
    ("narrower", "found"),
    [
        ({"filter": 'eq(status, "error")'}, ["a"]),
        ({"trace_filter": "lt(latency, 2.5)"}, ["a", "b"]),
        ({"trace_filter": 'eq(name, "generate")'}, []),
        ({"tree_filter": 'eq(name, "generate")'}, ["a", "b"]),
        ({"thread_filter": "gt(count, 1)"}, ["a"]),
        ({"thread_filter": "and(lte(total_cost, 0.25), not(eq(num_errored_turns, 1)))"}, ["b"]),
        ({"thread_filter": 'or(eq(thread_id, "a"), in(thread_id, ["b", "c"]))'}, ["a", "b"]),
        ({"thread_filter": f'gt(max_start_time, "{(NOW + timedelta(seconds=2)).isoformat()}")'}, ["a"]),
        ({"min_start_time": NOW + timedelta(seconds=2)}, ["a"]),
        ({"max_start_time": NOW + timedelta(seconds=1)}, ["a"]),
    ],
)
def test_every_filter_narrows_the_threads(v2: Langsmith, project: str, narrower: Any, found: list[str]) -> None:
    assert [one.thread_id for one in v2.threads.query(project_id=project, **narrower)] == found
    count = v2.threads.aggregate_stats(project_id=project, select=["THREAD_COUNT"], **narrower).thread_count
    assert count == len(found)


def test_a_thread_counts_the_traces_in_the_window_alone(v2: Langsmith, project: str) -> None:
    (thread,) = v2.threads.query(project_id=project, min_start_time=NOW + timedelta(seconds=2)).items
    assert (thread.count, thread.first_inputs) == (2, "question 2")


def test_all_threads_are_summed_up_as_far_as_is_asked(v2: Langsmith, project: str) -> None:
    selects: Any = [
        *("THREAD_COUNT", "TRACE_COUNT", "TOTAL_TOKENS", "TOTAL_COST", "ERROR_RATE", "LATENCY_P50", "MEDIAN_TOKENS"),
        "PROMPT_TOKEN_DETAILS",
    ]
    stats = v2.threads.aggregate_stats(project_id=project, select=selects)
    assert stats.model_dump(exclude_none=True) == {
        "thread_count": 2,
        "trace_count": 4,
        "total_tokens": 15 + 15 + 15 + 25,
        "total_cost": 1.0,
        "error_rate": 0.25,
        "latency_p50_seconds": 2.0,
        "median_tokens": 15,
        "prompt_token_details": {"cache_read": 8},
    }


def test_one_thread_is_summed_up_as_far_as_is_asked(v2: Langsmith, project: str) -> None:
    selects: Any = [
        "TURNS",
        "FIRST_START_TIME",
        "LAST_START_TIME",
        "LAST_END_TIME",
        "TOTAL_TOKENS",
        "PROMPT_TOKEN_DETAILS",
    ]
    stats = v2.threads.stats("a", session_id=project, selects=selects)
    assert (stats.turns, stats.first_start_time, stats.last_start_time) == (3, NOW, NOW + timedelta(seconds=3))
    assert (stats.last_end_time, stats.total_tokens, stats.total_cost) == (NOW + timedelta(seconds=7), 55, None)
    assert stats.prompt_token_details is not None
    assert stats.prompt_token_details.raw == {"cache_read": 6}
    assert v2.threads.stats("a", session_id=project, selects=["TURNS"], filter='eq(status, "error")').turns == 1
    assert v2.threads.stats("nobody", session_id=project, selects=["TURNS"]).turns == 0


def test_the_traces_of_a_thread_come_in_their_order(v2: Langsmith, project: str) -> None:
    selects: Any = ["TURN_NUMBER", "LATENCY", "INPUTS_PREVIEW", "TOTAL_TOKENS", "PROMPT_TOKEN_DETAILS", "OP"]
    traces = list(v2.threads.list_traces("a", project_id=project, selects=selects, page_size=2))
    assert [(one.turn_number, one.latency, one.total_tokens) for one in traces] == [
        (1, 1.0, 15),
        (2, 3.0, 15),
        (3, 4.0, 25),
    ]
    assert all(one.prompt_token_details and one.prompt_token_details.raw == {"cache_read": 2} for one in traces)
    (failed,) = v2.threads.list_traces("a", project_id=project, filter='eq(status, "error")', selects=["TURN_NUMBER"])
    assert (failed.turn_number, failed.latency) == (2, None)
    assert failed.trace_id is not None


def test_the_first_version_lists_threads_with_their_runs(client: Client, langsmith_url: str, project: str) -> None:
    threads = client.list_threads(project_name="parley", start_time=NOW)
    assert [(one["thread_id"], one["count"]) for one in threads] == [("a", 3), ("b", 1)]
    assert [run.name for run in client.read_thread(thread_id="a", project_name="parley")] == ["turn"] * 3
    groups = requests.post(
        f"{langsmith_url}/runs/group",
        json={"session_id": project, "group_by": "conversation", "limit": 1, "offset": 1},
        headers={"x-api-key": KEY},
        timeout=10,
    ).json()
    whole = requests.post(
        f"{langsmith_url}/runs/group/stats", json={"session_id": project}, headers={"x-api-key": KEY}, timeout=10
    ).json()
    assert (whole["group_count"], whole["run_count"], whole["error_rate"]) == (2, 4, 0.25)
    assert (groups["total"], [one["group_key"] for one in groups["groups"]]) == (2, ["b"])
    assert [
        run.id for run in client.list_runs(project_name="parley", is_root=True, filter=groups["groups"][0]["filter"])
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("query", {"cursor": "AAAA"}),
        ("query", {"cursor": "WzEsMl0="}),  # [1,2]
        ("query", {"cursor": "WyJhIiwiYiJd"}),  # ["a","b"]
        ("query", {"thread_filter": "eq(nothing, 1)"}),
        ("query", {"thread_filter": 'eq(count, "1); drop table runs")'}),
        ("query", {"thread_filter": "gt(count, 1"}),
        ("query", {"page_size": 101}),
        ("query", {"project_id": "parley"}),
        ("stats", {"select": []}),
        ("stats", {"select": ["PASSWORDS"]}),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(
    langsmith_url: str, project: str, path: str, body: dict[str, Any]
) -> None:
    asked = {"project_id": project, "select": ["THREAD_COUNT"], **body}
    response = requests.post(f"{langsmith_url}/v2/threads/{path}", json=asked, headers={"x-api-key": KEY}, timeout=10)
    assert response.status_code == 422
    assert len(response.json()["detail"]) > 10


@pytest.mark.parametrize("thread", ["'; DROP TABLE runs; --", "a/b", "ü\U0001f600", '"quoted"', "%"])
def test_any_text_names_a_thread(v2: Langsmith, store: OpsStore, thread: str) -> None:
    store.ingest(Ingest(posts=[*turn(thread, 0), *turn("other", 1)]))
    project = store.projects.find(name="parley")[0].id
    assert {one.thread_id for one in v2.threads.query(project_id=str(project))} == {thread, "other"}
    page = store.threads.query(ThreadQuery(project_id=project, limit=1, cursor=None))
    assert (
        store.threads.query(ThreadQuery(project_id=project, limit=1, cursor=page.next_cursor)).threads[0].thread_id
        == thread
    )
    assert len(v2.threads.list_traces(thread, project_id=str(project)).items) == 1
    assert v2.threads.stats(thread, session_id=str(project), selects=["TURNS"]).turns == 1


def test_a_malformed_thread_is_refused(v2: Langsmith, project: str) -> None:
    assert v2.threads.list_traces("\x00", project_id=project).items == []
    with pytest.raises(UnprocessableEntityError):
        v2.threads.list_traces("a", project_id=project, selects=["PASSWORDS"])  # type: ignore[list-item]
