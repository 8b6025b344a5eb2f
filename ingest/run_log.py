"""What came of the configured sources: the last run of each, and the files that it could not take in.

A small SQLite file beside the corpus. Nothing that is answered rests on it: without it every file is tried again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ingest.errors import RefusedFile
from ingest.reasons import Reason
from ingest.report import FileReport, IngestReport, Status

_AGAIN_AND_AGAIN = 3
"""Tries from which on a file is a dead letter."""
_FIRST_WAIT = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(days=1)
_PASSING: frozenset[Reason] = frozenset({"unreachable", "timed_out"})
"""Reasons that pass by themselves, sooner or later; the others last until something is changed."""


class Failure(BaseModel):
    """A file that could not be taken in, and how often."""

    model_config = ConfigDict(frozen=True)

    origin: str
    """Name of the source."""
    source: str
    name: str
    version: str
    """What was refused: its source's version, or the SHA-256 of its bytes; empty where it was never had."""
    pipeline: str
    reason: Reason
    finding: str
    count: int
    """Tries that failed."""
    first_at: datetime
    last_at: datetime
    next_at: datetime | None
    """When it is tried again; None where that is up to what changes: with the next run, or with its next version."""

    def holds(self, pipeline: str, now: datetime) -> bool:
        """Whether another try of the same version would be in vain."""
        return self.pipeline == pipeline and (now < self.next_at if self.next_at else self.version != "")

    @property
    def is_dead_letter(self) -> bool:
        """Whether it failed again and again, so that somebody should look at it."""
        return self.count >= _AGAIN_AND_AGAIN

    def refused(self) -> RefusedFile:
        """The refusal, in the words of the last try."""
        return RefusedFile(self.reason, self.finding)


class Run(BaseModel):
    """The last run of a source."""

    model_config = ConfigDict(frozen=True)

    origin: str
    at: datetime
    seconds: float = 0.0
    counts: dict[Status, int] = {}
    """Files by what became of them; none where the run failed."""
    error: str = ""


def _first_tables(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE runs (origin TEXT PRIMARY KEY, body TEXT NOT NULL)")
    db.execute("CREATE TABLE failures (origin TEXT, source TEXT, body TEXT NOT NULL, PRIMARY KEY (origin, source))")


MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [_first_tables]


class RunLog:
    """Reads and writes the file; each call by itself, so that any number of processes may."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as db:
            _migrate(db)

    def runs(self) -> dict[str, Run]:
        """The last run of each source, by its name."""
        with closing(self._connect()) as db:
            rows = db.execute("SELECT body FROM runs ORDER BY origin").fetchall()
        return {run.origin: run for run in (Run.model_validate_json(body) for (body,) in rows)}

    def failures(self, origin: str | None = None) -> list[Failure]:
        """The files that could not be taken in, of one source or all; the most stubborn first."""
        with closing(self._connect()) as db:
            rows = db.execute("SELECT body FROM failures WHERE ? IN (origin, '')", (origin or "",)).fetchall()
        found = [Failure.model_validate_json(body) for (body,) in rows]
        return sorted(found, key=lambda failure: (-failure.count, failure.origin, failure.source))

    def held(self, origin: str, pipeline: str, now: datetime) -> dict[str, Failure]:
        """Failures, by file, that are not to be tried again unless the file has another version."""
        return {failure.source: failure for failure in self.failures(origin) if failure.holds(pipeline, now)}

    def record(
        self, origin: str, report: IngestReport, held: Mapping[str, Failure], pipeline: str, now: datetime
    ) -> None:
        """Remember what came of a run: its counts, and the files that it refused, in place of the earlier ones."""
        earlier = {failure.source: failure for failure in self.failures(origin)}
        failed = [
            _failure(origin, file, earlier.get(file.source), held.get(file.source), pipeline, now)
            for file in report.files
            if file.reason
        ]
        counts = {status: count for status, count in report.counts().items() if count}
        with closing(self._connect()) as db, _transaction(db):
            _put_run(db, Run(origin=origin, at=now, seconds=report.seconds, counts=counts))
            db.execute("DELETE FROM failures WHERE origin = ?", (origin,))
            _put_failures(db, failed)

    def record_error(self, origin: str, error: str, now: datetime) -> None:
        """Remember that a run failed as a whole. The failures of its files stay."""
        with closing(self._connect()) as db:
            _put_run(db, Run(origin=origin, at=now, error=error))

    def forget(self, origin: str | None = None) -> int:
        """Forget the failures of one source or all, so that the next run tries those files. Returns how many."""
        with closing(self._connect()) as db:
            return db.execute("DELETE FROM failures WHERE ? IN (origin, '')", (origin or "",)).rowcount

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        return db


def _migrate(db: sqlite3.Connection) -> None:
    """Bring the file to the newest schema in one transaction, so that two processes may start at once."""
    with _transaction(db):
        (version,) = db.execute("PRAGMA user_version").fetchone()
        for step in MIGRATIONS[version:]:
            step(db)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block's writes; closing the connection amid them takes them back."""
    db.execute("BEGIN IMMEDIATE")
    yield
    db.execute("COMMIT")


def _put_run(db: sqlite3.Connection, run: Run) -> None:
    db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (run.origin, run.model_dump_json()))


def _put_failures(db: sqlite3.Connection, failures: Iterable[Failure]) -> None:
    rows = [(failure.origin, failure.source, failure.model_dump_json()) for failure in failures]
    db.executemany("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", rows)


def _failure(
    origin: str, file: FileReport, earlier: Failure | None, held: Failure | None, pipeline: str, now: datetime
) -> Failure:
    """What to remember of a refused file; one that was not tried anew is remembered as it was."""
    if held and held.version == file.version:
        return held
    assert file.reason
    count = 1 + (earlier.count if earlier else 0)
    return Failure(
        origin=origin,
        source=file.source,
        name=file.name,
        version=file.version,
        pipeline=pipeline,
        reason=file.reason,
        finding=file.finding,
        count=count,
        first_at=earlier.first_at if earlier else now,
        last_at=now,
        next_at=now + _wait(count) if file.reason in _PASSING else None,
    )


def _wait(failures: int) -> timedelta:
    """Twice as long after each failure."""
    return min(_FIRST_WAIT * 2 ** min(failures - 1, 16), _LONGEST_WAIT)
