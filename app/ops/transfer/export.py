"""Writing everything out: one file for each table, as it all was at one moment."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic_core import to_json
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Connection, Table, func, select

from app.ops.store import Conflict, NotFound, OpsStore
from app.ops.store.migrations import STEPS
from app.ops.transfer.formats import JsonLines, Parquet
from app.ops.transfer.scope import Scope, exported_tables

Format = Literal["jsonl", "parquet"]
MANIFEST = "manifest.json"
"""Written last: a folder without it was not completed."""
BLOBS = "blobs"
_READ_AT_ONCE = 100
_WRITERS: dict[Format, type[JsonLines] | type[Parquet]] = {"jsonl": JsonLines, "parquet": Parquet}


class Transferred(NamedTuple):
    """How much was written or read."""

    rows: int
    files: int


def export_store(
    store: OpsStore,
    folder: Path,
    form: Format,
    *,
    project: str | None = None,
    since: datetime | None = None,
    console: Console | None = None,
) -> Transferred:
    """Write what the store holds into an empty folder. Raises Conflict, NotFound."""
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty. Choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    scope = Scope(_project_id(store, project), since.replace(tzinfo=since.tzinfo or UTC) if since else None)
    with store.read() as db, Progress(console=console, transient=True) as progress:
        export = _Export(db, store, folder, scope, progress)
        counts = {table.name: export.table(table, form) for table in exported_tables()}
    manifest = {"schema_version": len(STEPS), "format": form, "rows": counts}
    (folder / MANIFEST).write_bytes(to_json(manifest, indent=2))
    return Transferred(sum(counts.values()), export.files)


def _project_id(store: OpsStore, name: str | None) -> Any:
    if name is None:
        return None
    found = store.projects.find(name=name)
    if not found:
        raise NotFound(f"There is no project {name!r}.")
    return found[0].id


class _Export:
    def __init__(self, db: Connection, store: OpsStore, folder: Path, scope: Scope, progress: Progress) -> None:
        self._db = db
        self._store = store
        self._folder = folder
        self._scope = scope
        self._progress = progress
        self.files = 0

    def table(self, table: Table, form: Format) -> int:
        """Write one table; gives back how many rows it had."""
        task = self._progress.add_task(table.name, total=self._count(table))
        written = 0
        with _WRITERS[form](self._folder, table) as writer:
            for row in self._rows(table):
                writer.write(row)
                self._copy_files(row.get("attachments") or {})
                self._progress.advance(task)
                written += 1
        return written

    def _count(self, table: Table) -> int:
        counted = select(func.count()).select_from(table)
        wanted = self._scope.of(table)
        return self._db.scalar(counted if wanted is None else counted.where(wanted)) or 0

    def _rows(self, table: Table) -> Iterator[dict[str, Any]]:
        wanted = self._scope.of(table)
        rows = select(table) if wanted is None else select(table).where(wanted)
        ordered = rows.order_by(*table.primary_key)
        for row in self._db.execution_options(yield_per=_READ_AT_ONCE).execute(ordered):
            yield dict(row._mapping)

    def _copy_files(self, attachments: Mapping[str, Mapping[str, Any]]) -> None:
        for attachment in attachments.values():
            goal = self._folder / BLOBS / str(attachment.get("digest"))
            if attachment.get("digest") and not goal.exists():
                goal.parent.mkdir(exist_ok=True)
                shutil.copyfile(self._store.blobs.path(attachment["digest"]), goal)
                self.files += 1
