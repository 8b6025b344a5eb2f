"""Versions of prompts: each names its parent, and its hash stands for its content and all that came before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, NotFound
from app.ops.store.prompts.models import LATEST, Commit, CommitFields, CommitPage
from app.ops.store.tables.base import json_text
from app.ops.store.tables.prompts import prompt_commits, prompt_tags, prompts

_SHORTEST_HASH = 8


class Commits:
    """Add and read versions. They never change."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def create(self, handle: str, fields: CommitFields) -> Commit:
        """Add a version after the latest.

        Raises NotFound; Conflict when the parent is not the latest version, or nothing changed.
        """
        with self._database.write() as db:
            prompt_id = prompt_named(db, handle)
            parent = require_latest(db, prompt_id, fields.parent_commit)
            return append(db, prompt_id, parent, fields.manifest, fields.description, self._clock())

    def get(self, handle: str, reference: str = LATEST) -> Commit:
        """The version that a hash, at least 8 characters of one, a tag or "latest" stands for. Raises NotFound."""
        with self._database.read() as db:
            return resolve(db, prompt_named(db, handle), reference)

    def find(self, handle: str, *, tag: str | None = None, limit: int | None = None, offset: int = 0) -> CommitPage:
        """Versions, newest first. Raises NotFound."""
        with self._database.read() as db:
            of_prompt = prompt_commits.c.prompt_id == prompt_named(db, handle)
            wanted = select(prompt_commits).where(of_prompt)
            if tag is not None:
                tagged = select(prompt_tags.c.commit_id).where(prompt_tags.c.name == tag)
                wanted = wanted.where(prompt_commits.c.id.in_(tagged))
            rows = db.execute(wanted.order_by(prompt_commits.c.number.desc()).limit(limit).offset(offset))
            total = db.scalar(select(func.count()).select_from(wanted.subquery()))
            return CommitPage(commits=[_commit(row) for row in rows], total=total or 0)


def prompt_named(db: Connection, handle: str) -> UUID:
    """The id of a prompt. Raises NotFound."""
    found: UUID | None = db.scalar(select(prompts.c.id).where(prompts.c.handle == handle))
    if found is None:
        raise NotFound(f"There is no prompt named {handle!r}.")
    return found


def latest(db: Connection, prompt_id: UUID) -> Commit | None:
    """The newest version, or None."""
    return _newest(db, prompt_id)


def require_latest(db: Connection, prompt_id: UUID, expected: str | None) -> Commit | None:
    """The newest version, which `expected` must stand for where it is given. Raises Conflict."""
    newest = latest(db, prompt_id)
    if expected in (None, LATEST):
        return newest
    if newest is None or len(str(expected)) < _SHORTEST_HASH or not newest.hash.startswith(str(expected)):
        now = f"is {newest.hash[:_SHORTEST_HASH]}" if newest else "does not exist yet"
        raise Conflict(f"The parent {expected} is not the latest version, which {now}. Pull it, then commit again.")
    return newest


def append(
    db: Connection, prompt_id: UUID, parent: Commit | None, manifest: dict[str, Any], text: str | None, now: datetime
) -> Commit:
    """Add a version after `parent`. Raises Conflict when it says the same, or another came first."""
    if parent and _canonical(parent.manifest) == _canonical(manifest):
        raise Conflict(f"Nothing has changed since the version {parent.hash[:_SHORTEST_HASH]}.")
    parent_hash = parent.hash if parent else None
    row = {
        "id": uuid4(),
        "prompt_id": prompt_id,
        "number": parent.number + 1 if parent else 1,
        "hash": hashlib.sha256(f"{parent_hash or ''}\n{_canonical(manifest)}".encode()).hexdigest(),
        "parent_id": parent.id if parent else None,
        "parent_hash": parent_hash,
        "manifest": manifest,
        "description": text,
        "created_at": now,
    }
    try:
        db.execute(insert(prompt_commits).values(row))
    except IntegrityError as error:
        raise Conflict("Somebody else committed at the same moment. Pull the latest version first.") from error
    db.execute(update(prompts).where(prompts.c.id == prompt_id).values(updated_at=now))
    return Commit.model_validate(row)


def resolve(db: Connection, prompt_id: UUID, reference: str) -> Commit:
    """The version that a hash, the beginning of one, a tag, an id or "latest" stands for. Raises NotFound."""
    if reference == LATEST:
        found = latest(db, prompt_id)
    else:
        found = _by_hash(db, prompt_id, reference) or _by_tag(db, prompt_id, reference)
        found = found or _by_id(db, prompt_id, reference)
    if found is None:
        raise NotFound(f"There is no version {reference!r} of this prompt.")
    return found


def _by_hash(db: Connection, prompt_id: UUID, reference: str) -> Commit | None:
    """Shorter references can only be tags."""
    if len(reference) < _SHORTEST_HASH:
        return None
    return _newest(db, prompt_id, prompt_commits.c.hash.startswith(reference, autoescape=True))


def _by_tag(db: Connection, prompt_id: UUID, name: str) -> Commit | None:
    tagged = select(prompt_tags.c.commit_id).where(prompt_tags.c.prompt_id == prompt_id, prompt_tags.c.name == name)
    return _newest(db, prompt_id, prompt_commits.c.id.in_(tagged))


def _by_id(db: Connection, prompt_id: UUID, reference: str) -> Commit | None:
    try:
        return _newest(db, prompt_id, prompt_commits.c.id == UUID(reference))
    except ValueError:
        return None


def _newest(db: Connection, prompt_id: UUID, *matching: ColumnElement[bool]) -> Commit | None:
    wanted = select(prompt_commits).where(prompt_commits.c.prompt_id == prompt_id, *matching)
    row = db.execute(wanted.order_by(prompt_commits.c.number.desc()).limit(1)).one_or_none()
    return None if row is None else _commit(row)


def _canonical(manifest: dict[str, Any]) -> str:
    return json.dumps(from_json(json_text(manifest)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _commit(row: Row[Any]) -> Commit:
    return Commit.model_validate(row._asdict())
