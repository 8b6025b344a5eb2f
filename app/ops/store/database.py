"""One SQLite file or one PostgreSQL schema, behind the same two transactions: `read` and `write`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text, update
from sqlalchemy.engine import make_url

from app.ops.store.migrations import migrate
from app.ops.store.runs import search
from app.ops.store.tables import counters

_LOCK_TIMEOUT_S = 10.0
_CACHE_KIB = 64 * 1024
_READERS = 8
_ANALYSED_ROWS = 400
"""Of each index, so many rows are looked at."""


class Address(NamedTuple):
    """Where a database is: the path of a file, or the URL of a server and a schema there."""

    location: str
    schema: str | None = None


class Database:
    """Transactions, from any thread. `read` sees one moment for its whole block; `write` happens whole or not at all.

    On SQLite there is a single writer, and readers never wait for it: the journal is a write-ahead log.
    """

    def __init__(self, address: Address, reader: Engine, writer: Engine) -> None:
        self.address = address
        self._reader = reader
        self._writer = writer
        self._writing = threading.RLock()
        self.settle: Callable[[], object] = lambda: None
        """Called before each block, so that it sees what was acknowledged before; the store sets it."""
        with writer.begin() as db:
            migrate(db)

    @classmethod
    def open(cls, address: Address) -> Database:
        """The database at that address, made or upgraded as needed."""
        location, schema = address
        return cls.at(Path(location)) if schema is None else cls.on_server(location, schema)

    @classmethod
    def at(cls, path: Path) -> Database:
        """The SQLite file at `path`, made or upgraded as needed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(Address(str(path)), _sqlite(path, "BEGIN", query_only=True), _sqlite(path, "BEGIN IMMEDIATE"))

    @classmethod
    def on_server(cls, url: str, schema: str) -> Database:
        """The schema of that name on a PostgreSQL server, made or upgraded as needed."""
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), pool_size=_READERS, max_overflow=8)
        with engine.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(hashtext(:schema))"), {"schema": schema})
            db.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))  # which fails where two make it at once
        engine = engine.execution_options(schema_translate_map={None: schema})
        event.listen(engine, "connect", lambda raw, _: _set_search_path(raw, schema))
        engine.dispose()
        reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return cls(Address(url, schema), reader, engine)

    @property
    def is_sqlite(self) -> bool:
        """For the few places where the engines differ: full-text search, bulk work, vacuum."""
        return self._writer.dialect.name == "sqlite"

    def read(self) -> AbstractContextManager[Connection]:
        """A read-only transaction."""
        self.settle()
        return self._reader.begin()

    def peek(self) -> AbstractContextManager[Connection]:
        """`read` for the intake, which cannot wait until everything is taken in."""
        return self._reader.begin()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is on the disk when the block ends, and undone when it raises."""
        self.settle()
        with self._writing, self._writer.begin() as db:
            yield db

    @contextmanager
    def apply(self) -> Iterator[Connection]:
        """`write` for the intake: it waits for nothing, and until `sync` a power cut may undo it."""
        with self._writing, self._writer.execution_options(durable=False).begin() as db:
            if not self.is_sqlite:
                db.execute(text("SET LOCAL synchronous_commit = off"))
            yield db

    def alone(self) -> AbstractContextManager[object]:
        """Lets nobody else of this process write, while another process does in its stead."""
        return self._writing

    def sync(self) -> None:
        """Make sure that a power cut cannot undo what was written so far."""
        with self._writing, self._writer.begin() as db:
            db.execute(update(counters).values(next=counters.c.next))

    def analyse(self) -> None:
        """Let the planner of SQLite know how rows are spread; a server finds out by itself."""
        if self.is_sqlite:
            with self._writing, self._writer.begin() as db:
                db.exec_driver_sql(f"PRAGMA analysis_limit = {_ANALYSED_ROWS}")
                db.exec_driver_sql("ANALYZE")

    def vacuum(self) -> None:
        """Give the space of deleted rows back to the disk. On SQLite nothing can be written meanwhile."""
        with self._writing:
            if self.is_sqlite:
                with self._writer.begin() as db:
                    search.tidy(db)
                raw = self._writer.raw_connection()
                try:
                    raw.cursor().execute("VACUUM")
                    raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    raw.close()
            else:
                with self._writer.execution_options(isolation_level="AUTOCOMMIT").connect() as db:
                    for name in inspect(db).get_table_names():
                        db.execute(text(f'VACUUM (ANALYZE) "{name}"'))

    def close(self) -> None:
        """Close every connection."""
        self._reader.dispose()
        self._writer.dispose()


def one_at_a_time(db: Connection) -> None:
    """Let no other transaction sum runs up until this one ends. SQLite has one writer anyway; a server has many."""
    if db.dialect.name == "postgresql":
        db.execute(text("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.runs'))"))


def _sqlite(path: Path, begin: str, *, query_only: bool = False) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": _LOCK_TIMEOUT_S, "check_same_thread": False},
        pool_size=_READERS if query_only else 1,
        max_overflow=_READERS if query_only else 0,
    )

    @event.listens_for(engine, "connect")
    def configure(raw: Any, _: Any) -> None:
        raw.isolation_level = None  # transactions begin where SQLAlchemy says so, not where the driver guesses
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute(f"PRAGMA cache_size = -{_CACHE_KIB // _READERS if query_only else _CACHE_KIB}")
        if query_only:
            raw.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        # In WAL mode anything less than FULL may lose the last commits when the power fails.
        durable = connection.get_execution_options().get("durable", True)
        connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.exec_driver_sql(begin)

    return engine


def _set_search_path(raw: Any, schema: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(f'SET search_path TO "{schema}"')
    raw.commit()
