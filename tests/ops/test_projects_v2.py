"""Projects through the client: the second version of their routes, dashboards, and how far an experiment is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from langsmith import Client
from langsmith._client import Langsmith
from langsmith._exceptions import ConflictError, NotFoundError, UnprocessableEntityError

from app.ops.store import Ingest, OpsStore
from app.ops.store.models import Document, FeedbackFields, RunFields

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "a-key-for-tests"
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
def v2(langsmith_url: str) -> Iterator[Langsmith]:
    with Langsmith(api_key=KEY, base_url=langsmith_url, max_retries=0) as opened:
        yield opened


def run(minute: int, *, name: str = "turn", run_type: Any = "chain", project: str = "parley", **more: Any) -> RunFields:
    run_id, started = uuid4(), NOW + timedelta(minutes=minute)
    usage = {"input_tokens": 10, "output_tokens": 5, "total_cost": 0.5}
    return {
        "id": run_id,
        "trace_id": run_id,
        "dotted_order": f"{started:%Y%m%dT%H%M%S%f}Z{run_id}",
        "session_name": project,
        "name": name,
        "run_type": run_type,
        "start_time": started,
        "end_time": started + timedelta(seconds=2),
        "extra": Document.of({"metadata": {"variant": "a" if minute % 2 else "b", "usage_metadata": usage}}),
        **more,
    }


def dashboard(v2: Langsmith, store: OpsStore, **asked: Any) -> dict[str, Any]:
    """The charts by their titles."""
    project = str(store.projects.find(name="parley")[0].id)
    found = v2.sessions.dashboard(project, **asked)
    return {chart.title: chart for section in found.sub_sections or [] for chart in section.charts}


def test_a_dashboard_has_a_point_for_each_span_of_time_in_which_something_ran(v2: Langsmith, store: OpsStore) -> None:
    calls = [run(minute, run_type="llm") for minute in (0, 1, 30)]
    calls[2]["error"] = "no"
    store.ingest(Ingest(posts=calls))
    store.feedback.add(FeedbackFields(run_id=calls[0]["id"], key="good", score=1))
    charts = dashboard(v2, store, start_time=NOW, end_time=NOW + timedelta(hours=1), stride={"minutes": 10})

    def points(title: str) -> list[tuple[datetime, Any]]:
        return [(point.timestamp, point.value) for point in charts[title].data]

    first, second = NOW, NOW + timedelta(minutes=30)
    assert points("Trace Count") == points("LLM Count") == [(first, 2), (second, 1)]
    assert points("Trace Error Rate") == [(first, 0), (second, 1)]
    assert points("Total Cost")[:2] == [(first, 1.0), (second, 0.5)]
    assert points("good") == [(first, 1), (second, None)]


def test_a_dashboard_groups_by_what_runs_are_called_or_labelled(v2: Langsmith, store: OpsStore) -> None:
    tools = [run(minute, name=f"tool {minute % 7}", run_type="tool") for minute in range(20)]
    store.ingest(Ingest(posts=tools))
    charts = dashboard(v2, store)
    groups = {point.group for point in charts["Run Count by Tool"].data}
    assert len(groups) == 5
    assert groups < {f"tool {number}" for number in range(7)}
    by_variant = dashboard(v2, store, group_by={"attribute": "metadata", "path": "variant"})["Trace Count"]
    counts: dict[str | None, float] = {}
    for point in by_variant.data:
        counts[point.group] = counts.get(point.group, 0) + point.value
    assert counts == {"a": 10, "b": 10}
    assert all(not chart.data for chart in dashboard(v2, store, omit_data=True).values())


@pytest.mark.parametrize(
    "asked",
    [
        {"start_time": NOW, "end_time": NOW},
        {"start_time": NOW, "end_time": NOW - timedelta(days=1)},
        {"start_time": NOW - timedelta(days=400), "stride": {"minutes": 1}},
        {"stride": {"minutes": -1}},
        {"group_by": {"attribute": "password"}},
    ],
)
def test_a_dashboard_that_cannot_be_drawn_is_refused(v2: Langsmith, store: OpsStore, asked: Any) -> None:
    store.ingest(Ingest(posts=[run(0)]))
    with pytest.raises(UnprocessableEntityError):
        dashboard(v2, store, **asked)


def test_projects_are_made_changed_and_deleted_in_the_second_version(v2: Langsmith) -> None:
    made = v2.sessions.create_v2(name="shop", type="PROJECT", description="first")
    assert (made.name, made.type, made.description) == ("shop", "PROJECT", "first")
    with pytest.raises(ConflictError):
        v2.sessions.create_v2(name="shop", type="PROJECT")
    assert v2.sessions.update_v2(made.id, description="second").description == "second"
    assert v2.sessions.retrieve_v2(made.id, include_stats=True).run_count == 0
    v2.delete(f"/api/v2/sessions/{made.id}", cast_to=object)
    with pytest.raises(NotFoundError):
        v2.sessions.retrieve_v2(made.id)


def test_projects_come_in_the_order_and_of_the_kinds_that_are_asked_for(v2: Langsmith, store: OpsStore) -> None:
    store.ingest(Ingest(posts=[run(0, project="bot/staging"), run(5, project="shop"), run(3, project="bot/nowhere")]))

    def names(**asked: Any) -> list[str]:
        return [one.name for one in v2.sessions.list_v2(page_size=1, **asked)]

    assert names(sort_by="NAME", sort_order="asc") == ["bot/nowhere", "bot/staging", "default", "shop"]
    assert names(sort_by="LAST_RUN_START_TIME") == ["shop", "bot/nowhere", "bot/staging", "default"]
    assert names(type=["AGENT"]) == ["bot/staging"]
    assert names(name_contains="sho") == names(name="shop") == ["shop"]
    assert names(metadata='{"a": 1}') == []
    for wrong in ({"cursor": "x"}, {"metadata": "[]"}, {"sort_by": "PASSWORD"}):
        with pytest.raises(UnprocessableEntityError):
            names(**wrong)


def test_a_project_with_stats_has_the_fields_of_the_second_version(v2: Langsmith, store: OpsStore) -> None:
    first = run(0)
    store.ingest(Ingest(posts=[first]))
    store.feedback.add(FeedbackFields(run_id=first["id"], key="good", score=1))
    (project,) = v2.sessions.list_v2(name="parley", include_stats=True, include_facets=True).items
    assert (project.run_count, project.latency_p50, project.total_tokens) == (1, 2.0, 15)
    assert project.feedback_stats is not None
    assert (project.feedback_stats["good"].n, project.feedback_stats["good"].type) == (1, "PRIMARY")
    assert project.run_facets
    later = v2.sessions.retrieve_v2(project.id, include_stats=True, stats_start_time=NOW + timedelta(minutes=1))
    assert later.run_count == 0


def test_an_experiment_says_how_much_of_it_is_done(client: Client, langsmith_url: str, store: OpsStore) -> None:
    dataset = client.create_dataset("questions")
    body = {
        "name": "exp",
        "reference_dataset_id": str(dataset.id),
        "num_examples": 2,
        "num_repetitions": 2,
        "evaluator_keys": ["exact"],
    }
    made = requests.post(f"{langsmith_url}/sessions", json=body, headers={"x-api-key": KEY}, timeout=10).json()
    runs = [run(minute, project="exp") for minute in range(3)]
    store.ingest(Ingest(posts=runs))
    store.feedback.add(FeedbackFields(run_id=runs[0]["id"], key="exact", score=1))
    url = f"{langsmith_url}/sessions/{made['id']}?include_stats=true"
    progress = requests.get(url, headers={"x-api-key": KEY}, timeout=10).json()["experiment_progress"]
    assert progress == {"expected_run_count": 4, "run_progress": 0.75, "evaluator_progress": {"exact": 0.25}}


def test_the_clients_own_accessors_read_runs_traces_and_threads(client: Client, store: OpsStore) -> None:
    threaded = run(0)
    threaded["extra"] = Document.of({"metadata": {"thread_id": "t-1"}})
    store.ingest(Ingest(posts=[threaded]))
    project = str(client.read_project(project_name="parley").id)

    async def read() -> tuple[list[str | None], ...]:
        runs = [one.name async for one in client.runs.query(project_ids=[project], selects=["NAME"])]
        one = await client.runs.retrieve(str(threaded["id"]), project_id=project, selects=["NAME"])
        traces = [one.root_run.id async for one in client.traces.query(project_id=project) if one.root_run]
        threads = [one.thread_id async for one in client.threads.query(project_id=project)]
        return runs, [one.name], traces, threads

    assert asyncio.run(read()) == (["turn"], ["turn"], [str(threaded["id"])], ["t-1"])
