"""Agents and skills: versions that are folders of files and of links to other agents and skills.

A folder is stored as the manifest of a version: `{"files": {path: entry}}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import Connection, delete, select

from app.ops.store.database import Database
from app.ops.store.errors import InvalidRecord, NotFound
from app.ops.store.models import CleanText
from app.ops.store.prompts.commits import append, prompt_named, require_latest, resolve
from app.ops.store.prompts.models import LATEST, Commit, Handle
from app.ops.store.tables.prompts import prompts

_KINDS = ("agent", "skill")


def _inside(path: str) -> str:
    steps = path.split("/")
    if len(path) > 1000 or any(step in ("", ".", "..") for step in steps) or "\\" in path:
        raise ValueError("must be a path inside the folder, such as docs/guide.md")
    return path


Path = Annotated[CleanText, AfterValidator(_inside)]


class Selector(BaseModel):
    """Which version a link follows: the latest, or one commit."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["LATEST", "COMMIT"] = "LATEST"
    commit_id: UUID | None = None


class FileEntry(BaseModel):
    """A file with its content."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["file"]
    content: CleanText


class LinkEntry(BaseModel):
    """A link to another agent or skill."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["agent", "skill"]
    repo_handle: Handle
    selector: Selector = Selector()


class FolderFields(BaseModel):
    """Changes of a folder: what stands at each path from now on; None takes it away."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    files: dict[Path, Annotated[FileEntry | LinkEntry, Field(discriminator="type")] | None]
    parent_commit: Annotated[CleanText, Field(max_length=64)] | None = None


class Folder(BaseModel):
    """A version of an agent or a skill; links say which version of the other they stand for now."""

    model_config = ConfigDict(frozen=True)

    commit: Commit
    files: dict[str, dict[str, Any]]


class Directories:
    """Read and commit folders."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def get(self, handle: str, reference: str = LATEST, repo_type: str | None = None) -> Folder:
        """The folder at a version. Raises NotFound."""
        with self._database.read() as db:
            commit = resolve(db, _folder_named(db, handle, repo_type), reference)
            entries = _entries(commit)
            return Folder(commit=commit, files={path: _shown(db, entry) for path, entry in entries.items()})

    def commit(self, handle: str, fields: FolderFields) -> Commit:
        """Apply changes to the latest version.

        Raises NotFound; InvalidRecord for a link to nothing; Conflict when the parent is not the latest version, or
        nothing changed.
        """
        with self._database.write() as db:
            prompt_id = _folder_named(db, handle)
            parent = require_latest(db, prompt_id, fields.parent_commit)
            files = _entries(parent) if parent else {}
            for path, entry in fields.files.items():
                if entry is None:
                    files.pop(path, None)
                else:
                    files[path] = _stored(db, entry)
            return append(db, prompt_id, parent, {"files": files}, None, self._clock())

    def delete(self, handle: str, repo_type: str | None = None) -> None:
        """Delete an agent or a skill with its versions. Raises NotFound."""
        with self._database.write() as db:
            db.execute(delete(prompts).where(prompts.c.id == _folder_named(db, handle, repo_type)))


def _folder_named(db: Connection, handle: str, repo_type: str | None = None) -> UUID:
    prompt_id = prompt_named(db, handle)
    kind = db.scalar(select(prompts.c.repo_type).where(prompts.c.id == prompt_id))
    if kind not in _KINDS or repo_type not in (None, kind):
        raise NotFound(f"There is no {repo_type or 'agent or skill'} named {handle!r}.")
    return prompt_id


def _entries(commit: Commit) -> dict[str, dict[str, Any]]:
    return dict(commit.manifest.get("files", {}))


def _stored(db: Connection, entry: FileEntry | LinkEntry) -> dict[str, Any]:
    if isinstance(entry, LinkEntry):
        try:
            _linked(db, entry)
        except NotFound as error:
            raise InvalidRecord(f"The link to {entry.repo_handle!r} leads nowhere: {error}") from error
    return entry.model_dump(mode="json", exclude_none=True)


def _shown(db: Connection, stored: Mapping[str, Any]) -> dict[str, Any]:
    if stored["type"] == "file":
        return dict(stored)
    try:
        linked = _linked(db, LinkEntry.model_validate(stored))
    except NotFound:  # the other was deleted since
        return dict(stored) | {"commit_hash": "", "commit_id": None}
    return dict(stored) | {"commit_hash": linked.hash, "commit_id": str(linked.id)}


def _linked(db: Connection, link: LinkEntry) -> Commit:
    """The version that a link stands for now. Raises NotFound."""
    prompt_id = _folder_named(db, link.repo_handle, link.type)
    newest = link.selector.type == "LATEST"
    return resolve(db, prompt_id, LATEST if newest else str(link.selector.commit_id))
