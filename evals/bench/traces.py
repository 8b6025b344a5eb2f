"""The ops store under load: batches recorded from the LangSmith SDK, replayed over HTTP into `parley ops`.

First flat out until a million runs are stored, then at a steady pace while acknowledgements are timed, then the pages
and the API are read from the full store.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import psutil
import requests
from rich.progress import Progress

from app.ops.langsmith.request import expanded
from app.ops.langsmith.runs.multipart import parse_form, read_runs
from app.ops.store import Ingest
from app.ops.store.intake.batches import write_batch
from app.tracing.spool import WriteRequest
from evals.bench.figures import Figure, Target, quantile
from evals.bench.recorded import Variations, record
from evals.setup import free_port

TURNS = 40
"""That are recorded."""
PACE = 3000
"""Runs a second of the steady load."""
READS = 20
"""Of each page."""
RAW_REQUESTS = 200
Row = tuple[str, str]
"""A run's id and all of it as JSON."""


def measure(folder: Path, progress: Progress, *, runs: int = 1_000_000, paced_s: float = 20.0) -> list[Figure]:
    """Fill a store with so many runs, and read from it."""
    load = map(_Batch.of, Variations(record(folder, TURNS)))
    raw = _insert(folder / "raw.db", [_rows(batch.request) for batch in islice(load, RAW_REQUESTS)])
    task = progress.add_task(f"{runs:,} runs", total=2 * runs)
    flat_out = _taken(load, runs, lambda count: progress.advance(task, count))
    paced = _taken(load, PACE * paced_s)
    with _ops_layer(folder) as ops:
        rate = _flat_out(ops, flat_out, lambda count: progress.advance(task, count))
        acknowledged_ms = _paced(ops, paced)
        pages = {what: _p95_ms(read) for what, read in _reads(ops).items()}
        figures = [
            Figure(
                f"intake until {runs:,} runs are stored",
                "runs/s",
                rate,
                raw,
                "SQLite, one table, committed per request",
                Target("parley", "≥", 3000),
            ),
            Figure(
                f"p99 until a request is acknowledged, at {PACE:,} runs/s",
                "ms",
                quantile(acknowledged_ms, 0.99),
                target=Target("parley", "≤", 50),
            ),
            Figure("memory, at most", "MiB", ops.peak_bytes / 2**20, target=Target("parley", "≤", 300)),
        ]
    return figures + [
        Figure(f"p95 of {what}, {runs:,} runs", "ms", took, target=Target("parley", "≤", 200))
        for what, took in pages.items()
    ]


@dataclass(frozen=True)
class _Batch:
    """A request, how many runs it begins, and one of them."""

    request: WriteRequest
    runs: int
    last: UUID

    @classmethod
    def of(cls, request: WriteRequest) -> _Batch:
        ids = re.findall(rb'name="post\.([0-9a-f-]{36})"', _plain(request))
        return cls(request, len(ids), UUID(ids[-1].decode()) if ids else UUID(int=0))


@dataclass
class _Ops:
    """The ops layer in a process of its own."""

    url: str
    session: requests.Session
    process: psutil.Process
    peak_bytes: int = 0
    weighed_at: float = 0.0

    def send(self, request: WriteRequest) -> float:
        """Deliver one request; gives back the milliseconds until it was acknowledged."""
        began = time.perf_counter()
        answer = self.session.request(
            request.method, self.url + request.path, data=request.body, headers=request.headers
        )
        took_ms = (time.perf_counter() - began) * 1000
        answer.raise_for_status()
        self._weigh()
        return took_ms

    def _weigh(self) -> None:
        """Look, once a second, at the memory of the layer's processes; what they share counts once."""
        if time.monotonic() < self.weighed_at + 1:
            return
        self.weighed_at = time.monotonic()
        processes = [self.process, *self.process.children()]
        self.peak_bytes = max(self.peak_bytes, sum(one.memory_full_info().pss for one in processes))

    def get(self, path: str) -> None:
        """Read a page, as a browser does: with the cookie and without the key."""
        self.session.get(self.url + path, headers={"x-api-key": None}).raise_for_status()  # type: ignore[dict-item]

    def post(self, path: str, body: Any) -> requests.Response:
        """Ask the API."""
        answer = self.session.post(self.url + path, json=body)
        answer.raise_for_status()
        return answer


@contextmanager
def _ops_layer(folder: Path) -> Iterator[_Ops]:
    port = free_port()
    environment = os.environ | {"PARLEY_DATA_DIR": str(folder / "data"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "app.cli", "ops", "run", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        yield _enter(server, f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(60)


def _enter(server: subprocess.Popen[str], url: str) -> _Ops:
    """Read the key and the sign-in link that the first start prints, and use both."""
    said = ""
    assert server.stdout
    while "signin?token=" not in said and (line := server.stdout.readline()):
        said += line
    session = requests.Session()
    session.trust_env = False
    for _ in range(200):
        try:
            session.get(re.search(r"http\S+signin\?token=\S+", said)[0])  # type: ignore[index]
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    session.headers["x-api-key"] = re.search(r"LANGSMITH_API_KEY=(\S+)", said)[1]  # type: ignore[index]
    return _Ops(url, session, psutil.Process(server.pid))


def _taken(load: Iterator[_Batch], runs: float, on_made: Callable[[int], None] = lambda count: None) -> list[_Batch]:
    """So much of the load; it is made ahead, so that the store has the cores to itself when it is sent."""
    taken: list[_Batch] = []
    while runs > 0:
        taken.append(next(load))
        runs -= taken[-1].runs
        on_made(taken[-1].runs)
    return taken


def _flat_out(ops: _Ops, load: Sequence[_Batch], on_sent: Callable[[int], None]) -> float:
    """Runs a second, from the first byte sent to the last run stored."""
    began = time.perf_counter()
    for batch in load:
        ops.send(batch.request)
        on_sent(batch.runs)
    last = next(batch.last for batch in reversed(load) if batch.runs)
    while not ops.post("/runs/query", {"id": [str(last)]}).json()["runs"]:
        time.sleep(0.05)
    return sum(batch.runs for batch in load) / (time.perf_counter() - began)


def _paced(ops: _Ops, load: Sequence[_Batch]) -> list[float]:
    """Milliseconds until each request was acknowledged; a late one delays the next, as with a client that waits."""
    took, sent = [], 0
    began = time.perf_counter()
    for batch in load:
        wait_s = began + sent / PACE - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        took.append(ops.send(batch.request))
        sent += batch.runs
    return took


def _reads(ops: _Ops) -> dict[str, Callable[[], object]]:
    """What is read from the full store."""
    bench = ops.session.get(f"{ops.url}/sessions", params={"name": "bench"}).json()[0]["id"]
    root = ops.post("/runs/query", {"session": [bench], "is_root": True, "limit": 1}).json()["runs"][0]
    roots = {"session": [bench], "is_root": True}
    arm = 'and(eq(metadata_key, "variant"), eq(metadata_value, "arma"))'
    pages = {
        "the overview": "/ops",
        "the turn list": "/ops/turns",
        "turns of one arm": "/ops/turns?experiment=bench&variant=arma",
        "turns that failed": "/ops/turns?status=failed",
        "turns with a rare word": "/ops/turns?q=parking",
        "turns with a frequent word": "/ops/turns?q=holiday",
        "a trace": f"/ops/turns/{root['id']}",
        "a thread": f"/ops/threads/{quote(root['thread_id'])}",
        "the threads": "/ops/threads",
        "an experiment": "/ops/experiments/bench",
    }
    queries: dict[str, tuple[str, Any]] = {
        "API: newest runs": ("/runs/query", {"session": [bench]}),
        "API: roots of one arm": ("/runs/query", roots | {"filter": arm}),
        "API: slow runs, of which there are none": ("/runs/query", {"session": [bench], "filter": "gt(latency, 3600)"}),
        "API: words": ("/runs/query", roots | {"query": "travel"}),
        "API: stats of all roots": ("/runs/stats", roots),
        "API: stats by arm": ("/runs/stats", roots | {"group_by": {"attribute": "metadata", "path": "variant"}}),
    }
    return {what: lambda path=path: ops.get(path) for what, path in pages.items()} | {  # type: ignore[misc]
        what: lambda asked=asked: ops.post(*asked)  # type: ignore[misc]
        for what, asked in queries.items()
    }


def _p95_ms(read: Callable[[], object]) -> float:
    took = []
    for _ in range(READS):
        began = time.perf_counter()
        read()
        took.append((time.perf_counter() - began) * 1000)
    return quantile(took, 0.95)


def _plain(request: WriteRequest) -> bytes:
    return expanded(request.body, request.headers.get("Content-Encoding", ""), 1 << 30)


def _rows(request: WriteRequest) -> list[Row]:
    """The runs in a request."""
    form = read_runs(parse_form(request.headers["Content-Type"], _plain(request)), lambda content: "")
    return [(str(run["id"]), write_batch(Ingest(posts=[run])).decode()) for run in (*form.posts, *form.patches)]


def _insert(file: Path, requests_: Sequence[Sequence[Row]]) -> float:
    """Runs a second into one table of a bare SQLite file."""
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE runs (id TEXT PRIMARY KEY, body TEXT NOT NULL)")
    began = time.perf_counter()
    for rows in requests_:
        db.execute("BEGIN")
        db.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?)", rows)
        db.execute("COMMIT")
    took_s = time.perf_counter() - began
    count = db.execute("SELECT count(*) FROM runs").fetchone()[0]
    db.close()
    return float(count / took_s)
