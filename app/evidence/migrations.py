"""The schema of the evidence ledger, as numbered steps that are only ever appended to."""

from __future__ import annotations

import sqlite3

from app.auth.database import Migration


def answers_passages_evidence(db: sqlite3.Connection) -> None:
    """Answers, the passages they rest on, and what has become of those; a passage stands once, however often cited."""
    db.execute(
        """
        CREATE TABLE answers (
            turn_id TEXT PRIMARY KEY,
            thread_id TEXT NOT NULL,
            user_hash TEXT NOT NULL,
            question TEXT NOT NULL,
            answered_at TEXT NOT NULL,
            release INTEGER NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX answers_by_thread ON answers (thread_id)")
    # `drawn` is the release that the first answer took it from, `release` the one that it was last compared with, and
    # `version` what its document was then.
    db.execute(
        """
        CREATE TABLE passages (
            id TEXT PRIMARY KEY,
            document_id TEXT NOT NULL,
            document TEXT NOT NULL,
            text_hash TEXT NOT NULL,
            drawn INTEGER NOT NULL,
            release INTEGER NOT NULL,
            version TEXT,
            state TEXT CHECK (state IN ('changed', 'gone')),
            since INTEGER
        )
        """
    )
    db.execute("CREATE INDEX passages_by_release ON passages (release)")
    db.execute("CREATE INDEX passages_by_document ON passages (document_id, version)")
    db.execute("CREATE INDEX passages_stale ON passages (document_id) WHERE state IS NOT NULL")
    db.execute(
        """
        CREATE TABLE evidence (
            turn_id TEXT NOT NULL REFERENCES answers (turn_id) ON DELETE CASCADE,
            passage_id TEXT NOT NULL REFERENCES passages (id),
            number INTEGER NOT NULL,
            PRIMARY KEY (turn_id, passage_id)
        ) WITHOUT ROWID
        """
    )
    db.execute("CREATE INDEX evidence_by_passage ON evidence (passage_id, turn_id)")


def who_may_read_a_passage(db: sqlite3.Connection) -> None:
    """The reader groups of a passage's document, as last known; what was kept without them is nobody's to read."""
    db.execute("ALTER TABLE passages ADD COLUMN groups TEXT NOT NULL DEFAULT '[]'")


MIGRATIONS: list[Migration] = [answers_passages_evidence, who_may_read_a_passage]
