"""The ops store's intake: batches recorded from the LangSmith SDK, replayed over HTTP, beside bare SQLite."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
import uvicorn
from langsmith import trace, tracing_context
from rich.progress import Progress

from app.ops.langsmith import langsmith_app
from app.ops.langsmith.body import expanded
from app.ops.langsmith.multipart import parse_form, read_form
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore
from app.tracing import Outbox, TracingSettings, build_client
from app.tracing.spool import Spool, WriteRequest
from evals.bench.figures import Figure, Target, alternately, median, quantile
from evals.setup import free_port

STAGES = ("admit", "input_rails", "assign", "recall", "plan", "retrieve", "quote", "generate", "cite", "record")
RUNS_PER_TURN = len(STAGES) + 3
PASSAGE = "Holidays that are not taken by the end of March expire, unless illness prevented them. " * 8
Record = tuple[str, str]
"""A run's id and all of it as JSON."""


def measure(folder: Path, progress: Progress, *, turns: int = 500, repetitions: int = 3) -> list[Figure]:
    """Replay the same requests into a fresh store and into one table of a bare SQLite file, in turns."""
    recorded = _record(folder, turns)
    records = [_records(request) for request in recorded]
    runs = turns * RUNS_PER_TURN
    seconds: dict[str, list[float]] = {"parley": [], "raw": []}
    answers: dict[str, list[float]] = {"parley": [], "raw": []}
    for turn, side in progress.track(alternately(list(seconds), repetitions), description="ops store"):
        file = folder / f"{side}-{turn}.db"
        took = _replay(file, recorded) if side == "parley" else _insert(file, records)
        seconds[side].append(sum(took))
        answers[side] += [each * 1000 for each in took]
    rate = {side: runs / median(each) for side, each in seconds.items()}
    p99 = {side: quantile(each, 0.99) for side, each in answers.items()}
    what = f"{runs:,} runs in {len(recorded)} requests of the SDK"
    against = "SQLite, one table, committed per request"
    return [
        Figure(f"intake, {what}", "runs/s", rate["parley"], rate["raw"], against, Target("parley", "≥", 3000)),
        Figure(
            "p99 until a request is acknowledged", "ms", p99["parley"], p99["raw"], against, Target("parley", "≤", 50)
        ),
    ]


def _record(folder: Path, turns: int) -> list[WriteRequest]:
    """What the SDK sends for so many turns, caught in an outbox whose sink is down."""
    outbox = Outbox.open(TracingSettings(), folder / "outbox", f"http://127.0.0.1:{free_port()}")
    client = build_client(TracingSettings(), outbox)
    with tracing_context(enabled=True, client=client, project_name="bench"):
        for _ in range(turns):
            _trace_turn()
    client.flush()
    outbox.close()
    spool = Spool(folder / "outbox" / "embedded", max_bytes=1)
    return [spool.load(file) for file in spool.waiting()]


def _trace_turn() -> None:
    """A trace of the shape and size of a real turn's."""
    with trace("turn", metadata={"variant": "a", "user_hash": "u"}) as root:
        with trace("graph"):
            for stage in STAGES:
                with trace(stage, inputs={"question": "How many days may I carry over?"}) as run:
                    run.end(outputs={"route": "documents"})
            with trace("search", run_type="retriever") as search:
                search.end(
                    outputs={"documents": [{"page_content": PASSAGE, "metadata": {"page": n}} for n in range(8)]}
                )
        root.end(outputs={"answer": PASSAGE})


def _records(request: WriteRequest) -> list[Record]:
    """The runs in a recorded request."""
    chunks = expanded(request.body, request.headers.get("Content-Encoding", ""), 1 << 30)
    form = read_form(parse_form(request.headers["Content-Type"], chunks))
    return [(str(run.id), run.model_dump_json()) for run in (*form.posts, *form.patches)]


def _replay(file: Path, recorded: Sequence[WriteRequest]) -> list[float]:
    """Seconds that each request took, one after the other over one connection."""
    took = []
    with _serving(file) as url, requests.Session() as session:
        session.trust_env = False
        for request in recorded:
            began = time.perf_counter()
            answer = session.request(request.method, url + request.path, data=request.body, headers=request.headers)
            took.append(time.perf_counter() - began)
            answer.raise_for_status()
    return took


def _insert(file: Path, records: Sequence[Sequence[Record]]) -> list[float]:
    took = []
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE runs (id TEXT PRIMARY KEY, body TEXT NOT NULL)")
    for batch in records:
        began = time.perf_counter()
        db.execute("BEGIN")
        db.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?)", batch)
        db.execute("COMMIT")
        took.append(time.perf_counter() - began)
    db.close()
    return took


@contextmanager
def _serving(file: Path) -> Iterator[str]:
    """The LangSmith API over a fresh store, on a loopback port."""
    store = OpsStore.open(file)
    app = langsmith_app(store, lambda request: None, OpsSettings())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        store.close()
