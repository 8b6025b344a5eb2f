"""The catalog: which releases there are, which one is published, and which documents each of them holds.

A SQLite file in WAL mode. A draft is one open write transaction: it commits to publish, rolls back to discard, and
rolls back by itself when its process is killed. SQLite lets in one writer at a time, so it is the draft's lock too.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from retrieval.catalog_schema import connect, migrate
from retrieval.encoders import Index
from retrieval.errors import CorpusBusy, NoSuchRelease
from retrieval.passages import Document, KeptRelease, Release
from retrieval.store.base import OPEN

_STORED = "number, published_at, documents, passages, store, encoder, analysis, recipe"


@dataclass(frozen=True)
class Stored:
    """A release, and where and how its passages are kept."""

    release: Release
    store: str | None
    """Name of its passage store; None before the first release."""
    index: Index | None
    """What made its vectors."""


class Catalog:
    """Reads the catalog. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._db = connect(path, wait_s=10)
        migrate(self._db)
        (self.corpus_id,) = self._db.execute("SELECT id FROM corpus").fetchone()

    def published(self) -> Stored:
        """The published release; release 0 before the first one."""
        row = self._one(f"SELECT {_STORED} FROM releases JOIN published ON number = release", {})  # noqa: S608
        return _stored(row) if row else Stored(Release(number=0), None, None)

    def stored(self, release: int) -> Stored:
        """A kept release; raises `NoSuchRelease`."""
        row = self._one(f"SELECT {_STORED} FROM releases WHERE number = :release", {"release": release})  # noqa: S608
        if row is None:
            raise NoSuchRelease(f"Release {release} is not kept. `parley releases` lists those that are.")
        return _stored(row)

    def releases(self) -> list[KeptRelease]:
        """The releases that are kept, newest first."""
        with self._lock:
            return _releases(self._db)

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
        self._db = connect(path, wait_s=0)
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

    def holds(self, document_id: str) -> bool:
        """Whether the document is in this release, as it stands."""
        query = "SELECT 1 FROM documents WHERE id = ? AND valid_to = ?"
        return self._db.execute(query, (document_id, OPEN)).fetchone() is not None

    def remove(self, document_id: str) -> None:
        """Hold the document no longer, from this release on."""
        key = {"id": document_id, "release": self.number, "open": OPEN}
        self._db.execute("DELETE FROM documents WHERE id = :id AND valid_from = :release", key)
        self._db.execute("UPDATE documents SET valid_to = :release WHERE id = :id AND valid_to = :open", key)

    def rebase(self, base: int) -> None:
        """Begin with the documents of release `base`, where a newer one had been rolled back."""
        values = {"base": base, "release": self.number, "open": OPEN}
        self._db.execute(
            "UPDATE documents SET valid_to = :release WHERE valid_from > :base AND valid_to = :open", values
        )
        self._db.execute(
            """INSERT INTO documents
            SELECT id, source, content_hash, passages, body, :release, :open FROM documents
            WHERE valid_from <= :base AND :base < valid_to AND valid_to < :open""",
            values,
        )

    def prune(self, keep: int, pinned: Collection[int]) -> list[int]:
        """Forget all but the newest `keep` releases, the `pinned` ones and the published one.

        The documents that only they held go too. Returns their numbers.
        """
        gone = self._db.execute(
            """DELETE FROM releases
            WHERE number NOT IN (SELECT number FROM releases ORDER BY number DESC LIMIT ?)
            AND number NOT IN (SELECT value FROM json_each(?))
            AND number NOT IN (SELECT release FROM published)
            RETURNING number""",
            (keep, json.dumps(sorted(pinned))),
        ).fetchall()
        self._db.execute(
            """DELETE FROM documents WHERE NOT EXISTS
            (SELECT 1 FROM releases WHERE valid_from <= number AND number < valid_to)"""
        )
        return sorted(number for (number,) in gone)

    def releases(self) -> list[KeptRelease]:
        """The releases that are kept, newest first."""
        return _releases(self._db)

    def stores(self) -> set[str]:
        """Names of the passage stores that a release needs."""
        return {name for (name,) in self._db.execute("SELECT DISTINCT store FROM releases")}

    def content_hashes(self) -> set[str]:
        """Contents that some release holds."""
        return {content for (content,) in self._db.execute("SELECT DISTINCT content_hash FROM documents")}

    def passages_by_document(self) -> dict[str, int]:
        """How many passages each document of the draft has, by its id."""
        return dict(self._db.execute("SELECT id, passages FROM documents WHERE valid_to = ?", (OPEN,)))

    def complete(self, *, store: str, copied: str | None, built_on: int, index: Index, published_at: str) -> Release:
        """Add the release. A `store` that began as a copy of another one takes over the releases there."""
        documents, passages = self._db.execute(
            "SELECT count(*), coalesce(sum(passages), 0) FROM documents WHERE valid_to = ?", (OPEN,)
        ).fetchone()
        self._db.execute("UPDATE releases SET store = ? WHERE store = ?", (store, copied))
        self._db.execute(
            """INSERT INTO releases
            (number, store, encoder, analysis, recipe, published_at, documents, passages, built_on)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                self.number,
                store,
                index.encoder,
                index.analysis,
                json.dumps(index.recipe),
                published_at,
                documents,
                passages,
                built_on,
            ),
        )
        return Release(number=self.number, published_at=published_at, documents=documents, passages=passages)

    def publish(self, number: int) -> None:
        """Let the pointer name a release."""
        self._db.execute("INSERT OR REPLACE INTO published VALUES (1, ?)", (number,))

    def commit(self) -> None:
        """Make it all true at once."""
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Roll back what was not committed, and let the next draft in."""
        self._db.close()


def _stored(row: tuple) -> Stored:
    number, at, documents, passages, store, encoder, analysis, recipe = row
    release = Release(number=number, published_at=at, documents=documents, passages=passages)
    return Stored(release, store, Index(encoder, analysis, json.loads(recipe)))


def _releases(db: sqlite3.Connection) -> list[KeptRelease]:
    rows = db.execute(
        """SELECT number, published_at, documents, passages, store, encoder, analysis, built_on,
        release IS NOT NULL AS published
        FROM releases LEFT JOIN published ON number = release ORDER BY number DESC"""
    )
    columns = [column for column, *_ in rows.description]
    return [KeptRelease.model_validate(dict(zip(columns, row, strict=True))) for row in rows]
