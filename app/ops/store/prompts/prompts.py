"""Prompts, agents and skills: names for lines of versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Row, Select, Text, and_, delete, func, insert, or_, select, update
from sqlalchemy import type_coerce as as_type
from sqlalchemy.exc import IntegrityError

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, NotFound
from app.ops.store.prompts.commits import Commits
from app.ops.store.prompts.directories import Directories
from app.ops.store.prompts.models import Prompt, PromptChange, PromptFields, PromptQuery
from app.ops.store.prompts.tags import Tags
from app.ops.store.prompts.webhooks import Webhooks
from app.ops.store.tables.base import json_text
from app.ops.store.tables.prompts import prompt_commits, prompt_tags, prompts

_SORTED_BY = {"num_likes": "liked", "relevance": "updated_at"}
_newest = select(prompt_commits.c.prompt_id, func.max(prompt_commits.c.number).label("number"))
_newest_of = _newest.group_by(prompt_commits.c.prompt_id).subquery()


class Prompts:
    """Make, find, change, delete. `commits` are the versions, `tags` the names that point at some of them."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self.commits = Commits(database, clock)
        self.tags = Tags(database, clock)
        self.directories = Directories(database, clock)
        self.webhooks = Webhooks(database, clock)

    def create(self, fields: PromptFields) -> Prompt:
        """Make a prompt without versions. Raises Conflict if the name is taken."""
        now = self._clock()
        row = fields.model_dump(exclude={"repo_handle", "tags"}) | {
            "id": uuid4(),
            "handle": fields.repo_handle,
            "labels": fields.tags or [],
            "is_archived": False,
            "liked": False,
            "num_downloads": 0,
            "num_views": 0,
            "created_at": now,
            "updated_at": now,
        }
        with self._database.write() as db:
            try:
                db.execute(insert(prompts).values(row))
            except IntegrityError as error:
                raise Conflict(f"There already is a prompt named {fields.repo_handle!r}.") from error
            return _existing(db, fields.repo_handle)

    def get(self, handle: str) -> Prompt:
        """One prompt. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, handle)

    def find(self, wanted: PromptQuery) -> tuple[list[Prompt], int]:
        """One page of the prompts that match, and how many match in all."""
        matching = _matching(wanted)
        page = _whole(wanted.with_latest_manifest).where(*matching).order_by(*_order(wanted))
        total = select(func.count()).select_from(_joined()).where(*matching)
        with self._database.read() as db:
            rows = db.execute(page.limit(wanted.limit).offset(wanted.offset)).all()
            return _prompts(db, rows), db.scalar(total) or 0

    def change(self, handle: str, wanted: PromptChange) -> Prompt:
        """Change the fields that `wanted` sets to something. Raises NotFound."""
        changes = wanted.model_dump(exclude_none=True)
        if "tags" in changes:
            changes["labels"] = changes.pop("tags")
        return self._set(handle, changes | {"updated_at": self._clock()})

    def like(self, handle: str, liked: bool) -> Prompt:
        """Like a prompt, or no longer. Raises NotFound."""
        return self._set(handle, {"liked": liked})

    def count(self, handle: str, *, view: bool = False) -> None:
        """Count that a version was pulled, or viewed."""
        column = "num_views" if view else "num_downloads"
        self._set(handle, {column: prompts.c[column] + 1})

    def delete(self, handle: str) -> None:
        """Delete a prompt with its versions and tags. Raises NotFound."""
        with self._database.write() as db:
            db.execute(delete(prompts).where(prompts.c.id == _existing(db, handle).id))

    def _set(self, handle: str, values: dict[str, Any]) -> Prompt:
        with self._database.write() as db:
            _existing(db, handle)
            db.execute(update(prompts).where(prompts.c.handle == handle).values(values))
            return _existing(db, handle)


def _joined() -> Any:
    is_newest = and_(prompt_commits.c.prompt_id == prompts.c.id, prompt_commits.c.number == _newest_of.c.number)
    return prompts.outerjoin(_newest_of, _newest_of.c.prompt_id == prompts.c.id).outerjoin(prompt_commits, is_newest)


def _whole(with_manifest: bool = False) -> Select[Any]:
    columns: list[ColumnElement[Any]] = [
        func.coalesce(_newest_of.c.number, 0).label("num_commits"),
        prompt_commits.c.hash.label("last_commit_hash"),
    ]
    if with_manifest:
        columns.append(prompt_commits.c.manifest.label("latest_manifest"))
    return select(prompts, *columns).select_from(_joined())


def _matching(wanted: PromptQuery) -> list[ColumnElement[bool]]:
    terms: list[ColumnElement[bool]] = []
    if wanted.search:
        texts = (prompts.c.handle, prompts.c.description, prompts.c.readme)
        terms.append(or_(*(func.lower(text).contains(wanted.search.lower(), autoescape=True) for text in texts)))
    for label in wanted.labels or []:
        terms.append(as_type(prompts.c.labels, Text).contains(json_text(label), autoescape=True))
    if wanted.repo_types:
        terms.append(prompts.c.repo_type.in_(wanted.repo_types))
    if wanted.is_public is not None:
        terms.append(prompts.c.is_public == wanted.is_public)
    if wanted.is_archived is not None:
        terms.append(prompts.c.is_archived == wanted.is_archived)
    if wanted.has_commits is not None:
        terms.append(_newest_of.c.number.is_not(None) if wanted.has_commits else _newest_of.c.number.is_(None))
    return terms


def _order(wanted: PromptQuery) -> list[ColumnElement[Any]]:
    column = prompts.c[_SORTED_BY.get(wanted.sort_field, wanted.sort_field)]
    return [column.desc() if wanted.descending else column.asc(), prompts.c.handle]


def _existing(db: Connection, handle: str) -> Prompt:
    row = db.execute(_whole().where(prompts.c.handle == handle)).one_or_none()
    if row is None:
        raise NotFound(f"There is no prompt named {handle!r}.")
    return _prompts(db, [row])[0]


def _prompts(db: Connection, rows: Sequence[Row[Any]]) -> list[Prompt]:
    tags: dict[UUID, list[str]] = {row.id: [] for row in rows}
    named = select(prompt_tags.c.prompt_id, prompt_tags.c.name).where(prompt_tags.c.prompt_id.in_(tags))
    for prompt_id, name in db.execute(named.order_by(prompt_tags.c.name)):
        tags[prompt_id].append(name)
    return [Prompt.model_validate(row._asdict() | {"commit_tags": tags[row.id]}) for row in rows]
