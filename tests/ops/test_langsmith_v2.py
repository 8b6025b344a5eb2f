"""The second version of the API, through the client that the SDK generates for it, and what both versions share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from langsmith import Client, agent_address
from langsmith._client import Langsmith
from langsmith._exceptions import APIStatusError, NotFoundError, UnprocessableEntityError
from langsmith.evaluation import evaluate
from langsmith.run_trees import RunTree

from app.ops.store import OpsStore

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "a-key-for-tests"
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


@pytest.fixture
def v2(langsmith_url: str) -> Iterator[Langsmith]:
    with Langsmith(api_key=KEY, base_url=langsmith_url, max_retries=0) as opened:
        yield opened


def put_trace(
    client: Client,
    question: str = "How many days?",
    *,
    project: str = "parley",
    started: datetime = NOW,
    error: str | None = None,
    thread: str | None = None,
    **root_fields: Any,
) -> RunTree:
    """A turn with a model call that streamed and was paid for; gives back the root."""
    root = RunTree(
        name="turn",
        run_type="chain",
        inputs={"question": question},
        start_time=started,
        project_name=project,
        client=client,
        tags=["demo"],
        extra={"metadata": {"thread_id": thread} if thread else {}},
        **root_fields,
    )
    call = root.create_child(
        "generate",
        "llm",
        inputs={"messages": [{"role": "user", "content": question}]},
        start_time=started + timedelta(seconds=1),
    )
    call.events = [{"name": "new_token", "time": (started + timedelta(seconds=1.5)).isoformat()}]
    usage = {
        "input_tokens": 10,
        "output_tokens": 4,
        "total_tokens": 14,
        "input_token_details": {"cache_read": 2},
        "input_cost": 0.25,
        "output_cost": 0.5,
        "total_cost": 0.75,
    }
    reply = {"role": "assistant", "content": "Five.", "usage_metadata": usage}
    call.end(outputs=reply, end_time=started + timedelta(seconds=2))
    answer = {"answer": "Five."} if error is None else None
    root.end(outputs=answer, error=error, end_time=started + timedelta(seconds=3))
    for run in (root, call):
        run.post()
    client.flush()
    return root


def project_of(client: Client, name: str = "parley") -> str:
    return str(client.read_project(project_name=name).id)


def test_a_query_gives_the_id_alone_unless_fields_are_selected(client: Client, v2: Langsmith) -> None:
    root = put_trace(client)
    bare = v2.runs.query_v2(project_ids=[project_of(client)], is_root=True).items[0]
    assert bare.model_dump(exclude_none=True) == {"id": str(root.id)}


def test_selected_fields_come_in_the_words_of_the_second_version(client: Client, v2: Langsmith) -> None:
    root = put_trace(client, thread="t-1")
    selects: Any = [
        *("NAME", "RUN_TYPE", "STATUS", "LATENCY_SECONDS", "INPUTS_PREVIEW", "OUTPUTS_PREVIEW", "THREAD_ID", "IS_ROOT"),
        *("METADATA", "TAGS", "PROJECT_ID", "TRACE_ID", "APP_PATH", "SHARE_URL", "PARENT_RUN_IDS"),
    ]
    (run,) = v2.runs.query_v2(project_ids=[project_of(client)], is_root=True, selects=selects).items
    assert (run.name, run.run_type, run.status, run.latency_seconds) == ("turn", "CHAIN", "SUCCESS", 3.0)
    assert (run.inputs_preview, run.outputs_preview) == ("How many days?", "Five.")
    assert (run.thread_id, run.is_root, run.tags, run.share_url) == ("t-1", True, ["demo"], None)
    assert (run.trace_id, run.parent_run_ids) == (str(root.id), [])
    assert run.metadata is not None
    assert run.metadata["thread_id"] == "t-1"


def test_usage_of_a_subtree_is_counted_only_when_asked_for(client: Client, v2: Langsmith) -> None:
    put_trace(client)
    selects: Any = ["NAME", "TOTAL_TOKENS", "TOTAL_COST", "FIRST_TOKEN_TIME", "PROMPT_TOKEN_DETAILS"]
    asked: Any = {"project_ids": [project_of(client)], "selects": selects}
    own = {run.name: run for run in v2.runs.query_v2(**asked)}
    whole = {run.name: run for run in v2.runs.query_v2(**asked, include_subtree_usage=True)}
    assert (own["turn"].total_tokens, own["turn"].first_token_time) == (None, None)
    assert (whole["turn"].total_tokens, whole["turn"].total_cost) == (14, 0.75)
    assert whole["turn"].first_token_time == NOW + timedelta(seconds=1.5)
    assert own["generate"].total_tokens == whole["generate"].total_tokens == 14
    assert own["generate"].prompt_token_details is not None
    assert own["generate"].prompt_token_details.raw == {"cache_read": 2}


def test_pages_follow_each_other_by_cursor(client: Client, v2: Langsmith) -> None:
    roots = [put_trace(client, started=NOW + timedelta(seconds=number)).id for number in range(5)]
    pages = v2.runs.query_v2(project_ids=[project_of(client)], is_root=True, page_size=2)
    assert [run.id for run in pages] == [str(one) for one in reversed(roots)]


def test_only_the_last_day_is_looked_at_unless_a_time_is_given(client: Client, v2: Langsmith) -> None:
    old = put_trace(client, started=NOW - timedelta(days=2))
    asked: Any = {"project_ids": [project_of(client)], "is_root": True}
    assert v2.runs.query_v2(**asked).items == []
    found = v2.runs.query_v2(**asked, min_start_time=NOW - timedelta(days=3)).items
    assert [run.id for run in found] == [str(old.id)]


def test_every_filter_narrows_the_answer(client: Client, v2: Langsmith) -> None:
    fine = put_trace(client, "fine")
    failed = put_trace(client, "failed", error="ValueError('no')", started=NOW + timedelta(seconds=10))
    client.create_feedback(run_id=failed.id, trace_id=failed.id, key="correct", score=0)
    client.flush()
    asked: Any = {"project_ids": [project_of(client)]}

    def ids(**narrower: Any) -> set[str]:
        return {run.id or "" for run in v2.runs.query_v2(**asked, **narrower)}

    both = {str(fine.id), str(failed.id)}
    assert ids(is_root=True) == both
    assert ids(is_root=True, has_error=True) == {str(failed.id)}
    assert ids(is_root=True, has_error=False) == {str(fine.id)}
    assert ids(ids=[str(fine.id), str(uuid.uuid4())]) == {str(fine.id)}
    assert len(ids(trace_id=str(fine.id))) == len(ids(run_type="LLM")) == 2
    assert ids(max_start_time=NOW, is_root=True) == {str(fine.id)}
    assert ids(filter='eq(status, "error")') == {str(failed.id)}
    assert len(ids(trace_filter='eq(status, "error")')) == 2
    assert ids(tree_filter='eq(run_type, "llm")', is_root=True) == both
    judged = 'and(eq(feedback_key, "correct"), eq(feedback_score, 0))'
    assert ids(filter=judged, min_feedback_modified_at=NOW) == {str(failed.id)}
    assert ids(filter=judged, max_feedback_modified_at=NOW) == set()
    assert ids(filter=judged, min_feedback_modified_at=datetime.now(UTC) + timedelta(days=1)) == set()


def test_bounds_on_feedback_need_a_filter_on_feedback(client: Client, v2: Langsmith) -> None:
    put_trace(client)
    with pytest.raises(UnprocessableEntityError, match="filter on feedback"):
        v2.runs.query_v2(project_ids=[project_of(client)], min_feedback_modified_at=NOW)


def test_the_runs_of_a_datasets_experiments_are_found_by_the_dataset(client: Client, v2: Langsmith) -> None:
    dataset = client.create_dataset("questions")
    example = client.create_example(inputs={"q": 1}, dataset_id=dataset.id)
    client.create_project("exp", reference_dataset_id=dataset.id)
    root = put_trace(client, project="exp", reference_example_id=example.id)
    selects: Any = ["REFERENCE_DATASET_ID", "IS_IN_DATASET", "REFERENCE_EXAMPLE_ID"]
    asked: Any = {
        "reference_dataset_id": str(dataset.id),
        "selects": selects,
        "min_start_time": NOW - timedelta(days=1),
    }
    (run,) = v2.runs.query_v2(**asked, is_root=True, reference_examples=[str(example.id)]).items
    assert (run.id, run.reference_dataset_id, run.is_in_dataset) == (str(root.id), str(dataset.id), True)
    with pytest.raises(UnprocessableEntityError, match="either project_ids or reference_dataset_id"):
        v2.runs.query_v2(**asked, project_ids=[project_of(client, "exp")])


def test_one_run_is_read_within_its_project_alone(client: Client, v2: Langsmith) -> None:
    root = put_trace(client)
    other = client.create_project("other")
    run = v2.runs.retrieve_v2(str(root.id), project_id=project_of(client), selects=["TOTAL_TOKENS"], start_time=NOW)
    assert (run.id, run.total_tokens) == (str(root.id), 14)
    with pytest.raises(NotFoundError):
        v2.runs.retrieve_v2(str(root.id), project_id=str(other.id))


def test_the_address_of_a_run_leads_to_the_server_itself(client: Client, v2: Langsmith) -> None:
    root = put_trace(client)
    url = v2.runs.get_url(str(root.id), project_id=project_of(client), trace_id=str(root.id)).url
    assert url is not None
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith(f"/projects/p/{project_of(client)}/r/{root.id}")


def test_traces_say_of_all_their_runs_what_is_summed_up_and_of_the_root_the_rest(client: Client, v2: Langsmith) -> None:
    root = put_trace(client)
    project = project_of(client)
    bare = v2.traces.query(project_id=project).items[0]
    assert bare.root_run is not None
    assert (bare.root_run.id, bare.trace_aggregates) == (str(root.id), None)
    (trace,) = v2.traces.query(
        project_id=project, selects=["NAME", "TOTAL_TOKENS", "TOTAL_COST", "FIRST_TOKEN_TIME"]
    ).items
    assert trace.root_run is not None
    assert trace.trace_aggregates is not None
    assert (trace.root_run.name, trace.root_run.total_tokens) == ("turn", None)
    assert (trace.trace_aggregates.total_tokens, trace.trace_aggregates.total_cost) == (14, 0.75)
    assert trace.trace_aggregates.first_token_time == NOW + timedelta(seconds=1.5)


def test_traces_are_found_by_their_root_and_by_any_of_their_runs(client: Client, v2: Langsmith) -> None:
    first = put_trace(client)
    put_trace(client, error="no", started=NOW + timedelta(seconds=10))

    def ids(**narrower: Any) -> list[str | None]:
        found = v2.traces.query(project_id=project_of(client), **narrower)
        return [trace.root_run.id for trace in found if trace.root_run]

    assert len(ids(tree_filter='eq(name, "generate")')) == 2
    assert ids(trace_filter='eq(name, "generate")') == []
    assert ids(trace_filter='eq(status, "success")') == ids(trace_ids=[str(first.id)]) == [str(first.id)]
    assert ids(max_start_time=NOW) == []
    assert ids(max_start_time=NOW + timedelta(seconds=1), page_size=1) == [str(first.id)]


def test_the_runs_of_a_trace_come_in_the_order_of_their_start(client: Client, v2: Langsmith) -> None:
    root = put_trace(client)
    asked: Any = {"project_id": project_of(client), "selects": ["NAME"]}
    items = v2.traces.list_runs(str(root.id), **asked).items
    assert items is not None
    assert [run.name for run in items] == ["turn", "generate"]
    narrowed = v2.traces.list_runs(str(root.id), **asked, filter='eq(run_type, "llm")').items
    assert narrowed is not None
    assert [run.name for run in narrowed] == ["generate"]


def test_queries_stream_as_patches(client: Client, v2: Langsmith) -> None:
    roots = {str(put_trace(client, thread="t-1", started=NOW + timedelta(seconds=second)).id) for second in range(3)}
    project = project_of(client)
    items = v2.runs.streaming.query_v2_items(project_ids=[project], is_root=True, page_size=2)
    assert {run.id for run in items} == roots
    events = list(v2.runs.streaming.query_v2(project_ids=[project], is_root=True))
    assert [operation.path for event in events for operation in event] == ["", "/items/-", "/items/-", "/items/-"]
    assert {event[0].value["id"] for event in events[1:]} == roots  # type: ignore[index]
    assert len(list(v2.traces.streaming.query(project_id=project))) == 4
    assert len(list(v2.threads.streaming.query(project_id=project))) == 2


@pytest.mark.parametrize("path", ["runs/query", "traces/query", "threads/query"])
def test_search_by_meaning_is_refused_by_name(client: Client, langsmith_url: str, path: str) -> None:
    project = project_of(client, "default")
    body = {"project_ids": [project], "project_id": project, "ai_search": "angry users"}
    response = requests.post(f"{langsmith_url}/api/v2/{path}", json=body, headers={"x-api-key": KEY}, timeout=10)
    assert response.status_code == 501
    assert "ai_search" in response.json()["detail"]


NO_QUERIES = [
    {"cursor": "AAAA"},
    {"cursor": "WzEsMiwzXQ=="},  # [1,2,3]
    {"cursor": "W10="},
    {"cursor": "WyJhIiwiYiJd"},  # ["a","b"]
    {"cursor": "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5LDFd"},
    {"filter": "eq(name, 'a') or 1=1"},
    {"filter": "eq(name; drop table runs, 1)"},
    {"filter": 'eq(latency, "1; drop table runs")'},
    {"filter": "and(" * 200},
    {"tree_filter": "eq(nothing, 1)"},
    {"trace_filter": "eq(id, 'not an id')"},
    {"selects": ["PASSWORD"]},
    {"selects": ["name"]},
    {"page_size": 0},
    {"page_size": 10**30},
    {"run_type": "SHELL"},
    {"min_start_time": "yesterday"},
    {"ids": ["1"]},
]


def test_what_cannot_be_asked_is_refused_with_a_sentence(
    client: Client, langsmith_url: str, subtests: pytest.Subtests
) -> None:
    put_trace(client)
    project = project_of(client)
    for body in NO_QUERIES:
        with subtests.test(body=body):
            asked = {"project_ids": [project], **body}
            response = requests.post(
                f"{langsmith_url}/v2/runs/query", json=asked, headers={"x-api-key": KEY}, timeout=10
            )
            assert response.status_code == 422
            assert len(response.json()["detail"]) > 10


ODD_TEXTS = ["\x00", "' OR 1=1 --", "%", "\\", "a" * 5000, '"; SELECT 1; --']


def test_text_in_a_filter_is_never_more_than_text(client: Client, v2: Langsmith, subtests: pytest.Subtests) -> None:
    put_trace(client, thread="t-1")
    project = project_of(client)
    fields = ("name", "thread_id", "metadata_key", "feedback_key", "error", "input_value")
    for text in ODD_TEXTS:
        with subtests.test(text=text):
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            for field in fields:
                assert v2.runs.query_v2(project_ids=[project], filter=f'eq({field}, "{quoted}")').items == []


def test_the_sdks_own_reading_of_both_versions_agrees(client: Client) -> None:
    root = put_trace(client, thread="t-1")
    run = client.read_run(root.id)
    assert (run.total_tokens, run.child_run_ids and len(run.child_run_ids)) == (14, 1)
    assert client.get_run_url(run=run).endswith(f"/r/{root.id}?poll=true")
    with_children = client.read_run(root.id, load_child_runs=True)
    assert [child.name for child in with_children.child_runs or []] == ["generate"]


def test_an_evaluation_reads_its_runs_back_through_the_second_version(client: Client) -> None:
    dataset = client.create_dataset("sums")
    client.create_examples(dataset_id=dataset.id, examples=[{"inputs": {"a": n}, "outputs": {"b": n}} for n in (1, 2)])

    def exact(run: Any, example: Any) -> dict[str, Any]:
        return {"key": "exact", "score": run.outputs["b"] == example.outputs["b"]}

    results = evaluate(lambda inputs: {"b": inputs["a"]}, data="sums", evaluators=[exact], client=client)
    client.flush()
    again = evaluate(results.experiment_name, evaluators=[exact], client=client)
    assert len(list(again)) == 2


def test_a_run_answers_every_field_that_the_first_version_names(client: Client, langsmith_url: str) -> None:
    root = put_trace(client, thread="t-1")
    answer = requests.get(
        f"{langsmith_url}/runs/{root.id}",
        params={"include_messages": True, "exclude_serialized": True},
        headers={"x-api-key": KEY},
        timeout=10,
    ).json()
    assert answer["direct_child_run_ids"] == answer["child_run_ids"] != []
    assert (answer["inputs_preview"], answer["outputs_preview"]) == ("How many days?", "Five.")
    nulls = ["share_token", "manifest_id", "reference_dataset_id", "ttl_seconds", "last_queued_at", "price_model_id"]
    assert {name: answer[name] for name in nulls} == dict.fromkeys(nulls)
    assert (answer["thread_id"], answer["execution_order"], answer["s3_urls"]) == ("t-1", 1, {})
    child = requests.get(
        f"{langsmith_url}/runs/{answer['child_run_ids'][0]}?include_messages=true",
        headers={"x-api-key": KEY},
        timeout=10,
    ).json()
    assert [message["role"] for message in child["messages"]] == ["user", "assistant"]


def test_pages_of_the_first_version_follow_their_parameters(client: Client, langsmith_url: str) -> None:
    for number in range(3):
        put_trace(client, started=NOW + timedelta(seconds=10 * number))

    def ask(path: str = "query", **body: Any) -> Any:
        body = {"session": [project_of(client)], **body}
        response = requests.post(f"{langsmith_url}/runs/{path}", json=body, headers={"x-api-key": KEY}, timeout=10)
        assert response.status_code == 200, response.text
        return response.json()

    page = ask(is_root=True, limit=2, order="asc", select=["inputs_or_signed_url"], data_source_type="historical")
    assert [run["start_time"][:19] for run in page["runs"]] == [
        (NOW + timedelta(seconds=10 * number)).isoformat()[:19] for number in (0, 1)
    ]
    assert "inputs" in page["runs"][0]
    assert "outputs" not in page["runs"][0]
    assert page["cursors"]["next"]
    assert ask(limit=2, skip_pagination=True)["cursors"]["next"] is None
    assert len(ask(filter='eq(run_type, "llm")', search_filter='eq(name, "generate")')["runs"]) == 3
    assert ask("stats", is_root=True, select=["run_count", "total_cost"]) == {"run_count": 3, "total_cost": 2.25}


def test_traces_are_deleted_whole_by_id_or_by_metadata(client: Client, langsmith_url: str) -> None:
    kept = put_trace(client)
    by_id = put_trace(client, started=NOW + timedelta(seconds=10))
    put_trace(client, started=NOW + timedelta(seconds=20), thread="t-9")
    client.create_project("other")

    def delete(status: int = 202, **body: Any) -> None:
        response = requests.post(f"{langsmith_url}/runs/delete", json=body, headers={"x-api-key": KEY}, timeout=10)
        assert response.status_code == status

    def left() -> int:
        return len(list(client.list_runs(project_name="parley")))

    project = project_of(client)
    delete(session_id=project_of(client, "other"), trace_ids=[str(kept.id)])
    delete(422, session_id=project)
    delete(422, session_id=project, metadata={})
    assert left() == 6
    delete(session_id=project, trace_ids=[str(by_id.id)])
    assert left() == 4
    delete(session_id=project, metadata={"thread_id": ["t-9", "t-10"]})
    assert {run.trace_id for run in client.list_runs(project_name="parley")} == {kept.id}


def test_runs_go_to_the_project_of_the_agent_that_they_are_addressed_to(client: Client, v2: Langsmith) -> None:
    address = agent_address("support", "production")
    client.create_run("turn", {"q": 1}, "chain", id=uuid.uuid4(), address=address)
    client.flush()
    project = v2.sessions.resolve(kind="AGENT", id="support", environment="PRODUCTION").session_id
    assert client.read_project(project_id=project).name == "support/production"
    assert [run.name for run in client.list_runs(project_id=project)] == ["turn"]


def test_addresses_that_name_nothing_are_refused(client: Client, v2: Langsmith) -> None:
    project = client.create_project("exp")
    assert v2.sessions.resolve(kind="EXPERIMENT", id=str(project.id)).session_id == str(project.id)
    with pytest.raises(NotFoundError):
        v2.sessions.resolve(kind="AGENT", id="nobody", environment="LOCAL")
    with pytest.raises(NotFoundError):
        v2.sessions.resolve(kind="EVALUATOR")
    for incomplete in ({"kind": "AGENT", "id": "support"}, {"kind": "EXPERIMENT"}, {"kind": "EXPERIMENT", "id": "x"}):
        with pytest.raises(UnprocessableEntityError):
            v2.sessions.resolve(**incomplete)  # type: ignore[arg-type]


def test_a_malformed_address_is_refused(langsmith_url: str, store: OpsStore) -> None:
    body = {
        "id": str(uuid.uuid4()),
        "name": "x",
        "run_type": "chain",
        "address": "lrn:agents/../environments/production",
    }
    response = requests.post(f"{langsmith_url}/runs", json=body, headers={"x-api-key": KEY}, timeout=10)
    assert response.status_code == 422
    assert [project.name for project in store.projects.find()] == ["default"]


def test_a_project_says_what_its_runs_can_be_narrowed_by(client: Client, langsmith_url: str) -> None:
    put_trace(client)
    (project,) = requests.get(
        f"{langsmith_url}/sessions",
        params={"name": "parley", "include_stats": True, "facets": True},
        headers={"x-api-key": KEY},
        timeout=10,
    ).json()
    assert {"key": "tag", "value": "demo", "query": 'has(tags, "demo")', "n": 1} in project["run_facets"]
    for facet in project["run_facets"]:
        assert len(list(client.list_runs(project_name="parley", is_root=True, filter=facet["query"]))) == facet["n"]


def test_what_is_not_served_says_so(v2: Langsmith) -> None:
    with pytest.raises(APIStatusError) as refused:
        v2.post("/api/v1/runs/generate", cast_to=object)
    assert refused.value.status_code == 501
