"""`chat.db`: one SQLite file, shared by accounts and chat history, opened by any number of threads and processes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BUSY_TIMEOUT_S = 10.0

Migration = Callable[[sqlite3.Connection], None]


class Database:
    """One connection, used by one thread at a time. What is committed survives `kill -9`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open or make the file, readable by its owner only."""
        db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")
        return cls(db)

    def migrate(self, part: str, steps: Sequence[Migration]) -> None:
        """Bring one part's tables to the newest schema, one whole step at a time.

        Each part of the file counts its own steps. A step must not use `executescript`, which commits on its own.
        """
        with self.transaction() as db:
            db.execute("CREATE TABLE IF NOT EXISTS schema_versions (part TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        for number, step in enumerate(steps, start=1):
            with self.transaction() as db:
                row = db.execute("SELECT version FROM schema_versions WHERE part = ?", (part,)).fetchone()
                if row is None or row["version"] < number:
                    step(db)
                    db.execute("INSERT OR REPLACE INTO schema_versions VALUES (?, ?)", (part, number))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block's writes, or none."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def all(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        """Every row of a query."""
        with self._lock:
            return self._db.execute(sql, parameters).fetchall()

    def one(self, sql: str, *parameters: object) -> sqlite3.Row | None:
        """The first row of a query."""
        with self._lock:
            return self._db.execute(sql, parameters).fetchone()

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        with self._lock:
            self._db.close()
