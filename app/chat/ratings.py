"""Thumbs: kept beside the thread, and passed on to where feedback is collected, at least once."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from uuid import NAMESPACE_URL, UUID, uuid5

from app.auth.database import Database
from app.chat.errors import NotFound
from app.chat.feedback import Rating

log = logging.getLogger(__name__)

RATING_IDS = uuid5(NAMESPACE_URL, "parley:rating")


class Ratings:
    """The ratings in `chat.db`. Blocking, thread-safe; each method is one transaction.

    Every change is noted in the same transaction as an errand, so that none is lost where passing it on fails.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def rate(self, step_id: str, user_id: str, value: int, comment: str | None, now: str) -> UUID:
        """Rate a step of the user's own thread, or change the rating. Raises `NotFound`.

        The id follows from the user and the step, so that two tabs that vote at once vote once.
        """
        rating_id = uuid5(RATING_IDS, f"{user_id}:{step_id}")
        with self._db.transaction() as db:
            row = db.execute(
                "SELECT thread_id FROM steps JOIN threads ON threads.id = thread_id WHERE steps.id = ? AND user_id = ?",
                (step_id, user_id),
            ).fetchone()
            if row is None:
                raise NotFound
            db.execute(
                "INSERT INTO ratings VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET value = excluded.value, comment = excluded.comment, rated_at = excluded.rated_at",
                (str(rating_id), row["thread_id"], step_id, user_id, value, comment, now),
            )
            _note_change(db, str(rating_id))
        return rating_id

    def unrate(self, rating_id: str, user_id: str) -> None:
        """Take the user's own rating back. Raises `NotFound`."""
        with self._db.transaction() as db:
            if not db.execute("DELETE FROM ratings WHERE id = ? AND user_id = ?", (rating_id, user_id)).rowcount:
                raise NotFound
            _note_change(db, rating_id)

    def changes(self) -> list[tuple[UUID, int]]:
        """Ratings whose newest state has not been passed on, each with the number of that change."""
        rows = self._db.all("SELECT rating_id, change FROM rating_changes ORDER BY rowid")
        return [(UUID(row["rating_id"]), row["change"]) for row in rows]

    def find(self, rating_id: UUID) -> tuple[Rating, str] | None:
        """A rating as it is now, and the id of its user; None once it was taken back."""
        row = self._db.one("SELECT * FROM ratings WHERE id = ?", str(rating_id))
        if row is None:
            return None
        rating = Rating(rating_id, turn_id=UUID(row["step_id"]), score=row["value"], comment=row["comment"])
        return rating, row["user_id"]

    def settle(self, rating_id: UUID, change: int) -> None:
        """This change was passed on; a newer one, if there is any, still waits."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM rating_changes WHERE rating_id = ? AND change = ?", (str(rating_id), change))


def _note_change(db: sqlite3.Connection, rating_id: str) -> None:
    db.execute("INSERT INTO rating_changes VALUES (?, 1) ON CONFLICT DO UPDATE SET change = change + 1", (rating_id,))


def pass_on(ratings: Ratings, on_rated: Callable[[Rating, str], None], on_unrated: Callable[[UUID], None]) -> None:
    """Tell the newest state of each rating that changed; what fails is logged and stays for the next time."""
    for rating_id, change in ratings.changes():
        found = ratings.find(rating_id)
        try:
            if found is None:
                on_unrated(rating_id)
            else:
                on_rated(*found)
        except Exception:
            log.exception("rating %s could not be passed on; it will be tried again", rating_id)
            continue
        ratings.settle(rating_id, change)
