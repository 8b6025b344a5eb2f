"""The ops store's schema, as numbered steps that are only ever appended to."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable


def runs_and_feedback(db: sqlite3.Connection) -> None:
    """Projects, runs and feedback, with the columns that lists filter and sort by."""
    _run_statements(
        db,
        """
        CREATE TABLE projects (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT,
            created_at TEXT NOT NULL,
            extra TEXT NOT NULL DEFAULT '{}',
            reference_dataset_id TEXT
        );
        CREATE TABLE runs (
            id TEXT PRIMARY KEY,
            trace_id TEXT NOT NULL,
            parent_run_id TEXT,
            dotted_order TEXT,
            project_id TEXT NOT NULL REFERENCES projects (id),
            name TEXT NOT NULL DEFAULT '',
            run_type TEXT NOT NULL DEFAULT 'chain',
            start_time TEXT,
            end_time TEXT,
            first_token_time TEXT,
            status TEXT NOT NULL DEFAULT 'pending',
            error TEXT,
            inputs TEXT,
            outputs TEXT,
            extra TEXT NOT NULL DEFAULT '{}',
            events TEXT,
            serialized TEXT,
            tags TEXT NOT NULL DEFAULT '[]',
            reference_example_id TEXT,
            latency_s REAL,
            prompt_tokens INTEGER,
            completion_tokens INTEGER,
            total_tokens INTEGER,
            prompt_cost REAL,
            completion_cost REAL,
            total_cost REAL,
            thread_id TEXT,
            received_at TEXT NOT NULL
        );
        CREATE INDEX runs_by_trace ON runs (trace_id, dotted_order);
        CREATE INDEX runs_by_parent ON runs (parent_run_id);
        CREATE INDEX runs_by_project ON runs (project_id, start_time DESC);
        CREATE INDEX roots_by_start ON runs (start_time DESC) WHERE parent_run_id IS NULL;
        CREATE INDEX runs_by_thread ON runs (thread_id, start_time) WHERE thread_id IS NOT NULL;
        CREATE INDEX roots_by_variant ON runs (
            json_extract(extra, '$.metadata.experiment'), json_extract(extra, '$.metadata.variant')
        ) WHERE parent_run_id IS NULL;
        CREATE TABLE feedback (
            id TEXT PRIMARY KEY,
            run_id TEXT,
            trace_id TEXT,
            project_id TEXT,
            key TEXT NOT NULL,
            score REAL,
            value TEXT,
            comment TEXT,
            correction TEXT,
            source TEXT NOT NULL DEFAULT '{}',
            extra TEXT,
            created_at TEXT NOT NULL,
            modified_at TEXT NOT NULL
        );
        CREATE INDEX feedback_by_run ON feedback (run_id);
        CREATE INDEX feedback_by_key ON feedback (key, created_at);
        """,
    )


def wire_details(db: sqlite3.Connection) -> None:
    """What the LangSmith API needs beyond the first columns."""
    _run_statements(
        db,
        """
        -- JSON list: the columns that hold a stand-in until the run's post arrives.
        ALTER TABLE runs ADD COLUMN guessed TEXT NOT NULL DEFAULT '[]';
        -- JSON: the tokens and costs that the run itself reported. The columns add up those below it.
        ALTER TABLE runs ADD COLUMN usage TEXT;
        -- JSON: name -> type and size of the files that the run carried.
        ALTER TABLE runs ADD COLUMN attachments TEXT;
        ALTER TABLE projects ADD COLUMN end_time TEXT;
        ALTER TABLE feedback ADD COLUMN feedback_group_id TEXT;
        ALTER TABLE feedback ADD COLUMN comparative_experiment_id TEXT;
        ALTER TABLE feedback ADD COLUMN error INTEGER NOT NULL DEFAULT 0;
        """,
    )


MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [runs_and_feedback, wire_details]


def migrate(db: sqlite3.Connection) -> None:
    """Bring a database to the newest schema. Each step happens whole or not at all, once among all processes.

    `db` is in autocommit mode (`isolation_level=None`).
    """
    while _version(db) < len(MIGRATIONS):
        db.execute("BEGIN IMMEDIATE")
        try:
            _next_step(db)
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def _next_step(db: sqlite3.Connection) -> None:
    version = _version(db)
    if version < len(MIGRATIONS):  # another process may have taken the step while this one waited for the lock
        MIGRATIONS[version](db)
        db.execute(f"PRAGMA user_version = {version + 1}")


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _run_statements(db: sqlite3.Connection, script: str) -> None:
    """Run the statements inside the open transaction, which `executescript` would commit."""
    for statement in script.split(";"):
        db.execute(statement)
