"""Annotation queues through the unmodified client: rubrics, runs, reviewers; and what nobody should send."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from langsmith import Client
from langsmith._client import Langsmith
from langsmith.utils import LangSmithConflictError, LangSmithError, LangSmithNotFoundError
from pydantic import TypeAdapter

from app.ops.store import NotFound, OpsStore
from app.ops.store.models import Ingest, ProjectFields, RunFields
from app.ops.store.queues.models import ItemFields, ItemQuery, QueueFields, Review

KEY = {"x-api-key": "a-key-for-tests"}
START = datetime(2026, 5, 4, 12, tzinfo=UTC)

_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def http(langsmith_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=langsmith_url, headers=KEY, timeout=30) as opened:
        yield opened


@pytest.fixture
def typed(langsmith_url: str) -> Iterator[Langsmith]:
    """The SDK's generated client, which checks every answer against its schema."""
    with Langsmith(base_url=langsmith_url, api_key=KEY["x-api-key"], _strict_response_validation=True) as opened:
        yield opened


def ingest_runs(store: OpsStore, count: int, **fields: Any) -> list[uuid.UUID]:
    """Finished root runs, a minute apart."""
    ids = [uuid.uuid4() for _ in range(count)]
    runs: list[Any] = [
        {
            "id": run_id,
            "trace_id": run_id,
            "name": f"run {number}",
            "run_type": "chain",
            "inputs": {"question": f"q{number}"},
            "outputs": {"answer": f"a{number}"},
            "start_time": (START + timedelta(minutes=number)).isoformat(),
            "end_time": (START + timedelta(minutes=number, seconds=1)).isoformat(),
            **fields,
        }
        for number, run_id in enumerate(ids)
    ]
    store.ingest(Ingest(posts=[_RUN.validate_python(run) for run in runs]))
    return ids


def test_a_queue_is_made_read_changed_listed_and_deleted(client: Client) -> None:
    made = client.create_annotation_queue(
        name="Hard ones",
        description="Look twice",
        rubric_instructions="Be strict",
        rubric_items=[{"feedback_key": "correct", "is_required": True, "value_descriptions": {"1": "right"}}],
    )
    read = client.read_annotation_queue(made.id)
    assert (read.name, read.description, read.rubric_instructions) == ("Hard ones", "Look twice", "Be strict")
    assert read.rubric_items is not None
    assert read.rubric_items[0]["value_descriptions"] == {"1": "right"}
    client.update_annotation_queue(made.id, name="Easy ones")
    assert client.read_annotation_queue(made.id).name == "Easy ones"
    assert client.read_annotation_queue(made.id).description == "Look twice"
    assert [queue.id for queue in client.list_annotation_queues(name_contains="EASY")] == [made.id]
    assert [queue.id for queue in client.list_annotation_queues(queue_ids=[made.id])] == [made.id]
    assert list(client.list_annotation_queues(name="Hard ones")) == []
    with pytest.raises(LangSmithConflictError):
        client.create_annotation_queue(name="Again", queue_id=made.id)
    client.delete_annotation_queue(made.id)
    with pytest.raises(LangSmithNotFoundError):
        client.read_annotation_queue(made.id)


def test_a_rubric_copied_to_another_queue_is_the_same_and_shows_its_config(client: Client) -> None:
    client.create_feedback_config("correct", feedback_config={"type": "continuous", "min": 0, "max": 1})
    condition: Any = {"join": "all", "rules": [{"key": "correct", "op": "is", "values": [0]}]}
    first = client.create_annotation_queue(
        name="first",
        rubric_items=[{"feedback_key": "correct"}, {"feedback_key": "why", "visible_if": condition}],
    )
    rubric = client.read_annotation_queue(first.id).rubric_items
    assert rubric is not None
    assert rubric[0]["feedback_config"] is not None
    assert rubric[1]["visible_if"]["rules"][0]["key"] == "correct"  # type: ignore[index]
    second = client.create_annotation_queue(name="second", rubric_items=rubric)
    assert client.read_annotation_queue(second.id).rubric_items == rubric
    client.update_annotation_queue(first.id, rubric_items=[{"feedback_key": "why", "description": "Say why"}])
    (kept,) = client.read_annotation_queue(first.id).rubric_items or []
    assert (kept["description"], kept["visible_if"]) == ("Say why", rubric[1]["visible_if"])
    client.update_annotation_queue(first.id, rubric_items=[{"feedback_key": "why", "visible_if": None}])
    (cleared,) = client.read_annotation_queue(first.id).rubric_items or []
    assert cleared["visible_if"] is None


def test_runs_are_added_read_by_place_listed_and_taken_out(client: Client, store: OpsStore) -> None:
    run_ids = ingest_runs(store, 3)
    queue = client.create_annotation_queue(name="queue")
    client.add_runs_to_annotation_queue(queue.id, run_ids=[run_ids[0], run_ids[1]])
    client.add_runs_to_annotation_queue(
        queue.id,
        runs=[{"run_id": run_ids[2], "session_id": uuid.uuid4(), "start_time": START}],
    )
    client.add_runs_to_annotation_queue(queue.id, run_ids=[run_ids[0]])  # it waits already
    assert [client.get_run_from_annotation_queue(queue.id, index=place).id for place in range(3)] == run_ids
    with pytest.raises(LangSmithNotFoundError):
        client.get_run_from_annotation_queue(queue.id, index=3)
    listed = list(client.list_runs_from_annotation_queue(queue.id))
    assert [run.id for run in listed] == run_ids
    assert listed[0].outputs == {"answer": "a0"}
    assert listed[0].added_at is not None
    client.delete_run_from_annotation_queue(queue.id, run_id=run_ids[1])
    assert [run.id for run in client.list_runs_from_annotation_queue(queue.id)] == [run_ids[0], run_ids[2]]
    with pytest.raises(LangSmithNotFoundError):
        client.delete_run_from_annotation_queue(queue.id, run_id=run_ids[1])


def test_a_run_traced_a_moment_ago_can_be_queued(client: Client) -> None:
    run_id = uuid.uuid4()
    client.create_run(
        "turn", {"x": 1}, "chain", id=run_id, trace_id=run_id, dotted_order=f"20260504T120000000000Z{run_id}"
    )
    client.flush()
    queue = client.create_annotation_queue(name="queue")
    client.add_runs_to_annotation_queue(queue.id, run_ids=[run_id])
    assert client.get_run_from_annotation_queue(queue.id, index=0).inputs == {"x": 1}


def test_a_run_that_is_not_known_adds_nothing(client: Client, store: OpsStore) -> None:
    (known,) = ingest_runs(store, 1)
    queue = client.create_annotation_queue(name="queue")
    with pytest.raises(LangSmithNotFoundError, match="once it has been ingested"):
        client.add_runs_to_annotation_queue(queue.id, run_ids=[known, uuid.uuid4()])
    assert list(client.list_runs_from_annotation_queue(queue.id)) == []


def test_the_typed_client_works_a_queue(typed: Langsmith, store: OpsStore) -> None:
    run_ids = ingest_runs(store, 3)
    queue = typed.annotation_queues.annotation_queues(name="queue", metadata={"team": "red"})
    assert typed.annotation_queues.retrieve(queue.id).metadata == {"team": "red"}
    added = typed.annotation_queues.runs.create(queue.id, body=[str(run_id) for run_id in run_ids])
    assert [entry.run_id for entry in added] == [str(run_id) for run_id in run_ids]
    assert [found.id for found in typed.annotation_queues.retrieve_queues(str(run_ids[0]))] == [queue.id]
    assert [found.total_runs for found in typed.annotation_queues.retrieve_annotation_queues()] == [3]
    typed.annotation_queues.create_run_status(added[0].id, status="completed")
    sizes = typed.annotation_queues
    assert sizes.retrieve_size(queue.id).size == 2
    assert sizes.retrieve_size(queue.id, status="completed").size == 1
    assert sizes.retrieve_total_size(queue.id).size == 3
    assert sizes.retrieve_total_archived(queue.id).size == 1
    assert sizes.retrieve_total_archived(queue.id, start_time="2100-01-01T00:00:00Z").size == 0
    typed.annotation_queues.runs.update(added[1].id, queue_id=queue.id, last_reviewed_time=START)
    assert sizes.retrieve_total_archived(queue.id).size == 2
    typed.annotation_queues.runs.update(added[1].id, queue_id=queue.id, last_reviewed_time=None)
    assert sizes.retrieve_total_archived(queue.id).size == 1
    typed.annotation_queues.runs.delete_all(queue.id, run_ids=[str(run_ids[1])])
    assert sizes.retrieve_total_size(queue.id).size == 2
    typed.annotation_queues.runs.delete_all(queue.id, delete_all=True, exclude_run_ids=[str(run_ids[2])])
    assert [item.run_id for item in typed.annotation_queues.items.list(queue.id, status="needs_my_review")] == [
        str(run_ids[2])
    ]


def test_items_are_paged_forward_and_backward(typed: Langsmith, store: OpsStore) -> None:
    run_ids = [str(run_id) for run_id in ingest_runs(store, 7)]
    queue = typed.annotation_queues.annotation_queues(name="queue")
    items = typed.annotation_queues.items
    made = items.create(queue.id, items=[{"item_type": "RUN", "run_id": run_id} for run_id in run_ids])
    assert [item.run_id for item in made.items or []] == run_ids
    listed = list(items.list(queue.id, status="needs_my_review", page_size=3))
    assert [item.run_id for item in listed] == run_ids
    place = items.retrieve_placement(str(listed[4].id), queue_id=queue.id)
    assert (place.position, place.section, place.item_type) == (4, "needs_my_review", "RUN")
    assert place.cursor is not None
    onward = items.list(queue.id, status="needs_my_review", cursor=place.cursor, page_size=2)
    assert [item.run_id for item in onward.items] == run_ids[4:6]
    back = items.list(queue.id, status="needs_my_review", cursor=place.cursor, direction="backward", page_size=3)
    assert [item.run_id for item in back.items] == run_ids[1:4]
    assert back.next_cursor is not None
    first = items.list(queue.id, status="needs_my_review", cursor=back.next_cursor, direction="backward")
    assert [item.run_id for item in first.items] == run_ids[:1]
    since = items.list(queue.id, status="needs_my_review", min_start_time=START + timedelta(minutes=5))
    assert [item.run_id for item in since.items] == run_ids[5:]
    assert items.retrieve_count(queue.id, status="all", max_start_time=START).count == 1


def test_threads_can_be_queued_beside_runs(typed: Langsmith, store: OpsStore) -> None:
    project = store.projects.find()[0].id
    queue = typed.annotation_queues.annotation_queues(name="queue")
    items = typed.annotation_queues.items
    for _ in range(2):
        items.create(queue.id, items=[{"item_type": "THREAD", "thread_id": "t-1", "session_id": str(project)}])
    (thread,) = items.list(queue.id, status="needs_my_review", item_type="THREAD").items
    assert (thread.thread_id, thread.project_id, thread.run_id) == ("t-1", str(project), None)
    done = items.create_status(str(thread.id), status="completed")
    assert done.is_archived
    assert [item.id for item in items.list(queue.id, status="archived")] == [thread.id]
    moved = items.update(str(thread.id), queue_id=queue.id, added_at=START)
    assert moved.added_at is not None
    assert moved.added_at.startswith("2026-05-04T12:00:00")
    items.delete_all(queue.id, item_ids=[str(thread.id)])
    assert items.retrieve_count(queue.id, status="all").count == 0


def test_an_item_leaves_when_enough_reviewers_completed_it(store: OpsStore) -> None:
    (run_id,) = ingest_runs(store, 1)
    queue = store.queues.create(QueueFields(name="queue", num_reviewers_per_item=2))
    (item_id,) = store.queues.items.add(queue.id, [ItemFields(run_id=run_id)])

    def sections() -> list[str]:
        return [store.queues.board(queue.id, who).get(item_id).section for who in ("ada", "bob", "eve")]

    assert sections() == ["needs_my_review"] * 3
    store.queues.items.review(item_id, Review(status="completed"), reviewer="ada")
    assert sections() == ["needs_others_review", "needs_my_review", "needs_my_review"]
    store.queues.items.review(item_id, Review(status="viewed"), reviewer="bob")
    assert sections() == ["needs_others_review", "needs_my_review", "needs_others_review"]
    store.queues.items.review(item_id, Review(status=None), reviewer="bob")
    store.queues.items.review(item_id, Review(status="viewed"), reviewer="ada")  # takes nothing back
    assert sections() == ["needs_others_review", "needs_my_review", "needs_my_review"]
    store.queues.items.review(item_id, Review(status="completed"), reviewer="eve")
    assert sections() == ["archived"] * 3
    item = store.queues.board(queue.id, "ada").get(item_id)
    assert item.completed_by == ["ada", "eve"]
    assert item.archived_at is not None
    assert store.queues.items.add(queue.id, [ItemFields(run_id=run_id)]) == [item_id]  # comes back
    assert sections() == ["needs_my_review"] * 3


def test_a_reservation_ends_after_its_minutes(store: OpsStore) -> None:
    (run_id,) = ingest_runs(store, 1)
    queue = store.queues.create(QueueFields(name="queue", reservation_minutes=5))
    (item_id,) = store.queues.items.add(queue.id, [ItemFields(run_id=run_id)])
    store.queues.items.review(item_id, Review(status="viewed"), reviewer="ada")
    board = store.queues.board(queue.id, "bob")
    assert board.get(item_id).section == "needs_others_review"
    assert board.get(item_id).reserved_by == ["ada"]
    board._now += timedelta(minutes=6)
    assert board.get(item_id).section == "needs_my_review"
    assert board.get(item_id).reserved_by == []


def test_a_reviewer_can_put_an_item_off(store: OpsStore) -> None:
    run_ids = ingest_runs(store, 3)
    queue = store.queues.create(QueueFields(name="queue"))
    items = store.queues.items.add(queue.id, [ItemFields(run_id=run_id) for run_id in run_ids])
    later = datetime.now(UTC) + timedelta(hours=1)
    store.queues.items.review(items[0], Review(override_added_at=later), reviewer="ada")
    mine = ItemQuery(section="needs_my_review")
    assert [item.id for item in store.queues.board(queue.id, "ada").find(mine)] == [items[1], items[2], items[0]]
    assert [item.id for item in store.queues.board(queue.id, "bob").find(mine)] == items


def test_a_queue_is_filled_from_experiments_only(typed: Langsmith, http: httpx.Client, store: OpsStore) -> None:
    experiment = store.projects.create(ProjectFields(name="exp", reference_dataset_id=uuid.uuid4()))
    run_ids = ingest_runs(store, 2, session_id=str(experiment.id))
    ingest_runs(store, 1)
    queue = typed.annotation_queues.annotation_queues(name="queue")
    typed.annotation_queues.populate(queue_id=queue.id, session_ids=[str(experiment.id)])
    listed = typed.annotation_queues.items.list(queue.id, status="needs_my_review")
    assert [item.run_id for item in listed] == [str(run_id) for run_id in run_ids]
    plain = store.projects.find(name="default")[0].id
    body = {"queue_id": queue.id, "session_ids": [str(plain)]}
    refused = http.post("/annotation-queues/populate", json=body)
    assert (refused.status_code, "not an experiment" in refused.json()["detail"]) == (422, True)
    at_once = typed.annotation_queues.annotation_queues(name="other", session_ids=[str(experiment.id)])
    assert store.queues.get(uuid.UUID(at_once.id)).total_runs == 2


def test_archived_runs_are_exported_as_a_table(http: httpx.Client, store: OpsStore) -> None:
    run_ids = ingest_runs(store, 2)
    queue = store.queues.create(QueueFields(name="queue"))
    items = store.queues.items.add(queue.id, [ItemFields(run_id=run_id) for run_id in run_ids])
    store.queues.items.review(items[1], Review(status="completed"), reviewer="ada")
    answer = http.post(f"/annotation-queues/{queue.id}/export", json={"include_annotator_detail": True})
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["id"], row["inputs"], row["completed_by"]) == (str(run_ids[1]), '{"question":"q1"}', '["ada"]')


def test_items_go_with_their_run_and_with_their_queue(store: OpsStore) -> None:
    run_ids = ingest_runs(store, 2)
    queue = store.queues.create(QueueFields(name="queue"))
    items = store.queues.items.add(queue.id, [ItemFields(run_id=run_id) for run_id in run_ids])
    store.queues.items.review(items[0], Review(status="completed"), reviewer="ada")
    store.runs.delete([run_ids[0]])
    assert [item.run_id for item in store.queues.board(queue.id, "ada").find()] == [run_ids[1]]
    store.queues.delete(queue.id)
    assert store.queues.holding(run_ids[1]) == []
    with pytest.raises(NotFound):
        store.queues.items.review(items[1], Review(status="viewed"), reviewer="ada")


def test_another_queues_items_are_not_reached(typed: Langsmith, http: httpx.Client, store: OpsStore) -> None:
    (run_id,) = ingest_runs(store, 1)
    mine, other = (store.queues.create(QueueFields(name=name)) for name in ("mine", "other"))
    (item_id,) = store.queues.items.add(other.id, [ItemFields(run_id=run_id)])
    for method, path in [
        ("PATCH", f"/annotation-queues/{mine.id}/items/{item_id}"),
        ("GET", f"/annotation-queues/{mine.id}/items/{item_id}/placement"),
        ("PATCH", f"/annotation-queues/{mine.id}/runs/{item_id}"),
        ("DELETE", f"/annotation-queues/{mine.id}/runs/{item_id}"),
    ]:
        assert http.request(method, path, json={}).status_code == 404, path
    typed.annotation_queues.items.delete_all(str(mine.id), item_ids=[str(item_id)])
    assert store.queues.get(other.id).total_runs == 1


QUEUE = "/annotation-queues/{queue}"


ODD_REQUESTS = [
    ("POST", "/annotation-queues", b"{}", 422),
    ("POST", "/annotation-queues", b'{"name": ""}', 422),
    ("POST", "/annotation-queues", b'{"name": "\\ud800"}', 422),
    ("POST", "/annotation-queues", b'{"name": "x", "id": "1"}', 422),
    ("POST", "/annotation-queues", b'{"name": "x", "num_reviewers_per_item": 0}', 422),
    ("POST", "/annotation-queues", b'{"name": "x", "reservation_minutes": 1e99}', 422),
    ("POST", "/annotation-queues", b'{"name": "x", "rubric_items": [{}]}', 422),
    ("POST", "/annotation-queues", b'{"name": "a\\u0000b", "description": "\\u0000"}', 200),
    ("GET", "/annotation-queues?limit=1000", None, 422),
    ("GET", "/annotation-queues?ids=x", None, 422),
    ("GET", "/annotation-queues?name=%00&name_contains=%00%25", None, 200),
    ("GET", "/annotation-queues?queue_type=pairwise", None, 200),
    ("GET", f"/annotation-queues/{uuid.UUID(int=1)}", None, 404),
    ("PATCH", QUEUE, b'{"name": 5}', 422),
    ("PATCH", QUEUE, b'{"name": null}', 200),
    ("POST", QUEUE + "/runs", b"{}", 422),
    ("POST", QUEUE + "/runs", b'["x"]', 422),
    ("POST", QUEUE + "/runs", b"[" + b",".join([b'"%032x"' % n for n in range(10_001)]) + b"]", 422),
    ("GET", QUEUE + "/runs?status=lost", None, 422),
    ("GET", QUEUE + "/run/-1", None, 404),
    ("GET", QUEUE + "/run/99999999999999999999", None, 404),
    ("POST", QUEUE + "/items", b'{"items": [{"item_type": "RUN"}]}', 422),
    ("POST", QUEUE + "/items", b'{"items": [{"item_type": "THREAD", "thread_id": "a"}]}', 422),
    ("GET", QUEUE + "/items", None, 422),
    ("GET", QUEUE + "/items?status=archived&cursor=x", None, 422),
    ("GET", QUEUE + "/items?status=archived&cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OSwxXQ==", None, 422),
    ("GET", QUEUE + "/items?status=archived&cursor=WzEsOTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5XQ==", None, 200),
    ("GET", QUEUE + "/items?status=archived&direction=backward", None, 422),
    ("GET", QUEUE + "/items?status=archived&min_start_time=0001-01-01T00:00:00Z", None, 200),
    ("GET", QUEUE + "/items?status=archived&max_start_time=yesterday", None, 422),
    ("GET", QUEUE + "/items/count?status=most", None, 422),
    ("POST", f"/annotation-queues/status/{uuid.UUID(int=1)}", b'{"status": "completed"}', 404),
    ("POST", f"/annotation-queues/items/{uuid.UUID(int=1)}/status", b'{"status": "burned"}', 422),
    ("POST", f"/annotation-queues/{uuid.UUID(int=1)}/export", b"{}", 404),
]


def test_what_nobody_should_send_gets_a_sentence(
    http: httpx.Client, store: OpsStore, subtests: pytest.Subtests
) -> None:
    for method, path, body, status in ODD_REQUESTS:
        with subtests.test(method=method, path=path, body=body):
            queue = store.queues.create(QueueFields(name="queue"))
            before = store.queues.find()
            answer = http.request(method, path.format(queue=queue.id), content=body)
            assert answer.status_code == status, answer.text
            if status >= 400:
                assert answer.json()["detail"].endswith(".")
                assert store.queues.find() == before


def test_a_refused_batch_of_runs_is_refused_whole(client: Client, store: OpsStore) -> None:
    queue = client.create_annotation_queue(name="queue")
    with pytest.raises(LangSmithError):
        client.request_with_retries("POST", f"/annotation-queues/{queue.id}/runs", json=[str(uuid.uuid4()), 5])
    assert store.queues.board(queue.id, "ada").find() == []
