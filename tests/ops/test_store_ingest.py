"""What the store makes of runs and feedback, in whatever order they arrive."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.ops.store import Ingest, InvalidRecord, OpsStore, Run, RunQuery
from app.ops.store.models import FeedbackFields, RunFields
from app.ops.store.usage import reported_usage

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_run(**changes: Any) -> RunFields:
    run_id = changes.pop("id", None) or uuid4()
    return RunFields(**({"id": run_id, "name": "one", "run_type": "chain", "start_time": START} | changes))


def get(store: OpsStore, run_id: UUID) -> Run:
    run = store.run(run_id)
    assert run is not None
    return run


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
    patch = RunFields(
        id=run_id,
        end_time=START + timedelta(seconds=2),
        outputs={"answer": "x"},
        extra={"metadata": {"status": "answered"}},
    )
    judgement = FeedbackFields(run_id=run_id, key="user_score", score=1)
    requests = [Ingest(posts=[post]), Ingest(patches=[patch]), Ingest(feedback=[judgement])]
    for number in order:
        store.ingest(requests[number])
    run = get(store, run_id)
    assert (run.name, run.run_type, run.start_time, run.trace_id) == ("turn", "chain", START, run_id)
    assert (run.inputs, run.outputs, run.tags) == ({"q": 1}, {"answer": "x"}, ["a"])
    assert run.extra == {"metadata": {"variant": "a", "status": "answered"}, "runtime": {"sdk": "x"}}
    assert (run.status, run.latency_s) == ("success", 2.0)
    (found,) = store.feedback(run_ids=[run_id])
    assert {found.project_id, run.project_id} == {project.id for project in store.projects("parley")}


def test_a_request_sent_again_changes_nothing(store: OpsStore) -> None:
    run_id = uuid4()
    batch = Ingest(posts=[a_run(id=run_id)], feedback=[FeedbackFields(id=uuid4(), run_id=run_id, key="k", score=1)])
    store.ingest(batch)
    store.ingest(Ingest(patches=[RunFields(id=run_id, end_time=START, outputs={"y": 1})]))
    before = get(store, run_id)
    store.ingest(batch)
    assert get(store, run_id) == before
    assert len(store.feedback(run_ids=[run_id])) == 1


def test_a_request_is_stored_whole_or_not_at_all(store: OpsStore) -> None:
    good, bad = a_run(session_name="new"), a_run(session_id=uuid4())
    with pytest.raises(InvalidRecord, match="does not exist"):
        store.ingest(Ingest(posts=[good, bad], feedback=[FeedbackFields(run_id=good.id, key="k")]))
    assert store.run(good.id) is None
    assert store.feedback() == []
    assert [project.name for project in store.projects()] == ["default"]


def test_a_child_that_names_only_its_parent_joins_its_trace(store: OpsStore) -> None:
    parent, child = a_run(session_name="parley"), uuid4()
    store.ingest(Ingest(posts=[parent]))
    store.ingest(Ingest(posts=[a_run(id=child, parent_run_id=parent.id, start_time=START + timedelta(seconds=1))]))
    assert [run.id for run in store.trace(parent.id)] == [parent.id, child]
    assert get(store, child).ancestors == [parent.id]
    assert get(store, child).project_id == get(store, parent.id).project_id


def test_first_token_thread_and_skewed_clocks(store: OpsStore) -> None:
    run = a_run(
        end_time=START - timedelta(seconds=5),
        events=[{"name": "start"}, {"name": "new_token", "time": "2026-03-01T12:00:00.5Z"}, {"name": "new_token"}],
        extra={"metadata": {"thread_id": "t", "session_id": "s"}},
    )
    broken = a_run(events=[{"name": "new_token", "time": "soon"}], extra={"metadata": "none"})
    store.ingest(Ingest(posts=[run, broken]))
    stored = get(store, run.id)
    assert stored.first_token_time == START + timedelta(milliseconds=500)
    assert (stored.latency_s, stored.thread_id) == (0.0, "s")
    assert (get(store, broken.id).first_token_time, get(store, broken.id).metadata) == (None, {})


# Tokens and costs

USAGE = {"input_tokens": 10, "output_tokens": 5, "total_cost": 0.5}
MESSAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "input_token_details": {"cache_read": 4}}


@pytest.mark.parametrize(
    ("extra", "outputs"),
    [
        ({"metadata": {"usage_metadata": MESSAGE}}, {"usage_metadata": {"input_tokens": 999}}),
        ({}, {"usage_metadata": MESSAGE}),
        ({}, {"generations": [[{"message": {"kwargs": {"usage_metadata": MESSAGE}}}]]}),
        ({}, {"generations": [{"message": {"usage_metadata": MESSAGE}}]}),
        ({}, {"llm_output": {"token_usage": {"prompt_tokens": 10, "completion_tokens": 5}}}),
        ({"metadata": {"usage_metadata": {"input_tokens": -3}}}, {"usage_metadata": MESSAGE}),
    ],
)
def test_usage_is_read_where_providers_put_it(extra: dict[str, Any], outputs: dict[str, Any]) -> None:
    usage = reported_usage("llm", extra, outputs)
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 5, 15)


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        1,
        "x",
        [],
        {},
        {"input_tokens": -1},
        {"input_tokens": True},
        {"input_tokens": "9"},
        {"total_tokens": 1e300},
    ],
)
def test_usage_that_cannot_be_is_left_out(nonsense: Any) -> None:
    outputs = {"usage_metadata": nonsense, "generations": nonsense, "llm_output": nonsense}
    assert reported_usage("llm", {"metadata": {"usage_metadata": nonsense}}, outputs) is None


def test_several_generations_add_up() -> None:
    two = {"generations": [[{"message": {"kwargs": {"usage_metadata": MESSAGE}}}] * 2]}
    usage = reported_usage("llm", {}, two)
    assert usage is not None
    assert usage.total_tokens == 30


def tree(store: OpsStore, *, reverse: bool = False) -> dict[str, UUID]:
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
    for post in reversed(posts) if reverse else posts:
        store.ingest(Ingest(posts=[post]))
    return ids


@pytest.mark.parametrize("reverse", [False, True])
def test_parents_add_up_their_model_calls_once(store: OpsStore, reverse: bool) -> None:
    ids = tree(store, reverse=reverse)
    tokens = {name: get(store, run_id).total_tokens for name, run_id in ids.items()}
    assert tokens == {"turn": 30, "agent": 15, "model": 15, "inner": 15, "model2": 15, "chain": None}
    assert get(store, ids["turn"]).total_cost == 1.0


def test_usage_that_changes_changes_the_sums(store: OpsStore) -> None:
    ids = tree(store)
    store.ingest(Ingest(patches=[RunFields(id=ids["model2"], outputs={"usage_metadata": {"input_tokens": 1}})]))
    assert get(store, ids["turn"]).total_tokens == 16


def test_runs_that_are_their_own_ancestors_do_no_harm(store: OpsStore) -> None:
    one, two, trace = uuid4(), uuid4(), uuid4()
    posts = [
        a_run(id=one, trace_id=trace, parent_run_id=two, run_type="llm", outputs={"usage_metadata": USAGE}),
        a_run(id=two, trace_id=trace, parent_run_id=one),
        a_run(id=uuid4(), trace_id=trace, parent_run_id=uuid4()),
    ]
    store.ingest(Ingest(posts=posts))
    assert (get(store, one).total_tokens, get(store, two).total_tokens) == (15, None)


# The file


def test_many_threads_write_and_read_at_once(store: OpsStore) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                run = a_run()
                store.ingest(Ingest(posts=[run]))
                assert store.run(run.id) is not None
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.query_runs(RunQuery(limit=1000)).runs) == 120


def test_reports_cannot_write_and_see_one_moment(store: OpsStore) -> None:
    with store.read() as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone()[0] == 0
        store.ingest(Ingest(posts=[a_run()]))
        assert db.execute("SELECT count(*) FROM runs").fetchone()[0] == 0
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM runs")
    with store.read() as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone()[0] == 1


_WRITER = """
import sys
from pathlib import Path
from uuid import uuid4
from app.ops.store import Ingest, OpsStore
from app.ops.store.models import FeedbackFields, RunFields

store = OpsStore.open(Path(sys.argv[1]))
while True:
    runs = [RunFields(id=uuid4(), name="one", inputs={"x": "y" * 5000}) for _ in range(5)]
    store.ingest(Ingest(posts=runs, feedback=[FeedbackFields(run_id=runs[0].id, key="k", score=1)]))
    print(*[run.id for run in runs], flush=True)
"""


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "ops.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(20)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [line for line in writer.stdout.readlines() if line.endswith("\n")]
    writer.wait()
    store = OpsStore.open(path)
    with store.read() as db:
        present = {row["id"] for row in db.execute("SELECT id FROM runs")}
        assert set("".join(acknowledged).split()) <= present
        (judged,) = db.execute("SELECT count(*) FROM feedback").fetchone()
        assert len(present) == 5 * judged
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    store.close()
