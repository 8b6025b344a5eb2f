"""The catalog: which releases there are, which one is published, and which documents each of them holds.

A SQLite file in WAL mode. A draft is one open write transaction: it commits to publish, rolls back to discard, and
rolls back by itself when its process is killed. SQLite lets in one writer at a time, so it is the draft's lock too.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import CorpusBusy, StoreUnavailable
from retrieval.passages import Document, Release
from retrieval.store.base import OPEN


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


MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [releases_and_documents]


@dataclass(frozen=True)
class Published:
    """The published release, and where and how its passages are kept."""

    release: Release
    store: str | None
    """Name of its passage store; None before the first release."""
    encoder: str | None


class Catalog:
    """Reads the catalog. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._db = _connect(path, wait_s=10)
        _migrate(self._db)
        (self.corpus_id,) = self._db.execute("SELECT id FROM corpus").fetchone()

    def published(self) -> Published:
        """The published release; release 0 before the first one."""
        row = self._one(
            """SELECT number, published_at, documents, passages, store, encoder
            FROM releases JOIN published ON number = release""",
            {},
        )
        if row is None:
            return Published(Release(number=0), None, None)
        number, at, documents, passages, store, encoder = row
        release = Release(number=number, published_at=at, documents=documents, passages=passages)
        return Published(release, store, encoder)

    def documents(self, release: int) -> dict[str, Document]:
        """The documents of a release, by source."""
        query = "SELECT body FROM documents WHERE valid_from <= :release AND :release < valid_to ORDER BY source"
        with self._lock:
            rows = self._db.execute(query, {"release": release}).fetchall()
        documents = [Document.model_validate_json(body) for (body,) in rows]
        return {document.source: document for document in documents}

    def document(self, document_id: str, release: int) -> Document | None:
        """One document, as it was in a release."""
        row = self._one(
            "SELECT body FROM documents WHERE id = :id AND valid_from <= :release AND :release < valid_to",
            {"id": document_id, "release": release},
        )
        return Document.model_validate_json(row[0]) if row else None

    def draft(self) -> CatalogDraft:
        """Begin the one draft that there can be; raises `CorpusBusy`."""
        return CatalogDraft(self._path)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _one(self, query: str, values: dict[str, str | int]) -> tuple | None:
        with self._lock:
            return self._db.execute(query, values).fetchone()


class CatalogDraft:
    """The catalog's side of a draft: everything in one transaction."""

    def __init__(self, path: Path) -> None:
        self._db = _connect(path, wait_s=0)
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            self._db.close()
            raise CorpusBusy() from error
        (newest,) = self._db.execute("SELECT coalesce(max(number), 0) FROM releases").fetchone()
        self.number: int = newest + 1

    def put(self, document: Document, passages: int) -> None:
        """Hold `document` from this release on, in place of its earlier version."""
        self.remove(document.id)
        self._db.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                document.id,
                document.source,
                document.content_hash,
                passages,
                document.model_dump_json(),
                self.number,
                OPEN,
            ),
        )

    def remove(self, document_id: str) -> None:
        """Hold the document no longer, from this release on."""
        key = {"id": document_id, "release": self.number, "open": OPEN}
        self._db.execute("DELETE FROM documents WHERE id = :id AND valid_from = :release", key)
        self._db.execute("UPDATE documents SET valid_to = :release WHERE id = :id AND valid_to = :open", key)

    def prune(self, oldest: int) -> None:
        """Forget the releases before `oldest`, and the documents that only they held."""
        self._db.execute("DELETE FROM releases WHERE number < ?", (oldest,))
        self._db.execute("DELETE FROM documents WHERE valid_to <= ?", (oldest,))

    def oldest(self) -> int:
        """The oldest release that is still kept; this one where there is none."""
        (oldest,) = self._db.execute("SELECT min(number) FROM releases").fetchone()
        return oldest or self.number

    def stores(self) -> set[str]:
        """Names of the passage stores that a release needs."""
        return {name for (name,) in self._db.execute("SELECT DISTINCT store FROM releases")}

    def content_hashes(self) -> set[str]:
        """Contents that some release holds."""
        return {content for (content,) in self._db.execute("SELECT DISTINCT content_hash FROM documents")}

    def publish(self, *, store: str, base: str | None, encoder: str, published_at: str) -> Release:
        """Commit. `store` holds all that `base` held, so it takes over the releases that lay there."""
        documents, passages = self._db.execute(
            "SELECT count(*), coalesce(sum(passages), 0) FROM documents WHERE valid_to = ?", (OPEN,)
        ).fetchone()
        self._db.execute("UPDATE releases SET store = ? WHERE store = ?", (store, base))
        self._db.execute(
            "INSERT INTO releases VALUES (?, ?, ?, ?, ?, ?)",
            (self.number, store, encoder, published_at, documents, passages),
        )
        self._db.execute("INSERT OR REPLACE INTO published VALUES (1, ?)", (self.number,))
        self._db.execute("COMMIT")
        return Release(number=self.number, published_at=published_at, documents=documents, passages=passages)

    def close(self) -> None:
        """Roll back what was not published, and let the next draft in."""
        self._db.close()


def _connect(path: Path, wait_s: float) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, timeout=wait_s, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error as error:
        raise StoreUnavailable(
            f"The corpus catalog {path} cannot be opened: {error}. Check the folder's permissions, or restore it."
        ) from error
    return db


def _migrate(db: sqlite3.Connection) -> None:
    """Bring the catalog to the newest schema in one transaction, so that two processes may start at once."""
    if db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for step in MIGRATIONS[version:]:
        step(db)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    db.execute("COMMIT")
