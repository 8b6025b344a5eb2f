"""What Parley 0.1 recorded is there after the upgrade, whenever it is interrupted."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.ops.store import Ingest, OpsStore, RunQuery
from app.ops.store.legacy import take_over
from app.ops.store.tables import runs

OLD = Path(__file__).parent / "fixtures" / "ops-0.1.sql"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TURN, MODEL, BROKEN, LATE, SUPPORT = (UUID(int=number) for number in (1, 2, 3, 4, 900))


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    file = tmp_path / "ops.db"
    with sqlite3.connect(file) as db:
        db.executescript(OLD.read_text())
    db.close()
    return file


def check_all_is_there(store: OpsStore) -> None:
    turn, model, broken, late = (store.runs.get(run_id) for run_id in (TURN, MODEL, BROKEN, LATE))
    assert (turn.name, turn.inputs, turn.outputs) == ("turn", {"question": "How many days?"}, {"answer": "Five — [1]."})
    assert (turn.tags, turn.thread_id, turn.latency_s, turn.total_tokens) == (["a", "b"], "t-1", 3.0, 15)
    assert (model.trace_id, model.parent_run_id, model.total_cost) == (TURN, TURN, Decimal("0.5"))
    assert (broken.error, broken.project_id, late.outputs) == ("ValueError: no", SUPPORT, {"late": True})
    projects = {project.name: project for project in store.projects.find()}
    assert set(projects) == {"default", "parley", "support"}
    assert (turn.project_id, late.project_id) == (projects["parley"].id, projects["default"].id)
    support = projects["support"]
    assert (support.description, support.extra, support.created_at) == (
        "The help desk",
        {"metadata": {"team": "a"}},
        START,
    )
    judgements = {one.key: one for one in store.feedback.find()}
    thumb = judgements["user_score"]
    assert (thumb.run_id, thumb.score, thumb.value, thumb.comment) == (TURN, 0, {"reason": "wrong"}, "Nope")
    assert (judgements["overall"].project_id, judgements["early"].run_id) == (SUPPORT, UUID(int=99))
    assert len(store.runs.query(RunQuery()).runs) == 4


def test_everything_is_taken_over_and_the_file_is_kept(store: OpsStore, old_file: Path) -> None:
    take_over(old_file, store)
    check_all_is_there(store)
    assert not old_file.exists()
    assert old_file.with_name("ops.db.migrated").is_file()
    take_over(old_file, store)
    check_all_is_there(store)


def test_killed_halfway_the_next_start_completes_it(old_file: Path, tmp_path: Path) -> None:
    with sqlite3.connect(old_file) as db:
        for number in range(5000):
            row = (str(UUID(int=1000 + number)), json.dumps({"n": number}), str(SUPPORT))
            db.execute(_MORE, row)
    db.close()
    taking = subprocess.Popen(
        [sys.executable, "-c", _TAKER, str(old_file), str(tmp_path / "ops")], cwd=Path(__file__).parents[2]
    )
    wait_until(lambda: taken(tmp_path / "ops" / "ops.db") > 500)
    taking.send_signal(signal.SIGKILL)
    assert taking.wait(30) == -signal.SIGKILL
    assert 500 < taken(tmp_path / "ops" / "ops.db") < 5000
    assert old_file.exists()
    store = OpsStore.open(tmp_path / "ops")
    take_over(old_file, store)
    with store.read() as db:
        assert db.scalar(select(func.count()).select_from(runs)) == 5004
    assert store.runs.get(UUID(int=5999)).inputs == {"n": 4999}
    store.close()


_TAKER = """
import sys
from pathlib import Path
from app.ops.store import OpsStore
from app.ops.store.legacy import take_over

take_over(Path(sys.argv[1]), OpsStore.open(Path(sys.argv[2])))
"""
_MORE = """
INSERT INTO runs (id, trace_id, dotted_order, inputs, project_id, name, start_time, received_at)
SELECT ?1, ?1, '20260301T120000000000Z' || ?1, ?2, ?3, 'more', start_time, received_at FROM runs LIMIT 1
"""


def taken(file: Path) -> int:
    """How many runs are in a store that another process writes."""
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(file)) as db:
        return int(db.execute("SELECT count(*) FROM runs").fetchone()[0])
    return 0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_arrives_later_completes_what_was_guessed_in_the_old_store(store: OpsStore, old_file: Path) -> None:
    take_over(old_file, store)
    store.ingest(Ingest(posts=[{"id": LATE, "name": "late", "session_name": "parley", "start_time": START}]))
    late = store.runs.get(LATE)
    assert (late.name, late.start_time, late.outputs) == ("late", START, {"late": True})


def test_a_folder_without_an_old_store_needs_nothing(store: OpsStore, tmp_path: Path) -> None:
    take_over(tmp_path / "ops.db", store)
    assert store.runs.query(RunQuery()).runs == []
