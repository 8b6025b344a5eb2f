"""Batches are taken in by a process of its own where Parley serves: it may end at any moment, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from langsmith import Client
from pydantic import TypeAdapter

from app.ops.store import Ingest, OpsStore, RunQuery
from app.ops.store.costs.models import PriceFields
from app.ops.store.intake.intake import Intake
from app.ops.store.intake.process import IntakeProcess
from app.ops.store.intake.taking import Refused
from app.ops.store.models import RunFields

_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)
USED = {"usage_metadata": {"input_tokens": 1000, "output_tokens": 100}}


@pytest.fixture
def process() -> Iterator[IntakeProcess]:
    started = IntakeProcess()
    yield started
    started.close()


@pytest.fixture
def store(open_store: Callable[[], OpsStore], process: IntakeProcess) -> OpsStore:
    opened = open_store()
    opened.work(process)
    return opened


def a_run(**fields: Any) -> RunFields:
    return _RUN.validate_python({"id": uuid4(), "name": "one", "run_type": "chain"} | fields)


def intake_process_of(pid: int) -> psutil.Process:
    """The one intake process that a process below this one has started."""
    below = psutil.Process(pid).children(recursive=True)
    (found,) = [one for one in below if IntakeProcess.__module__ in one.cmdline()]
    return found


def test_what_is_acknowledged_is_read_at_once(store: OpsStore) -> None:
    sent = [a_run() for _ in range(30)]
    for run in sent:
        store.ingest(Ingest(posts=[run]))
        assert store.runs.get(run["id"]).name == "one"


def test_a_price_that_is_set_here_counts_there(store: OpsStore) -> None:
    extra = {"metadata": {"ls_model_name": "house"}}
    before, after = (a_run(run_type="llm", outputs=USED, extra=extra) for _ in range(2))
    store.ingest(Ingest(posts=[before]))
    assert store.runs.get(before["id"]).total_cost is None
    store.prices.create(
        PriceFields(name="house", match_pattern="^house$", prompt_cost=Decimal("0.001"), completion_cost=Decimal(0))
    )
    store.ingest(Ingest(posts=[after]))
    assert store.runs.get(after["id"]).prompt_cost == 1


def test_after_a_crash_it_starts_again_and_nothing_is_lost(
    store: OpsStore, process: IntakeProcess, caplog: pytest.LogCaptureFixture
) -> None:
    store.ingest(Ingest(posts=[a_run()]))
    assert store.runs.query(RunQuery()).runs
    assert process.pid
    psutil.Process(process.pid).kill()
    run = a_run()
    store.ingest(Ingest(posts=[run]))
    assert store.runs.get(run["id"])
    assert len(store.runs.query(RunQuery()).runs) == 2
    assert "tried again" in caplog.text


def test_writers_of_this_process_and_the_other_take_turns(store: OpsStore) -> None:
    for number in range(20):
        store.ingest(Ingest(posts=[a_run(session_name=f"project {number}") for _ in range(50)]))
        store.saved_filters.save(f"filter {number}", "status=failed")
    assert len(store.projects.find()) == 21
    assert store.runs_received() == 1000


def test_a_batch_that_cannot_be_stored_is_set_aside_and_the_others_are_stored(tmp_path: Path) -> None:
    stored: list[bytes] = []

    def take(batches: list[bytes]) -> None:
        if any(b"poison" in batch for batch in batches):
            raise Refused("it is poison")
        stored.extend(batches)

    intake = Intake(tmp_path / "intake.db", take, sync=lambda: None)
    for name in ("a", "poison", "b"):
        intake.put(Ingest(posts=[a_run(name=name)]))
    assert intake.settle()
    intake.close()
    assert [b'"a"' in stored[0], b'"b"' in stored[1], len(stored)] == [True, True, 2]


@pytest.mark.intake_process
def test_it_ends_with_a_server_that_is_killed_and_only_the_server_hears_ctrl_c(api: Any) -> None:
    client = Client(api_url=api.url, api_key=api.key, auto_batch_tracing=False)
    run_id = uuid4()
    client.create_run("one", {}, "chain", id=run_id)
    assert client.read_run(run_id).name == "one"
    intake = intake_process_of(api.pid)
    assert os.getpgid(intake.pid) != os.getpgid(api.pid)
    api.kill()
    _, alive = psutil.wait_procs([intake], timeout=30)
    assert alive == []
