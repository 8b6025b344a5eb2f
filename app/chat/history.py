"""Chat history in SQL: threads, steps and elements. Every method is told who asks, and checks who owns."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.auth.database import Database
from app.chat.errors import NotFound

Json = dict[str, Any]


@dataclass(frozen=True)
class StoredElement:
    """An element's own bytes."""

    mime: str
    content: bytes
    thread_id: str


class History:
    """The chat tables of `chat.db`. Blocking, thread-safe; each method is one transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db

    # Threads

    def owner_of(self, thread_id: str) -> str | None:
        """The id of the user whose thread it is."""
        row = self._db.one("SELECT user_id FROM threads WHERE id = ?", thread_id)
        return row["user_id"] if row else None

    def save_thread(self, thread_id: str, user_id: str, changes: Mapping[str, str], now: str, *, begin: bool) -> None:
        """Change columns of a user's thread. A missing thread is made if it is to `begin`, else left deleted."""
        with self._db.transaction() as db:
            if begin:
                _begin_thread(db, thread_id, user_id, now)
            if _owner(db, thread_id) not in (user_id, None):
                raise NotFound
            for column, value in changes.items():
                db.execute(f"UPDATE threads SET {column} = ? WHERE id = ?", (value, thread_id))  # noqa: S608

    def delete_thread(self, thread_id: str, user_id: str) -> None:
        """Forget a user's thread and all that it holds. Raises `NotFound`."""
        with self._db.transaction() as db:
            if not db.execute("DELETE FROM threads WHERE id = ? AND user_id = ?", (thread_id, user_id)).rowcount:
                raise NotFound

    def threads(
        self, user_id: str, *, limit: int, before: str | None, search: str | None, rated: int | None
    ) -> list[sqlite3.Row]:
        """A user's threads, newest first: id, name and created_at. `before` is the last id of the page before."""
        conditions, parameters = ["user_id = ?"], [user_id]
        if before:
            conditions.append("(created_at, id) < (SELECT created_at, id FROM threads WHERE id = ?)")
            parameters.append(before)
        if search:
            conditions.append(
                "(name LIKE ? ESCAPE '\\' OR EXISTS "
                "(SELECT 1 FROM steps WHERE thread_id = threads.id AND output LIKE ? ESCAPE '\\'))"
            )
            parameters += [_like(search)] * 2
        if rated is not None:
            conditions.append("EXISTS (SELECT 1 FROM ratings WHERE thread_id = threads.id AND value = ?)")
            parameters.append(str(rated))
        sql = (
            "SELECT id, name, created_at FROM threads WHERE "  # noqa: S608
            f"{' AND '.join(conditions)} ORDER BY created_at DESC, id DESC LIMIT ?"
        )
        return self._db.all(sql, *parameters, limit)

    def thread(self, thread_id: str, user_id: str) -> Json:
        """A user's whole thread, as Chainlit resumes it. Raises `NotFound`."""
        row = self._db.one("SELECT * FROM threads WHERE id = ? AND user_id = ?", thread_id, user_id)
        if row is None:
            raise NotFound
        return {
            "id": row["id"],
            "createdAt": row["created_at"],
            "name": row["name"],
            "userId": user_id,
            "tags": json.loads(row["tags"]),
            "metadata": json.loads(row["metadata"]),
            "steps": self._steps(thread_id),
            "elements": self._elements(thread_id),
        }

    # Steps

    def add_step(self, step: Json, user_id: str, now: str) -> None:
        """Keep a new step, and begin its thread where it is the first; one that is there already stays as it is."""
        with self._db.transaction() as db:
            _begin_thread(db, step["threadId"], user_id, now)
            _require_owner(db, step["threadId"], user_id)
            db.execute(
                "INSERT INTO steps (id, thread_id, created_at, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                _step_row(step, now),
            )
            _require_home(db, "steps", step)

    def put_step(self, step: Json, user_id: str, now: str) -> None:
        """Keep a step's newest state; in a thread that was deleted meanwhile, nothing."""
        with self._db.transaction() as db:
            if _owner(db, step["threadId"]) is None:
                return
            _require_owner(db, step["threadId"], user_id)
            db.execute(
                "INSERT INTO steps (id, thread_id, created_at, body) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET body = excluded.body WHERE thread_id = excluded.thread_id",
                _step_row(step, now),
            )
            _require_home(db, "steps", step)

    def delete_step(self, step_id: str, user_id: str) -> None:
        """Forget a step of a user's thread; one that is gone already is no error."""
        self._delete_own("steps", step_id, user_id)

    def _steps(self, thread_id: str) -> list[Json]:
        rows = self._db.all(
            "SELECT body, created_at FROM steps WHERE thread_id = ? ORDER BY created_at, rowid", thread_id
        )
        ratings = {
            str(row["step_id"]): row for row in self._db.all("SELECT * FROM ratings WHERE thread_id = ?", thread_id)
        }
        steps = [{**json.loads(row["body"]), "createdAt": row["created_at"]} for row in rows]
        return [{**step, "feedback": _feedback(ratings.get(step["id"]))} for step in steps]

    # Elements

    def put_element(self, element: Json, content: bytes | None, user_id: str) -> None:
        """Keep an element's newest state, in a thread that has begun."""
        with self._db.transaction() as db:
            _require_owner(db, element["threadId"], user_id)
            mime = element.get("mime") or "application/octet-stream"
            db.execute(
                "INSERT INTO elements VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET body = excluded.body, mime = excluded.mime, content = excluded.content "
                "WHERE thread_id = excluded.thread_id",
                (element["id"], element["threadId"], json.dumps(element), mime, content),
            )
            _require_home(db, "elements", element)

    def element_content(self, element_id: str, user_id: str) -> StoredElement:
        """An element's bytes. Raises `NotFound`."""
        row = self._db.one(
            "SELECT mime, content, thread_id FROM elements JOIN threads ON threads.id = thread_id "
            "WHERE elements.id = ? AND user_id = ? AND content IS NOT NULL",
            element_id,
            user_id,
        )
        if row is None:
            raise NotFound
        return StoredElement(row["mime"], row["content"], row["thread_id"])

    def delete_element(self, element_id: str, user_id: str) -> None:
        """Forget an element of a user's thread; one that is gone already is no error."""
        self._delete_own("elements", element_id, user_id)

    def _elements(self, thread_id: str) -> list[Json]:
        rows = self._db.all("SELECT body FROM elements WHERE thread_id = ? ORDER BY rowid", thread_id)
        return [json.loads(row["body"]) for row in rows]

    def _delete_own(self, table: str, item_id: str, user_id: str) -> None:
        with self._db.transaction() as db:
            row = db.execute(f"SELECT thread_id FROM {table} WHERE id = ?", (item_id,)).fetchone()  # noqa: S608
            if row is not None:
                _require_owner(db, row["thread_id"], user_id)
                db.execute(f"DELETE FROM {table} WHERE id = ?", (item_id,))  # noqa: S608

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _begin_thread(db: sqlite3.Connection, thread_id: str, user_id: str, now: str) -> None:
    db.execute(
        "INSERT INTO threads (id, user_id, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (thread_id, user_id, now),
    )


def _owner(db: sqlite3.Connection, thread_id: str) -> str | None:
    row = db.execute("SELECT user_id FROM threads WHERE id = ?", (thread_id,)).fetchone()
    return row["user_id"] if row else None


def _require_owner(db: sqlite3.Connection, thread_id: str, user_id: str) -> None:
    if _owner(db, thread_id) != user_id:
        raise NotFound


def _require_home(db: sqlite3.Connection, table: str, item: Json) -> None:
    """Browsers choose ids: one that stands in another thread must not be written from this one."""
    row = db.execute(f"SELECT thread_id FROM {table} WHERE id = ?", (item["id"],)).fetchone()  # noqa: S608
    if row["thread_id"] != item["threadId"]:
        raise NotFound


def _step_row(step: Json, now: str) -> tuple[str, str, str, str]:
    return step["id"], step["threadId"], step.get("createdAt") or now, json.dumps(step)


def _feedback(row: sqlite3.Row | None) -> Json | None:
    if row is None:
        return None
    return {"id": row["id"], "forId": row["step_id"], "value": row["value"], "comment": row["comment"]}


def _like(search: str) -> str:
    escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
