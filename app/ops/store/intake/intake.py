"""The way in: a batch is acknowledged once it is on the disk, and taken into the tables right behind that.

The queue is a file of its own, so that an acknowledgement waits for no index, no sum and no reader. The tables follow
without a sync for each batch: what was taken in stays in the queue until they have been synced, and after a crash what
the queue holds is taken in again, which changes nothing where it had been taken in before.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from app.ops.store.errors import StoreBusy
from app.ops.store.intake.batches import write_batch
from app.ops.store.intake.taking import Refused
from app.ops.store.models import Ingest

log = logging.getLogger(__name__)

Take = Callable[[Sequence[bytes]], None]

SETTLE_TIMEOUT_S = 10.0
"""So long a reader waits for what was acknowledged before it came; then it sees the store as it is."""
ROOM_TIMEOUT_S = 20.0
MAX_WAITING_BYTES = 12 << 20
MAX_TAKEN_RECORDS = 500
RETRY_S = 1.0
SYNC_AFTER_S = 2.0
SYNC_AFTER_BYTES = 16 << 20

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS queue
        (seq INTEGER PRIMARY KEY AUTOINCREMENT, batch BLOB NOT NULL, records INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS refused (seq INTEGER PRIMARY KEY, batch BLOB NOT NULL, reason TEXT NOT NULL);
"""


@dataclass(frozen=True)
class _Waiting:
    seq: int
    batch: bytes
    records: int


class Intake:
    """A durable queue, and the thread that empties it into `take`, which raises Refused for what it can never store."""

    def __init__(self, path: Path, take: Take, sync: Callable[[], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.take = take
        self._sync = sync
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        self._disk = threading.Lock()
        self._changed = threading.Condition()
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        self._waiting: deque[_Waiting] = deque(self._left_over() if self._is_first() else [])
        self._acknowledged = self._waiting[-1].seq if self._waiting else 0
        self._taken = self._waiting[0].seq - 1 if self._waiting else 0
        self._unsynced: dict[int, int] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="ops-intake", daemon=True)
        self._thread.start()

    def put(self, batch: Ingest) -> None:
        """Acknowledge a batch: when this returns, it is on the disk. Raises StoreBusy when too much waits."""
        written = write_batch(batch)
        with self._changed:
            if not self._changed.wait_for(self._has_room, ROOM_TIMEOUT_S):
                raise StoreBusy("More is sent than can be stored. Wait a few seconds and send it again.")
        with self._disk:
            cursor = self._db.execute("INSERT INTO queue (batch, records) VALUES (?, ?)", [written, len(batch)])
            waiting = _Waiting(int(cursor.lastrowid or 0), written, len(batch))
            with self._changed:
                self._waiting.append(waiting)
                self._acknowledged = waiting.seq
                self._changed.notify_all()

    def settle(self, timeout_s: float = SETTLE_TIMEOUT_S) -> bool:
        """Wait until everything that was acknowledged so far is in the tables; False when time ran out first."""
        with self._changed:
            goal = self._acknowledged
            return self._changed.wait_for(lambda: self._taken >= goal or self._closing, timeout_s)

    def backlog(self) -> int:
        """How many batches wait."""
        return len(self._waiting)

    def close(self) -> None:
        """Take in what waits, then stop; once more does nothing."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
        self._thread.join(ROOM_TIMEOUT_S)
        self._db.close()
        os.close(self._lock)

    def _has_room(self) -> bool:
        return sum(len(one.batch) for one in self._waiting) < MAX_WAITING_BYTES

    def _is_first(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _left_over(self) -> list[_Waiting]:
        return [_Waiting(*row) for row in self._db.execute("SELECT seq, batch, records FROM queue ORDER BY seq")]

    def _run(self) -> None:
        while True:
            try:
                if not self._step():
                    return
            except Exception:  # nothing may be lost
                log.exception("taking runs in failed; they wait on disk and are tried again")
                if self._closing:
                    return
                time.sleep(RETRY_S)

    def _step(self) -> bool:
        """Take some in, or tidy up when nothing comes; False when it is time to end."""
        if not self._wait_for_work():
            self._forget()
            return not self._closing
        group = self._next_group()
        try:
            self.take([one.batch for one in group])
        except Refused:
            self._take_one_by_one(group)
        self._done(group)
        if sum(self._unsynced.values()) > SYNC_AFTER_BYTES:
            self._forget()
        return True

    def _wait_for_work(self) -> bool:
        patience_s = SYNC_AFTER_S if self._unsynced else None
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing, patience_s)
            return bool(self._waiting)

    def _forget(self) -> None:
        """Let go of what the tables hold for good."""
        if self._unsynced:
            self._sync()
            taken = to_json(list(self._unsynced)).decode()
            self._write("DELETE FROM queue WHERE seq IN (SELECT value FROM json_each(?))", [taken])
            self._unsynced = {}

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        records = 0
        for one in list(self._waiting):
            if group and records + one.records > MAX_TAKEN_RECORDS:
                break
            group.append(one)
            records += one.records
        return group

    def _take_one_by_one(self, group: Sequence[_Waiting]) -> None:
        """One batch that no engine can hold must not keep the others out."""
        for one in group:
            try:
                self.take([one.batch])
            except Refused as refused:
                log.exception("a batch of runs was set aside")
                self._write(
                    "INSERT OR REPLACE INTO refused SELECT seq, batch, ? FROM queue WHERE seq = ?",
                    [str(refused), one.seq],
                )

    def _done(self, group: Sequence[_Waiting]) -> None:
        with self._changed:
            for one in group:
                self._waiting.popleft()
                self._unsynced[one.seq] = len(one.batch)
            self._taken = group[-1].seq
            self._changed.notify_all()

    def _write(self, sql: str, values: list[Any]) -> None:
        with self._disk:
            self._db.execute(sql, values)
