"""What the store makes of runs and feedback, in whatever order they arrive."""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import TypeAdapter
from sqlalchemy import delete, func, select
from sqlalchemy.exc import InternalError, OperationalError

from app.ops.store import Ingest, InvalidRecord, OpsStore, RunQuery
from app.ops.store.models import FeedbackFields, RunFields
from app.ops.store.tables import runs

_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_run(**changes: Any) -> RunFields:
    run_id = changes.pop("id", None) or uuid4()
    return _RUN.validate_python({"id": run_id, "name": "one", "run_type": "chain", "start_time": START} | changes)


def a_patch(run_id: UUID, **changes: Any) -> RunFields:
    return _RUN.validate_python({"id": run_id} | changes)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_posts_patches_and_feedback_merge_in_any_order(store: OpsStore, order: tuple[int, ...]) -> None:
    run_id = uuid4()
    post = a_run(
        id=run_id,
        name="turn",
        inputs={"q": 1},
        tags=["a"],
        extra={"metadata": {"variant": "a", "status": "begun"}, "runtime": {"sdk": "x"}},
        session_name="parley",
    )
    patch = a_patch(
        run_id,
        end_time=START + timedelta(seconds=2),
        outputs={"answer": "x"},
        extra={"metadata": {"status": "answered"}},
    )
    judgement = FeedbackFields(run_id=run_id, key="user_score", score=1)
    requests = [Ingest(posts=[post]), Ingest(patches=[patch]), Ingest(feedback=[judgement])]
    for number in order:
        store.ingest(requests[number])
    run = store.runs.get(run_id)
    assert (run.name, run.run_type, run.start_time, run.trace_id) == ("turn", "chain", START, run_id)
    assert (run.inputs, run.outputs, run.tags) == ({"q": 1}, {"answer": "x"}, ["a"])
    assert run.extra == {"metadata": {"variant": "a", "status": "answered"}, "runtime": {"sdk": "x"}}
    assert (run.status, run.latency_s) == ("success", 2.0)
    (found,) = store.feedback.find(run_ids=[run_id])
    assert {found.project_id, run.project_id} == {project.id for project in store.projects.find(name="parley")}


def test_a_request_sent_again_changes_nothing(store: OpsStore) -> None:
    run_id = uuid4()
    batch = Ingest(posts=[a_run(id=run_id)], feedback=[FeedbackFields(id=uuid4(), run_id=run_id, key="k", score=1)])
    store.ingest(batch)
    store.ingest(Ingest(patches=[a_patch(run_id, end_time=START, outputs={"y": 1})]))
    before = store.runs.get(run_id)
    store.ingest(batch)
    assert store.runs.get(run_id) == before
    assert len(store.feedback.find(run_ids=[run_id])) == 1


def test_a_request_is_stored_whole_or_not_at_all(store: OpsStore) -> None:
    good, bad = a_run(session_name="new"), a_run(session_id=uuid4())
    with pytest.raises(InvalidRecord, match="does not exist"):
        store.ingest(Ingest(posts=[good, bad], feedback=[FeedbackFields(run_id=good["id"], key="k")]))
    assert store.runs.many([good["id"]]) == []
    assert store.feedback.find() == []
    assert [project.name for project in store.projects.find()] == ["default"]


def test_a_child_that_names_only_its_parent_joins_its_trace(store: OpsStore) -> None:
    parent, child = a_run(session_name="parley"), uuid4()
    store.ingest(Ingest(posts=[parent]))
    store.ingest(Ingest(posts=[a_run(id=child, parent_run_id=parent["id"], start_time=START + timedelta(seconds=1))]))
    assert [run.id for run in store.runs.trace(parent["id"])] == [parent["id"], child]
    assert store.runs.get(child).ancestors == [parent["id"]]
    assert store.runs.get(child).project_id == store.runs.get(parent["id"]).project_id


def test_first_token_thread_and_skewed_clocks(store: OpsStore) -> None:
    run = a_run(
        end_time=START - timedelta(seconds=5),
        events=[{"name": "start"}, {"name": "new_token", "time": "2026-03-01T12:00:00.5Z"}, {"name": "new_token"}],
        extra={"metadata": {"thread_id": "t", "session_id": "s"}},
    )
    broken = a_run(events=[{"name": "new_token", "time": "soon"}], extra={"metadata": "none"})
    store.ingest(Ingest(posts=[run, broken]))
    stored = store.runs.get(run["id"])
    assert stored.first_token_time == START + timedelta(milliseconds=500)
    assert (stored.latency_s, stored.thread_id) == (0.0, "s")
    assert (store.runs.get(broken["id"]).first_token_time, store.runs.get(broken["id"]).metadata) == (None, {})


# Tokens and costs

USAGE = {"input_tokens": 10, "output_tokens": 5, "total_cost": 0.5}


def tree(store: OpsStore, *, reverse: bool = False, at_once: bool = False) -> dict[str, UUID]:
    """turn > (agent > (model > inner model), model 2), chain that only hands on a message."""
    ids = {name: uuid4() for name in ("turn", "agent", "model", "inner", "model2", "chain")}
    parents = {"agent": "turn", "model": "agent", "inner": "model", "model2": "turn", "chain": "turn"}
    posts = [
        a_run(
            id=ids[name],
            name=name,
            trace_id=ids["turn"],
            parent_run_id=ids[parents[name]] if name in parents else None,
            run_type="llm" if name in ("model", "inner", "model2") else "chain",
            outputs={} if name in ("turn", "agent") else {"usage_metadata": USAGE},
        )
        for name in ids
    ]
    posts = posts[::-1] if reverse else posts
    for some in [posts] if at_once else [[post] for post in posts]:
        store.ingest(Ingest(posts=some))
    return ids


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_parents_add_up_their_model_calls_once(store: OpsStore, reverse: bool, at_once: bool) -> None:
    ids = tree(store, reverse=reverse, at_once=at_once)
    assert store.runs.get(ids["inner"]).ancestors == [ids[name] for name in ("turn", "agent", "model")]
    tokens = {name: store.runs.get(run_id).total_tokens for name, run_id in ids.items()}
    assert tokens == {"turn": 30, "agent": 15, "model": 15, "inner": 15, "model2": 15, "chain": None}
    assert store.runs.get(ids["turn"]).total_cost == 1.0


def test_usage_that_changes_changes_the_sums(store: OpsStore) -> None:
    ids = tree(store)
    store.ingest(Ingest(patches=[a_patch(ids["model2"], outputs={"usage_metadata": {"input_tokens": 1}})]))
    assert store.runs.get(ids["turn"]).total_tokens == 16


def test_runs_that_are_their_own_ancestors_do_no_harm(store: OpsStore) -> None:
    one, two, trace = uuid4(), uuid4(), uuid4()
    posts = [
        a_run(id=one, trace_id=trace, parent_run_id=two, run_type="llm", outputs={"usage_metadata": USAGE}),
        a_run(id=two, trace_id=trace, parent_run_id=one),
        a_run(id=uuid4(), trace_id=trace, parent_run_id=uuid4()),
    ]
    store.ingest(Ingest(posts=posts))
    assert (store.runs.get(one).total_tokens, store.runs.get(two).total_tokens) == (15, 15)


# The database


def test_many_threads_write_and_read_at_once(store: OpsStore) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                run = a_run()
                store.ingest(Ingest(posts=[run]))
                assert store.runs.many([run["id"]])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.runs.query(RunQuery(limit=1000)).runs) == 120


def test_reports_cannot_write_and_see_one_moment(store: OpsStore) -> None:
    count = select(func.count()).select_from(runs)
    with store.read() as db:
        assert db.scalar(count) == 0
        store.ingest(Ingest(posts=[a_run()]))
        assert store.runs.query(RunQuery()).runs != []
        assert db.scalar(count) == 0
        with pytest.raises((OperationalError, InternalError), match=r"read-?only"):
            db.execute(delete(runs))
    with store.read() as db:
        assert db.scalar(count) == 1


def test_a_second_process_on_the_folder_takes_nothing_of_the_first_ones_and_loses_nothing(tmp_path: Path) -> None:
    first, second = OpsStore.open(tmp_path), OpsStore.open(tmp_path)
    ours, theirs = a_run(), a_run()
    for number in range(50):
        first.ingest(Ingest(posts=[ours], patches=[a_patch(ours["id"], outputs={"step": number})]))
        second.ingest(Ingest(posts=[theirs], patches=[a_patch(theirs["id"], outputs={"step": number})]))
    for store, run in ((first, ours), (second, theirs)):
        assert store.runs.get(run["id"]).outputs == {"step": 49}
        store.close()
    reopened = OpsStore.open(tmp_path)
    assert {run.id for run in reopened.runs.query(RunQuery()).runs} == {ours["id"], theirs["id"]}
    with sqlite3.connect(tmp_path / "intake.db") as queue:
        assert queue.execute("SELECT count(*) FROM queue").fetchone() == (0,)
    reopened.close()
