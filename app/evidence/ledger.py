"""The evidence ledger, `evidence.db`: it outlives the traces, and no trace need be read to ask it."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from agents.turn import Asker, TurnResult
from app.auth.database import Database
from app.evidence.migrations import MIGRATIONS
from app.ops.stale import StaleAnswer, StaleDocument
from retrieval.passages import Passage

log = logging.getLogger(__name__)

State = Literal["changed", "gone"]
"""What has become of a passage: its document reads differently there, or has left the corpus."""


@dataclass(frozen=True)
class Kept:
    """A passage that answers rest on."""

    id: str
    document_id: str
    text_hash: str
    drawn: int
    """The release that the first of these answers took it from."""


@dataclass(frozen=True)
class Compared:
    """What comparing a passage with a release has shown."""

    id: str
    version: str
    state: State | None
    """None where it stands as it was."""


@dataclass(frozen=True)
class StaleSource:
    """A source of an answer that has changed since."""

    number: int
    """The source's number in the answer."""
    document: str
    gone: bool
    since: int
    """The release that changed or removed it."""


@dataclass(frozen=True)
class Source:
    """A document that an answer of a thread rests on."""

    turn_id: str
    document_id: str
    groups: tuple[str, ...]
    """Who could read it, as last known."""


class Ledger:
    """Which answers rest on which passages. Blocking and thread-safe, except `note`, which returns at once."""

    def __init__(self, db: Database, now: Callable[[], datetime]) -> None:
        self._db = db
        self._now = now
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="evidence")

    @classmethod
    def open(cls, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Self:
        """Open or make the file."""
        db = Database.open(path)
        db.migrate("evidence", MIGRATIONS)
        return cls(db, now)

    def close(self) -> None:
        """Finish what was begun and close the file."""
        self._writer.shutdown()
        self._db.close()

    def note(self, asker: Asker, result: TurnResult) -> None:
        """`record`, in a thread of its own: a turn neither waits for it nor fails with it."""
        with suppress(RuntimeError):  # the process ends, and the writer has closed before the turn did
            self._writer.submit(self.record, asker, result).add_done_callback(_log_failure)

    def record(self, asker: Asker, result: TurnResult) -> None:
        """Keep what an answer rests on; one that shows no source rests on nothing."""
        if not result.citations:
            return
        turn = str(result.turn_id)
        release = result.corpus_release
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (turn, result.thread_id, asker.user_hash, result.question, self._now().isoformat(), release),
            )
            db.executemany(
                "INSERT INTO passages (id, document_id, document, text_hash, groups, drawn, release) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET groups = excluded.groups, "
                "release = iif(state IS NULL, release, excluded.release), "  # it was back: it is compared anew
                "version = iif(state IS NULL, version, NULL)",
                [(*_passage_row(citation.passage), release, release) for citation in result.citations],
            )
            db.executemany(
                "INSERT INTO evidence VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(turn, citation.passage.id, citation.number) for citation in result.citations],
            )

    def forget(self, thread_id: str) -> None:
        """Delete the answers of a thread, and the passages that no other answer rests on."""
        cited = "SELECT passage_id FROM evidence JOIN answers USING (turn_id) WHERE thread_id = ?"
        with self._db.transaction() as db:
            passages = [tuple(row) for row in db.execute(cited, (thread_id,))]
            db.execute("DELETE FROM answers WHERE thread_id = ?", (thread_id,))
            db.executemany(
                "DELETE FROM passages WHERE id = ? AND NOT EXISTS (SELECT 1 FROM evidence WHERE passage_id = id)",
                passages,
            )

    # Comparing with a release

    def is_behind(self, release: int) -> bool:
        """Whether a passage was last compared with another release."""
        return self._db.one("SELECT 1 FROM passages WHERE release != ? LIMIT 1", release) is not None

    def versions(self, release: int) -> list[tuple[str, str | None]]:
        """Documents, and what each was when passages of it were last compared with another release."""
        rows = self._db.all("SELECT DISTINCT document_id, version FROM passages WHERE release != ?", release)
        return [(row["document_id"], row["version"]) for row in rows]

    def passages(self, document_id: str, version: str | None) -> list[Kept]:
        """The document's passages that were last compared with this version of it."""
        rows = self._db.all(
            "SELECT id, document_id, text_hash, drawn FROM passages WHERE document_id = ? AND version IS ?",
            document_id,
            version,
        )
        return [Kept(**dict(row)) for row in rows]

    def settle(self, release: int, compared: Iterable[Compared]) -> None:
        """Write down what comparing with a release has shown. What was noted meanwhile waits for the next time."""
        with self._db.transaction() as db:
            db.executemany(
                "UPDATE passages SET version = :version, state = :state, since = CASE "
                "WHEN :state IS NULL THEN NULL WHEN state IS :state THEN since ELSE :release END WHERE id = :id",
                [{**vars(one), "release": release} for one in compared],
            )
            db.execute("UPDATE passages SET release = ? WHERE release != ? AND version IS NOT NULL", (release, release))

    def keep_readers(self, readers: Mapping[str, Collection[str]]) -> None:
        """Write down which groups may read each of these documents: it still counts when the document has gone."""
        with self._db.transaction() as db:
            db.executemany(
                "UPDATE passages SET groups = :groups WHERE document_id = :id AND groups != :groups",
                [{"id": document_id, "groups": json.dumps(list(groups))} for document_id, groups in readers.items()],
            )

    # Reading

    def sources(self, thread_id: str) -> list[Source]:
        """The documents that the answers of a thread rest on."""
        rows = self._db.all(
            "SELECT DISTINCT turn_id, document_id, groups FROM answers JOIN evidence USING (turn_id) "
            "JOIN passages ON passages.id = passage_id WHERE thread_id = ?",
            thread_id,
        )
        return [Source(row["turn_id"], row["document_id"], tuple(json.loads(row["groups"]))) for row in rows]

    def askers(self, document_id: str) -> dict[str, int]:
        """How many answers rest on a document, by the pseudonym of who asked."""
        rows = self._db.all(
            "SELECT user_hash, count(DISTINCT turn_id) AS n FROM passages JOIN evidence ON passage_id = passages.id "
            "JOIN answers USING (turn_id) WHERE document_id = ? GROUP BY user_hash",
            document_id,
        )
        return {row["user_hash"]: row["n"] for row in rows}

    def stale_sources(self, thread_id: str) -> dict[str, list[StaleSource]]:
        """The sources of a thread's answers that have changed since, by turn."""
        rows = self._db.all(
            "SELECT turn_id, number, document, state, since FROM answers JOIN evidence USING (turn_id) "
            "JOIN passages ON passages.id = passage_id WHERE thread_id = ? AND state IS NOT NULL ORDER BY number",
            thread_id,
        )
        stale: defaultdict[str, list[StaleSource]] = defaultdict(list)
        for row in rows:
            source = StaleSource(row["number"], row["document"], row["state"] == "gone", row["since"])
            stale[row["turn_id"]].append(source)
        return dict(stale)

    def document_count(self) -> int:
        """How many documents have changed beneath an answer."""
        row = self._db.one("SELECT count(DISTINCT document_id) AS n FROM passages WHERE state IS NOT NULL")
        return int(row["n"]) if row else 0

    def documents(self, *, limit: int, offset: int) -> list[StaleDocument]:
        """Those documents, the ones with the most answers first."""
        rows = self._db.all(f"{_DOCUMENTS} ORDER BY answers DESC, name, id LIMIT ? OFFSET ?", limit, offset)
        return [_document(row) for row in rows]

    def document(self, document_id: str) -> StaleDocument | None:
        """One of them; None where no answer rests on an earlier text of it."""
        row = self._db.one(f"SELECT * FROM ({_DOCUMENTS}) WHERE id = ?", document_id)  # noqa: S608
        return _document(row) if row else None

    def answers(self, document_id: str, *, limit: int, offset: int) -> list[StaleAnswer]:
        """The answers that rest on an earlier text of the document, newest first."""
        rows = self._db.all(
            "SELECT DISTINCT turn_id, thread_id, question, answered_at, answers.release FROM passages "
            "JOIN evidence ON passage_id = passages.id JOIN answers USING (turn_id) "
            "WHERE document_id = ? AND state IS NOT NULL ORDER BY answered_at DESC, turn_id DESC LIMIT ? OFFSET ?",
            document_id,
            limit,
            offset,
        )
        return [_answer(row) for row in rows]


_DOCUMENTS = (
    "SELECT document_id AS id, max(document) AS name, max(state = 'gone') AS gone, max(since) AS since, "
    "count(DISTINCT turn_id) AS answers FROM passages JOIN evidence ON passage_id = passages.id "
    "WHERE state IS NOT NULL GROUP BY document_id"
)


def _document(row: sqlite3.Row) -> StaleDocument:
    return StaleDocument(**(dict(row) | {"gone": bool(row["gone"])}))


def _answer(row: sqlite3.Row) -> StaleAnswer:
    return StaleAnswer(**(dict(row) | {"answered_at": datetime.fromisoformat(row["answered_at"])}))


def text_hash(text: str) -> str:
    """SHA-256 of a passage's text, hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _passage_row(passage: Passage) -> tuple[str, str, str, str, str]:
    groups = json.dumps(passage.groups)
    return passage.id, passage.document_id, passage.document, text_hash(passage.text), groups


def _log_failure(task: Future[None]) -> None:
    if error := task.exception():
        log.error("what an answer rests on could not be kept", exc_info=error)
