"""What is too old goes, whole; what somebody still needs stays."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import TypeAdapter
from sqlalchemy import func, inspect, select

from app.ops.retention import Sweeper
from app.ops.store import Ingest, NotFound, OpsStore, RunQuery
from app.ops.store.datasets.models import DatasetFields, ExampleFields
from app.ops.store.models import Attachment, FeedbackFields, ProjectFields, RunFields
from app.ops.store.queues.models import ItemFields, QueueFields
from app.ops.store.runs.retention import Swept
from app.ops.store.tables import metadata

_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)
BOOKKEEPING = {"projects", "counters", "schema_version", "signing_keys"}


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def a_trace(store: OpsStore, age_days: float, project: str = "default", **changes: Any) -> UUID:
    """A root with two runs below it, feedback and labels; its id."""
    root, start = uuid4(), days_ago(age_days)
    shared = {"session_name": project, "trace_id": root, "tags": ["t"], "extra": {"metadata": {"k": "v"}}}
    posts = [{"id": root, "name": "turn", "start_time": start, "inputs": {"question": "Wombats?"}} | shared | changes]
    for number in (1, 2):
        later = start + timedelta(seconds=number)
        posts.append({"id": uuid4(), "parent_run_id": root, "name": "step", "start_time": later} | shared)
    store.ingest(
        Ingest(
            posts=[_RUN.validate_python(post) for post in posts],
            feedback=[FeedbackFields(run_id=root, key="user_score", score=1)],
        )
    )
    return root


def names_of(store: OpsStore) -> set[UUID]:
    return {run.trace_id for run in store.runs.query(RunQuery(limit=1000)).runs}


def rows(store: OpsStore) -> dict[str, int]:
    with store.read() as db:
        counted = {name: db.scalar(select(func.count()).select_from(table)) for name, table in metadata.tables.items()}
        counted["search"] = db.exec_driver_sql("SELECT count(*) FROM run_search").scalar()
    return {name: number for name, number in counted.items() if number and name not in BOOKKEEPING}


def test_old_traces_go_with_all_that_hangs_on_them(store: OpsStore) -> None:
    old = [a_trace(store, 10) for _ in range(30)]
    assert store.retention.expired(7) == Swept(traces=30, runs=90)
    assert store.retention.sweep(7) == Swept(traces=30, runs=90)
    assert rows(store) == {}
    with pytest.raises(NotFound):
        store.runs.get(old[0])
    assert store.retention.sweep(7) == Swept()


def test_young_traces_stay_even_if_a_step_says_it_is_old(store: OpsStore) -> None:
    young = a_trace(store, 6)
    skewed = _RUN.validate_python(
        {"id": uuid4(), "trace_id": young, "parent_run_id": young, "start_time": days_ago(1000), "name": "skewed"}
    )
    store.ingest(Ingest(posts=[skewed]))
    before = rows(store)
    assert store.retention.expired(7) == store.retention.sweep(7) == Swept()
    assert rows(store) == before


def test_steps_whose_root_never_came_go_too(store: OpsStore) -> None:
    lost = {"id": uuid4(), "trace_id": uuid4(), "parent_run_id": uuid4(), "start_time": days_ago(8), "name": "lost"}
    store.ingest(Ingest(posts=[_RUN.validate_python(lost)]))
    assert store.retention.expired(7) == store.retention.sweep(7) == Swept(traces=0, runs=1)
    assert rows(store) == {}


def test_without_a_limit_everything_stays(store: OpsStore) -> None:
    a_trace(store, 10_000)
    assert store.retention.expired(0) == store.retention.sweep(0) == Swept()


def test_a_project_may_say_otherwise(store: OpsStore) -> None:
    kept, short, usual = (a_trace(store, 10, name) for name in ("kept", "short", "usual"))
    store.runs.get(usual)
    store.projects.keep("kept", 0)
    store.projects.keep("short", 3)
    assert store.retention.sweep(0) == Swept(traces=1, runs=3)
    assert names_of(store) == {kept, usual}
    store.retention.sweep(7)
    assert names_of(store) == {kept}
    store.projects.keep("kept", None)
    store.retention.sweep(7)
    assert names_of(store) == set()
    assert short not in names_of(store)
    with pytest.raises(NotFound, match="nowhere"):
        store.projects.keep("nowhere", 1)


def test_an_experiment_stays_until_its_project_says_otherwise(store: OpsStore) -> None:
    dataset = store.datasets.create(DatasetFields(name="questions"))
    store.projects.create(ProjectFields(name="experiment", reference_dataset_id=dataset.id))
    result = a_trace(store, 100, "experiment")
    store.retention.sweep(7)
    assert names_of(store) == {result}
    store.projects.keep("experiment", 30)
    store.retention.sweep(7)
    assert names_of(store) == set()


def test_what_waits_in_a_queue_stays_until_it_was_reviewed(store: OpsStore) -> None:
    waiting, other = a_trace(store, 10), a_trace(store, 10)
    step = next(run for run in store.runs.trace(waiting) if run.parent_run_id)
    queue = store.queues.create(QueueFields(name="to review"))
    (item,) = store.queues.items.add(queue.id, [ItemFields(item_type="RUN", run_id=step.id)])
    assert store.retention.expired(7) == store.retention.sweep(7) == Swept(traces=1, runs=3)
    assert names_of(store) == {waiting}
    store.queues.items.remove(queue.id, [item])
    store.retention.sweep(7)
    assert names_of(store) == set()
    assert other not in names_of(store)


def test_an_example_outlives_the_run_it_was_made_from(store: OpsStore) -> None:
    file = Attachment(mime_type="text/plain", size_bytes=4, digest=store.blobs.put(b"file"))
    source = a_trace(store, 10, outputs={"answer": "Yes"}, attachments={"a": file})
    dataset = store.datasets.create(DatasetFields(name="from traces"))
    fields = ExampleFields(source_run_id=source, use_source_run_io=True, use_source_run_attachments=["a"])
    (made,) = store.examples.create(dataset.id, [fields]).example_ids
    grow_old(store)
    assert store.retention.sweep(7).runs == 3
    kept = store.examples.get(made)
    assert (kept.inputs, kept.outputs) == ({"question": "Wombats?"}, {"answer": "Yes"})
    assert store.blobs.path(file.digest).read_bytes() == b"file"


def test_files_go_when_nothing_refers_to_them_and_not_while_they_are_new(store: OpsStore) -> None:
    used, unused = (store.blobs.put(content) for content in (b"used", b"unused"))
    a_trace(store, 1, attachments={"a": Attachment(mime_type="text/plain", size_bytes=4, digest=used)})
    assert store.retention.sweep_blobs() == 0
    grow_old(store)
    new = store.blobs.put(b"new")
    assert store.blobs.put(b"unused") == unused
    assert store.retention.sweep_blobs() == 0
    grow_old(store)
    assert store.retention.sweep_blobs() == len(b"unused") + len(b"new")
    assert store.blobs.path(used).read_bytes() == b"used"
    with pytest.raises(NotFound):
        store.blobs.path(new)


def grow_old(store: OpsStore) -> None:
    """Let every file be two days old."""
    for file in store.blobs.folder.glob("??/*"):
        os.utime(file, times=(days_ago(2).timestamp(),) * 2)


def test_others_write_while_it_sweeps(store: OpsStore) -> None:
    for _ in range(10):
        store.ingest(
            Ingest(
                posts=[
                    _RUN.validate_python({"id": uuid4(), "name": "old", "start_time": days_ago(9)}) for _ in range(200)
                ]
            )
        )
    store.retention.expired(7)
    waits: list[float] = []
    sweep = threading.Thread(target=store.retention.sweep, args=(7,))
    sweep.start()
    while sweep.is_alive():
        began = time.perf_counter()
        with store.database.write():
            waits.append(time.perf_counter() - began)
        time.sleep(0.002)
    assert rows(store) == {}
    assert len(waits) > 5, "the sweep must let others in between"


def test_the_space_goes_back_to_the_disk(store: OpsStore) -> None:
    size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    if not store.database.is_sqlite:
        size = "SELECT sum(pg_relation_size(relid)) FROM pg_statio_user_tables WHERE schemaname = current_schema()"
    for _ in range(50):
        a_trace(store, 9, outputs={"x": os.urandom(10_000).hex()})
    store.retention.sweep(7)
    sizes = []
    for _ in range(2):
        with store.read() as db:
            sizes.append(db.exec_driver_sql(size).scalar())
            assert inspect(db).has_table("runs")
        store.database.vacuum()
    if store.database.is_sqlite:
        assert sizes[1] < sizes[0] / 2
    a_trace(store, 1)
    assert len(names_of(store)) == 1


def test_the_sweeper_sweeps_by_itself(store: OpsStore) -> None:
    a_trace(store, 9)
    sweeper = Sweeper(lambda: [store], keep_days=7, first_after_s=0.05)
    sweeper.start()
    deadline = time.monotonic() + 30
    while names_of(store) and time.monotonic() < deadline:
        time.sleep(0.05)
    sweeper.close()
    assert names_of(store) == set()
