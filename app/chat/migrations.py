"""The schema of chat history, as numbered steps that are only ever appended to."""

from __future__ import annotations

import sqlite3

from app.auth.database import Migration


def threads_steps_elements_ratings(db: sqlite3.Connection) -> None:
    """What a thread holds, whole in `body` as Chainlit's JSON; columns are what is searched, sorted or joined by."""
    db.execute(
        """
        CREATE TABLE threads (
            id TEXT PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            name TEXT,
            metadata TEXT NOT NULL DEFAULT '{}',
            tags TEXT NOT NULL DEFAULT '[]',
            created_at TEXT NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX threads_by_user ON threads (user_id, created_at DESC, id DESC)")
    db.execute(
        """
        CREATE TABLE steps (
            id TEXT PRIMARY KEY,
            thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
            created_at TEXT NOT NULL,
            body TEXT NOT NULL,
            output TEXT GENERATED ALWAYS AS (json_extract(body, '$.output')) VIRTUAL
        )
        """
    )
    db.execute("CREATE INDEX steps_by_thread ON steps (thread_id, created_at)")
    db.execute(
        """
        CREATE TABLE elements (
            id TEXT PRIMARY KEY,
            thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
            body TEXT NOT NULL,
            mime TEXT NOT NULL,
            content BLOB
        )
        """
    )
    db.execute("CREATE INDEX elements_by_thread ON elements (thread_id)")
    db.execute(
        """
        CREATE TABLE ratings (
            id TEXT PRIMARY KEY,
            thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
            step_id TEXT NOT NULL,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            value INTEGER NOT NULL CHECK (value IN (0, 1)),
            comment TEXT,
            rated_at TEXT NOT NULL,
            UNIQUE (user_id, step_id)
        )
        """
    )
    db.execute("CREATE INDEX ratings_by_thread ON ratings (thread_id)")
    # Ratings whose newest state has not been passed on yet.
    db.execute("CREATE TABLE rating_changes (rating_id TEXT PRIMARY KEY, change INTEGER NOT NULL)")


MIGRATIONS: list[Migration] = [threads_steps_elements_ratings]
