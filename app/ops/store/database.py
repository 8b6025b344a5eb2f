"""One SQLite file: a single writer, many readers, usable from any thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from app.ops.store.migrations import migrate

_LOCK_TIMEOUT_S = 10.0


class Database:
    """Transactions on one file. Readers never wait for the writer: the journal is a write-ahead log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle_readers: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._writer_lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = _connect(path)
        self._writer.execute("PRAGMA journal_mode = WAL")
        migrate(self._writer)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is on the disk when the block ends, and undone when it raises."""
        with self._writer_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A read-only connection that sees one moment of the store for the whole block."""
        connection = self._reader()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")
            self._idle_readers.put(connection)

    def close(self) -> None:
        """Close every idle connection."""
        with self._writer_lock:
            self._writer.close()
        with suppress(Empty):
            while True:
                self._idle_readers.get_nowait().close()

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._idle_readers.get_nowait()
        except Empty:
            connection = _connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_LOCK_TIMEOUT_S, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    # In WAL mode anything less than FULL may lose the last commits when the power fails.
    connection.execute("PRAGMA synchronous = FULL")
    return connection
