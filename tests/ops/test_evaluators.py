"""Online evaluators and rules through the unmodified client; what they do to real runs; what nobody should send."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from langsmith import Client
from langsmith._client import Langsmith
from langsmith._exceptions import APIStatusError, ConflictError, NotFoundError
from pydantic import TypeAdapter

from app.ops.store import OpsStore
from app.ops.store.datasets.models import DatasetFields, ExampleQuery
from app.ops.store.models import FeedbackFields, FeedbackStats, Ingest, ProjectFields, Run, RunFields
from app.ops.store.queues.models import QueueFields
from app.ops.store.rules.checks import Check, judge
from app.ops.store.rules.models import Application, CodeEvaluator, Rule, RuleFields, SpendLimit

KEY = {"x-api-key": "a-key-for-tests"}
START = datetime(2026, 5, 4, 12, tzinfo=UTC)
CITES = [{"feedback_key": "cites", "path": "outputs.answer", "test": "matches", "value": r"\[\d+\]"}]
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


@pytest.fixture
def http(langsmith_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=langsmith_url, headers=KEY, timeout=30) as opened:
        yield opened


@pytest.fixture
def typed(langsmith_url: str) -> Iterator[Langsmith]:
    """The SDK's generated client, which checks every answer against its schema."""
    client = Langsmith(
        base_url=langsmith_url, api_key=KEY["x-api-key"], max_retries=0, _strict_response_validation=True
    )
    with client as opened:
        yield opened


def fields_of(answer: str | None = "It is so [1].", run_id: uuid.UUID | None = None, **changes: Any) -> dict[str, Any]:
    run_id = run_id or uuid.uuid4()
    finished = {"end_time": (START + timedelta(seconds=2)).isoformat()} if answer is not None else {}
    outputs = {"outputs": {"answer": answer}} if answer is not None else {}
    run = {"id": run_id, "trace_id": run_id, "name": "turn", "run_type": "chain", "inputs": {"question": "Why?"}}
    return run | {"start_time": START.isoformat()} | finished | outputs | changes


def ingest(store: OpsStore, *runs: dict[str, Any]) -> list[uuid.UUID]:
    store.ingest(Ingest(posts=[_RUN.validate_python(run) for run in runs]))
    return [run["id"] for run in runs]


def cites_rule(**changes: Any) -> RuleFields:
    code = CodeEvaluator(code=json.dumps(CITES), language="checks")
    return RuleFields.model_validate({"display_name": "cites", "code_evaluators": [code.model_dump()]} | changes)


def scores(store: OpsStore, *run_ids: uuid.UUID) -> list[float | None]:
    by_run = {one.run_id: one.score for one in store.feedback.find(run_ids=run_ids)}
    return [by_run.get(run_id, -1.0) for run_id in run_ids]


def test_an_evaluator_is_made_read_changed_listed_and_deleted(typed: Langsmith) -> None:
    made = typed.online_evaluators.create(
        name="cites",
        type="code",
        code_evaluator={"language": "checks", "code": json.dumps(CITES)},
        metadata={"team": "red"},
    ).evaluator
    assert made is not None
    assert made.id is not None
    assert made.feedback_keys == ["cites"]
    read = typed.online_evaluators.retrieve(made.id)
    assert read.code_evaluator is not None
    assert json.loads(read.code_evaluator.code or "") == CITES
    changed = typed.online_evaluators.update(made.id, name="quotes").evaluator
    assert changed is not None
    assert (changed.name, changed.feedback_keys) == ("quotes", ["cites"])
    listed = typed.online_evaluators
    assert [one.id for one in listed.list(name_contains="QUO", feedback_key="cites", type="code")] == [made.id]
    assert [one.id for one in listed.list(metadata='{"team": "red"}')] == [made.id]
    assert list(listed.list(metadata='{"team": "blue"}')) == []
    assert list(listed.list(feedback_key="other")) == []
    typed.online_evaluators.delete(made.id)
    with pytest.raises(NotFoundError):
        typed.online_evaluators.retrieve(made.id)


def test_evaluators_that_call_a_model_or_run_code_are_kept_and_refused_to_run(
    typed: Langsmith, http: httpx.Client, store: OpsStore
) -> None:
    judged = typed.online_evaluators.create(name="judge", type="llm", llm_evaluator={"prompt_repo_handle": "judge"})
    coded = typed.online_evaluators.create(name="code", type="code", code_evaluator={"code": "import os"})
    for made in (judged.evaluator, coded.evaluator):
        assert made is not None
        body = {"display_name": "rule", "evaluator_id": made.id, "session_id": str(store.projects.find()[0].id)}
        rule = http.post("/runs/rules", json=body).json()
        refused = http.post(f"/runs/rules/{rule['id']}/trigger")
        assert (refused.status_code, "never run here" in refused.json()["detail"]) == (501, True)
        assert http.post("/runs/rules/trigger", json={"rule_ids": [rule["id"]]}).status_code == 501
    (run_id,) = ingest(store, fields_of())
    store.rule_worker.work()
    assert store.feedback.find(run_ids=[run_id]) == []
    (applied,) = store.rules.log(uuid.UUID(rule["id"]), limit=10)
    assert "never run here" in (applied.problem or "")
    with pytest.raises(APIStatusError) as refusal:
        typed.evaluators.create_decision_model(display_name="x", prompt=[], questions={})
    assert refusal.value.status_code == 501


def test_an_evaluator_goes_with_its_rules_only_when_told(typed: Langsmith, store: OpsStore) -> None:
    ids = []
    for name in ("one", "two"):
        code: Any = {"language": "checks", "code": json.dumps(CITES)}
        made = typed.online_evaluators.create(name=name, type="code", code_evaluator=code).evaluator
        assert made is not None
        assert made.id is not None
        ids.append(made.id)
    rule = store.rules.create(RuleFields(display_name="rule", evaluator_id=uuid.UUID(ids[0])))
    (attached,) = typed.online_evaluators.retrieve(ids[0]).run_rules or []
    assert attached.id == str(rule.id)
    with pytest.raises(ConflictError):
        typed.online_evaluators.delete(ids[0])
    answer = typed.online_evaluators.bulk_delete(evaluator_ids=ids)
    assert answer.succeeded == [ids[1]]
    assert [one.id for one in answer.failed or []] == [ids[0]]
    assert typed.online_evaluators.bulk_delete(evaluator_ids=ids[:1], delete_run_rules=True).succeeded == ids[:1]
    assert store.rules.find() == []


def test_a_rule_is_made_read_replaced_listed_and_deleted(http: httpx.Client, typed: Langsmith, store: OpsStore) -> None:
    project = str(store.projects.find()[0].id)
    body = {
        "display_name": "slow",
        "session_id": project,
        "filter": "gt(latency, 1)",
        "sampling_rate": 0.5,
        "spend_limit": {"limit_usd": "5", "window": "weekly"},
        "code_evaluators": [{"code": json.dumps(CITES), "language": "checks"}],
    }
    made = http.post("/runs/rules", json=body).json()
    assert (made["sampling_rate"], made["spend_limit"]) == (0.5, {"limit_usd": "5", "window": "weekly"})
    changed = http.patch(f"/runs/rules/{made['id']}", json={"display_name": "fast", "is_enabled": False}).json()
    assert (changed["display_name"], changed["filter"], changed["evaluator_version"]) == ("fast", None, 2)
    assert changed["spend_limit"] == made["spend_limit"]  # kept when omitted
    assert http.get(f"/runs/rules/{made['id']}").json() == changed
    other = http.post("/runs/rules", json={"display_name": "other", "session_id": project}).json()
    with pytest.warns(DeprecationWarning, match="list_v2"):
        listed = typed.evaluators.list(session_id=project)
    assert [rule.id for rule in listed] == [other["id"]]  # the change took the first one's project away
    assert {rule.id for rule in typed.evaluators.list_v2(page_size=1)} == {made["id"], other["id"]}
    (paged,) = typed.evaluators.list_v2(id=[other["id"]], type="PROJECT", project_id=project)
    assert paged.project_id == project
    assert http.delete(f"/runs/rules/{made['id']}").status_code == 200
    assert http.get(f"/runs/rules/{made['id']}").status_code == 404


def test_runs_that_finish_are_judged_once(store: OpsStore) -> None:
    (before,) = ingest(store, fields_of())
    store.rules.create(cites_rule())
    good, bad, open_one = ingest(store, fields_of(), fields_of("No."), fields_of(None))
    store.rule_worker.work()
    store.rule_worker.work()
    assert scores(store, before, good, bad, open_one) == [-1.0, 1.0, 0.0, -1.0]
    (judgement,) = store.feedback.find(run_ids=[bad])
    assert (judgement.source["type"], judgement.key) == ("auto_eval", "cites")
    assert "outputs.answer" in (judgement.comment or "")
    store.feedback.delete(judgement.id)
    done = {"id": open_one, "end_time": START.isoformat(), "outputs": {"answer": "Yes [2]."}}
    store.ingest(Ingest(patches=[_RUN.validate_python(done)]))
    store.rule_worker.work()
    assert scores(store, bad, open_one) == [-1.0, 1.0]


def test_a_worker_that_was_started_applies_rules_by_itself(client: Client, store: OpsStore) -> None:
    store.rule_worker.start()
    store.rules.create(cites_rule())
    run_id = uuid.uuid4()
    client.create_run(
        "turn",
        {"question": "Why?"},
        "chain",
        id=run_id,
        trace_id=run_id,
        dotted_order=f"20260504T120000000000Z{run_id}",
        start_time=START,
        end_time=START + timedelta(seconds=1),
        outputs={"answer": "So [1]."},
    )
    client.flush()
    deadline = time.monotonic() + 20
    while scores(store, run_id) == [-1.0] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert scores(store, run_id) == [1.0]


def test_a_rule_sees_only_the_runs_that_its_filters_project_and_dataset_let_through(store: OpsStore) -> None:
    project = store.projects.create(ProjectFields(name="mine"))
    dataset = store.datasets.create(DatasetFields(name="data"))
    experiment = store.projects.create(ProjectFields(name="exp", reference_dataset_id=dataset.id))
    rules = {
        "filtered": cites_rule(filter='eq(name, "wanted")'),
        "traced": cites_rule(trace_filter='eq(name, "wanted")', filter="eq(is_root, true)"),
        "project": cites_rule(session_id=project.id),
        "dataset": cites_rule(dataset_id=dataset.id),
    }
    made = {name: store.rules.create(rule).id for name, rule in rules.items()}
    named, mine, measured, other = ingest(
        store,
        fields_of(name="wanted"),
        fields_of(session_id=str(project.id)),
        fields_of(session_id=str(experiment.id)),
        fields_of(),
    )
    store.rule_worker.work()
    seen = {name: [one.run_id for one in store.rules.log(rule_id, limit=10)] for name, rule_id in made.items()}
    assert seen == {"filtered": [named], "traced": [named], "project": [mine], "dataset": [measured]}
    assert scores(store, other) == [-1.0]


def test_sampling_takes_about_its_share_and_always_the_same(store: OpsStore) -> None:
    none, half = (store.rules.create(cites_rule(sampling_rate=rate)) for rate in (0.0, 0.5))
    ingest(store, *(fields_of() for _ in range(200)))
    store.rule_worker.work()
    assert store.rules.log(none.id, limit=10) == []
    sampled = len(store.rules.log(half.id, limit=1000))
    assert 60 < sampled < 140
    store.rule_worker.work()
    assert len(store.rules.log(half.id, limit=1000)) == sampled


def test_a_rule_queues_runs_and_makes_examples_of_them(store: OpsStore) -> None:
    queue = store.queues.create(QueueFields(name="bad answers"))
    dataset = store.datasets.create(DatasetFields(name="regressions"))
    store.rules.create(
        RuleFields(
            display_name="thumbs down",
            filter='and(eq(is_root, true), eq(feedback_key, "user_score"), eq(feedback_score, 0))',
            add_to_annotation_queue_id=queue.id,
            add_to_dataset_id=dataset.id,
            add_to_dataset_prefer_correction=True,
        )
    )
    liked, disliked, silent = ingest(store, fields_of(), fields_of("No."), fields_of())
    store.rule_worker.work()
    assert store.queues.get(queue.id).total_runs == 0
    store.feedback.add(FeedbackFields(run_id=liked, key="user_score", score=1))
    store.feedback.add(FeedbackFields(run_id=disliked, key="user_score", score=0, correction={"answer": "Yes [1]."}))
    store.rule_worker.work()
    store.rule_worker.work()
    assert [item.run_id for item in store.queues.board(queue.id, "ada").find()] == [disliked]
    (example,) = store.examples.find(ExampleQuery(dataset_id=dataset.id))
    assert (example.inputs, example.outputs) == ({"question": "Why?"}, {"answer": "Yes [1]."})
    assert example.source_run_id == disliked
    assert silent not in {item.run_id for item in store.queues.board(queue.id, "ada").find()}


def test_what_cannot_be_done_is_written_down_and_the_rest_is_done(http: httpx.Client, store: OpsStore) -> None:
    queue = store.queues.create(QueueFields(name="soon gone"))
    rule = store.rules.create(cites_rule(add_to_annotation_queue_id=queue.id))
    store.queues.delete(queue.id)
    (run_id,) = ingest(store, fields_of())
    store.rule_worker.work()
    assert scores(store, run_id) == [1.0]
    (applied,) = http.get(f"/runs/rules/{rule.id}/logs").json()
    assert (applied["outcome"], applied["run_id"]) == ("error", str(run_id))
    assert "no annotation queue" in applied["error"]
    assert http.get(f"/runs/rules/{rule.id}/logs/last_applied").json() == applied


def test_a_rule_over_its_spend_limit_judges_no_more_this_week(store: OpsStore, typed: Langsmith) -> None:
    rule = store.rules.create(cites_rule(spend_limit=SpendLimit(limit_usd=Decimal("0.02")).model_dump()))
    now = datetime.now(UTC)
    for cost in ("0.015", "0.005"):
        store.rules.record(Application(rule_id=rule.id, run_id=uuid.uuid4(), applied_at=now, spend_usd=Decimal(cost)))
    (run_id,) = ingest(store, fields_of())
    store.rule_worker.work()
    assert scores(store, run_id) == [-1.0]
    (applied,) = [one for one in store.rules.log(rule.id, limit=10) if one.run_id == run_id]
    assert "spend limit" in (applied.problem or "")
    (group,) = typed.online_evaluators.spend(period_start=now.date().isoformat(), group_by="run_rule").groups or []
    assert (group.total_spend_usd, group.total_trace_count, group.run_rule_id) == (0.02, 3, str(rule.id))
    assert group.days is not None
    assert [day.trace_count for day in group.days] == [3, 0, 0, 0, 0, 0, 0]
    later = (now + timedelta(days=7)).date().isoformat()
    (after,) = typed.online_evaluators.spend(period_start=later, group_by="run_rule").groups or []
    assert (after.total_trace_count, after.prev_total_spend_usd) == (0, 0.02)


def test_rules_go_on_where_they_were_after_a_restart(open_store: Any) -> None:
    store = open_store()
    store.rules.create(cites_rule())
    (run_id,) = ingest(store, fields_of(None))
    store.rule_worker.work()
    store.close()
    again = open_store()
    done = {"id": run_id, "end_time": START.isoformat(), "outputs": {"answer": "[3]"}}
    again.ingest(Ingest(patches=[_RUN.validate_python(done)]))
    again.rule_worker.work()
    assert scores(again, run_id) == [1.0]


def a_run(**changes: Any) -> Run:
    fields = {
        "id": uuid.uuid4(),
        "trace_id": uuid.uuid4(),
        "project_id": uuid.uuid4(),
        "name": "turn",
        "run_type": "chain",
        "status": "success",
        "start_time": START,
        "inputs": {"messages": [{"content": "Hello"}]},
        "outputs": {"answer": "Hi [1]", "json": "[1]", "n": 3, "yes": True},
        "latency_s": 1.5,
        "total_tokens": 20,
    }
    return Run.model_validate(fields | changes)


@pytest.mark.parametrize(
    ("path", "test", "value", "score"),
    [
        ("outputs.answer", "exists", None, 1),
        ("outputs.missing", "exists", None, 0),
        ("error", "exists", None, 0),
        ("inputs.messages.0.content", "equals", "Hello", 1),
        ("inputs.messages.1.content", "equals", "Hello", 0),
        ("inputs.messages.99999999999", "exists", None, 0),
        ("outputs.yes", "equals", 1, 0),
        ("outputs.yes", "equals", True, 1),
        ("outputs.answer", "contains", "[1]", 1),
        ("outputs", "contains", '"answer"', 1),
        ("outputs.answer", "matches", r"^hi", 0),
        ("outputs.answer", "matches", r"(?i)^hi", 1),
        ("outputs.json", "is_json", None, 1),
        ("outputs.answer", "is_json", None, 0),
        ("outputs.n", "is_json", None, 1),
        ("outputs.missing", "is_json", None, 0),
        ("outputs.n", "at_least", 3, 1),
        ("outputs.n", "at_most", 2, 0),
        ("outputs.answer", "at_most", 2, 0),
        ("latency_s", "at_most", 2, 1),
        ("total_tokens", "at_least", 21, 0),
        ("total_cost", "at_most", 1, 0),
        ("outputs.answer", "max_chars", 6, 1),
        ("outputs.answer", "min_chars", 7, 0),
        ("feedback.user_score", "at_least", 0.5, 1),
        ("feedback.other", "at_least", 0.5, 0),
    ],
)
def test_each_check_answers_yes_or_no(path: str, test: Any, value: Any, score: float) -> None:
    feedback = {"user_score": FeedbackStats(n=2, avg=0.5)}
    check = Check(feedback_key="k", path=path, test=test, value=value)
    assert judge(check, a_run(), feedback).score == score
    assert judge(check.model_copy(update={"negate": True}), a_run(), feedback).score == 1 - score


def test_a_pattern_made_to_hang_is_given_up(store: OpsStore) -> None:
    hanging = [{"feedback_key": "k", "path": "outputs.answer", "test": "matches", "value": "(x+x+)+y"}]
    code = {"code": json.dumps(hanging), "language": "checks"}
    store.rules.create(RuleFields.model_validate({"display_name": "slow", "code_evaluators": [code]}))
    (run_id,) = ingest(store, fields_of("x" * 5000))
    started = time.monotonic()
    store.rule_worker.work()
    assert time.monotonic() - started < 10
    (judgement,) = store.feedback.find(run_ids=[run_id])
    assert (judgement.error, judgement.score) == (True, None)


def code(**check: Any) -> dict[str, Any]:
    return {"name": "x", "type": "code", "code_evaluator": {"language": "checks", "code": json.dumps([check])}}


ODD_REQUESTS = [
    ("POST", "/evaluators", {}, 422),
    ("POST", "/evaluators", {"name": "x", "type": "code"}, 422),
    ("POST", "/evaluators", {"name": "x", "type": "shell", "code_evaluator": {"code": "rm"}}, 422),
    ("POST", "/evaluators", code(), 422),
    ("POST", "/evaluators", code(feedback_key="k", test="runs"), 422),
    ("POST", "/evaluators", code(feedback_key="k", test="exists", path="__class__"), 422),
    ("POST", "/evaluators", code(feedback_key="k", test="matches", value="("), 422),
    ("POST", "/evaluators", code(feedback_key="k", test="matches", value="a" * 501), 422),
    ("POST", "/evaluators", code(feedback_key="k", test="at_least", value="three"), 422),
    ("POST", "/evaluators", code(feedback_key="k", test="exists", surprise=1), 422),
    ("GET", "/evaluators?metadata=[]", None, 422),
    ("GET", "/evaluators?metadata={", None, 422),
    ("GET", "/evaluators?sort_by=password", None, 422),
    ("GET", "/evaluators?name_contains=%00&feedback_key=%00&type=%00", None, 200),
    ("GET", "/evaluators/x", None, 422),
    ("DELETE", "/evaluators", None, 422),
    ("GET", "/evaluators/spend?period_start=2026-01-01", None, 422),
    ("GET", "/evaluators/spend?period_start=0001-01-01&group_by=evaluator", None, 422),
    ("GET", "/evaluators/spend?period_start=9999-12-31&group_by=evaluator", None, 422),
    ("GET", "/evaluators/spend?period_start=soon&group_by=evaluator", None, 422),
    ("POST", "/runs/rules", {}, 422),
    ("POST", "/runs/rules", {"display_name": "x", "sampling_rate": 2}, 422),
    ("POST", "/runs/rules", {"display_name": "x", "sampling_rate": "NaN"}, 422),
    ("POST", "/runs/rules", {"display_name": "x", "filter": "drop table runs"}, 422),
    ("POST", "/runs/rules", {"display_name": "x", "filter": 'eq(password, "x")'}, 422),
    ("POST", "/runs/rules", {"display_name": "x", "session_id": str(uuid.UUID(int=7))}, 422),
    ("POST", "/runs/rules", {"display_name": "x", "evaluator_id": str(uuid.UUID(int=7))}, 422),
    ("POST", "/runs/rules", {"display_name": "x", "add_to_dataset_id": str(uuid.UUID(int=7))}, 422),
    ("POST", "/runs/rules", {"display_name": "x", "add_to_annotation_queue_id": str(uuid.UUID(int=7))}, 422),
    ("POST", "/runs/rules", {"display_name": "x", "spend_limit": {"limit_usd": -1}}, 422),
    ("POST", "/runs/rules", {"display_name": "x", "spend_limit": {"limit_usd": "1e400"}}, 422),
    ("GET", "/v2/runs/rules?cursor=x", None, 422),
    ("GET", "/v2/runs/rules?cursor=LTE=", None, 422),
    ("GET", "/runs/rules?id=x", None, 422),
    ("GET", f"/runs/rules/{uuid.UUID(int=7)}/logs", None, 404),
    ("POST", f"/runs/rules/{uuid.UUID(int=7)}/trigger", None, 404),
    ("POST", "/runs/rules/trigger", {"rule_ids": []}, 422),
]


def test_what_nobody_should_send_gets_a_sentence(
    http: httpx.Client, store: OpsStore, subtests: pytest.Subtests
) -> None:
    for method, path, body, status in ODD_REQUESTS:
        with subtests.test(method=method, path=path, body=body):
            answer = http.request(method, path, json=body) if body is not None else http.request(method, path)
            assert answer.status_code == status, answer.text
            if status >= 400:
                assert answer.json()["detail"].endswith(".")
            assert store.rules.find() == []
            assert store.evaluators.find() == []


NOT_SERVED = [
    "/v1/platform/issues",
    "/v1/platform/product-feedbacks/x",
    f"/api/v1/sessions/{uuid.UUID(int=1)}/insights",
    "/api/v1/agents",
    "/api/v2/sandboxes/boxes",
    "/api/v1/fleet/threads",
]


def test_what_is_not_served_says_so(http: httpx.Client, subtests: pytest.Subtests) -> None:
    for path in NOT_SERVED:
        with subtests.test(path=path):
            answer = http.get(path)
            assert answer.status_code == 501
            assert "does not serve" in answer.json()["detail"]


def test_the_workspace_and_its_lack_of_secrets(http: httpx.Client, typed: Langsmith, store: OpsStore) -> None:
    (only,) = http.get("/workspaces").json()
    assert only["id"] == str(store.workspace.id)
    assert typed.workspace_secrets.list() == []
    assert http.put("/workspaces/current/secrets/KEY", json={"value": "x"}).status_code == 501
    assert httpx.get(f"{http.base_url}ok").json() == {"ok": True}


def test_rules_keep_what_they_cannot_act_on(http: httpx.Client, store: OpsStore) -> None:
    body = {"display_name": "x", "webhooks": [{"url": "https://example.com"}], "group_by": "thread_id"}
    made = http.post("/runs/rules", json=body).json()
    rule: Rule = store.rules.get(uuid.UUID(made["id"]))
    assert (rule.webhooks, rule.group_by) == ([{"url": "https://example.com"}], "thread_id")
