"""The catalog's file: how it is opened, and its tables, one numbered step after the other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from retrieval.errors import StoreUnavailable


def releases_and_documents(db: sqlite3.Connection) -> None:
    """The corpus's id, releases, the pointer to the published one, and documents with the releases they are in."""
    db.execute("CREATE TABLE corpus (id TEXT NOT NULL)")
    db.execute("INSERT INTO corpus VALUES (lower(hex(randomblob(16))))")
    db.execute(
        """CREATE TABLE releases (
            number INTEGER PRIMARY KEY,
            store TEXT NOT NULL,
            encoder TEXT NOT NULL,
            published_at TEXT NOT NULL,
            documents INTEGER NOT NULL,
            passages INTEGER NOT NULL
        )"""
    )
    db.execute(
        """CREATE TABLE published (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            release INTEGER NOT NULL REFERENCES releases (number)
        )"""
    )
    db.execute(
        """CREATE TABLE documents (
            id TEXT NOT NULL,
            source TEXT NOT NULL,
            content_hash TEXT NOT NULL,
            passages INTEGER NOT NULL,
            body TEXT NOT NULL,
            valid_from INTEGER NOT NULL,
            valid_to INTEGER NOT NULL,
            PRIMARY KEY (id, valid_from)
        )"""
    )


def what_releases_were_built_on(db: sqlite3.Connection) -> None:
    """The release that each one was built on; until now that was always the one before."""
    db.execute("ALTER TABLE releases ADD COLUMN built_on INTEGER NOT NULL DEFAULT 0")
    db.execute("UPDATE releases SET built_on = number - 1")


def what_releases_were_encoded_by(db: sqlite3.Connection) -> None:
    """The word analysis beside the encoder, and the settings that load both; so far an encoder's name was enough."""
    db.execute("ALTER TABLE releases ADD COLUMN analysis TEXT NOT NULL DEFAULT 'bm25-english'")
    db.execute("ALTER TABLE releases ADD COLUMN recipe TEXT NOT NULL DEFAULT '{}'")
    db.execute("UPDATE releases SET recipe = json_object('encoder', encoder)")


MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [
    releases_and_documents,
    what_releases_were_built_on,
    what_releases_were_encoded_by,
]


def connect(path: Path, wait_s: float) -> sqlite3.Connection:
    """Open the file; a writer waits `wait_s` for another. Raises `StoreUnavailable`."""
    try:
        db = sqlite3.connect(path, timeout=wait_s, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error as error:
        raise StoreUnavailable(
            f"The corpus catalog {path} cannot be opened: {error}. Check the folder's permissions, or restore it."
        ) from error
    return db


def migrate(db: sqlite3.Connection) -> None:
    """Bring the catalog to the newest schema in one transaction, so that two processes may start at once."""
    if db.execute("PRAGMA user_version").fetchone()[0] >= len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for step in MIGRATIONS[version:]:
        step(db)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    db.execute("COMMIT")
