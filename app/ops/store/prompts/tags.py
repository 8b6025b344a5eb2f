"""Tags: names that point at a version, can be moved to another, and remember where they pointed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, NotFound
from app.ops.store.prompts.commits import prompt_named, resolve
from app.ops.store.prompts.models import LIVE, Tag, TagMove
from app.ops.store.tables.prompts import prompt_commits, prompt_tag_moves, prompt_tags

_tag = select(prompt_tags, prompt_commits.c.hash.label("commit_hash")).join(prompt_commits)
_move = select(prompt_tag_moves, prompt_commits.c.hash.label("commit_hash")).outerjoin(
    prompt_commits, prompt_commits.c.id == prompt_tag_moves.c.commit_id
)


class Tags:
    """Pin, roll back, remove; each move is written down with who made it."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def find(self, handle: str) -> list[Tag]:
        """All tags of a prompt, by name. Raises NotFound."""
        with self._database.read() as db:
            of_prompt = _tag.where(prompt_tags.c.prompt_id == prompt_named(db, handle))
            return [_tag_of(row) for row in db.execute(of_prompt.order_by(prompt_tags.c.name))]

    def get(self, handle: str, name: str) -> Tag:
        """One tag. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, prompt_named(db, handle), name)

    def pin(self, handle: str, reference: str, *, by: str, name: str = LIVE) -> Tag:
        """Let the tag, which is made if it is new, point at a version. Raises NotFound."""
        with self._database.write() as db:
            prompt_id = prompt_named(db, handle)
            return self._point(db, prompt_id, name, resolve(db, prompt_id, reference).id, "pin", by)

    def rollback(self, handle: str, *, by: str, name: str = LIVE) -> Tag:
        """Let the tag point where it pointed before; once more goes one further back.

        Raises NotFound; Conflict when there is nothing to go back to.
        """
        with self._database.write() as db:
            prompt_id = prompt_named(db, handle)
            _existing(db, prompt_id, name)
            trail = _trail(_moves(db, prompt_id, name))
            if len(trail) < 2:
                raise Conflict(f"The tag {name!r} has pointed at no other version before.")
            return self._point(db, prompt_id, name, trail[-2], "rollback", by)

    def remove(self, handle: str, name: str, *, by: str) -> None:
        """Delete a tag; its history stays. Raises NotFound."""
        with self._database.write() as db:
            prompt_id = prompt_named(db, handle)
            tag = _existing(db, prompt_id, name)
            db.execute(delete(prompt_tags).where(prompt_tags.c.id == tag.id))
            self._record(db, prompt_id, name, None, "remove", by)

    def history(self, handle: str, name: str = LIVE) -> list[TagMove]:
        """Every move of a tag, newest first. Raises NotFound."""
        with self._database.read() as db:
            return _moves(db, prompt_named(db, handle), name)[::-1]

    def _point(self, db: Connection, prompt_id: UUID, name: str, commit_id: UUID, kind: str, by: str) -> Tag:
        row = {"commit_id": commit_id, "updated_at": self._clock()}
        one = (prompt_tags.c.prompt_id == prompt_id) & (prompt_tags.c.name == name)
        if not db.execute(update(prompt_tags).where(one).values(row)).rowcount:
            new = {"id": uuid4(), "prompt_id": prompt_id, "name": name, "created_at": row["updated_at"]}
            db.execute(insert(prompt_tags).values(row | new))
        self._record(db, prompt_id, name, commit_id, kind, by)
        return _existing(db, prompt_id, name)

    def _record(self, db: Connection, prompt_id: UUID, name: str, commit_id: UUID | None, kind: str, by: str) -> None:
        move = {"prompt_id": prompt_id, "name": name, "kind": kind, "commit_id": commit_id}
        db.execute(insert(prompt_tag_moves).values(move | {"moved_at": self._clock(), "moved_by": by}))


def _trail(moves: Iterable[TagMove]) -> list[UUID]:
    """The versions that the tag would walk back through, the present one last."""
    trail: list[UUID] = []
    for move in moves:
        if move.kind == "rollback":
            trail.pop()
        elif move.commit_id and trail[-1:] != [move.commit_id]:
            trail.append(move.commit_id)
    return trail


def _existing(db: Connection, prompt_id: UUID, name: str) -> Tag:
    wanted: Select[Any] = _tag.where(prompt_tags.c.prompt_id == prompt_id, prompt_tags.c.name == name)
    row = db.execute(wanted).one_or_none()
    if row is None:
        raise NotFound(f"There is no tag {name!r} of this prompt.")
    return _tag_of(row)


def _moves(db: Connection, prompt_id: UUID, name: str) -> list[TagMove]:
    wanted = _move.where(prompt_tag_moves.c.prompt_id == prompt_id, prompt_tag_moves.c.name == name)
    return [TagMove.model_validate(row._asdict()) for row in db.execute(wanted.order_by(prompt_tag_moves.c.num))]


def _tag_of(row: Row[Any]) -> Tag:
    return Tag.model_validate(row._asdict())
