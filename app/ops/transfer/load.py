"""Reading an export back in, into a workspace that holds nothing yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic_core import from_json
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import BigInteger, Connection, Integer, Table, Uuid, delete, func, insert, select, text

from app.ops.store import Conflict, InvalidRecord, NotFound, OpsStore
from app.ops.store.migrations import STEPS
from app.ops.store.runs import search
from app.ops.store.tables import counters, metadata, projects, run_bodies, runs
from app.ops.store.tables.base import Moment, Usd
from app.ops.transfer.export import BLOBS, MANIFEST, Transferred
from app.ops.transfer.scope import exported_tables

_WRITTEN_AT_ONCE = 200
_READ: dict[type[Any], Callable[[str], Any]] = {
    Uuid: UUID,
    Moment: datetime.fromisoformat,
    Usd: Decimal,
}


def import_store(store: OpsStore, folder: Path, *, console: Console | None = None) -> Transferred:
    """Read an export in JSON lines, whole or not at all. Raises NotFound, InvalidRecord, Conflict."""
    counts = _row_counts(folder)
    files = _put_files(store, folder / BLOBS)
    with store.database.write() as db, Progress(console=console, transient=True) as progress:
        _require_empty(db)
        db.execute(delete(projects))
        db.execute(delete(counters))
        for table in exported_tables():
            task = progress.add_task(table.name, total=counts.get(table.name))
            for rows in _batches(folder / f"{table.name}.jsonl", table):
                db.execute(insert(table), rows)
                progress.advance(task, len(rows))
        _index(db)
        _continue_numbers(db)
    return Transferred(sum(counts.values()), files)


def _row_counts(folder: Path) -> dict[str, int]:
    if not (folder / MANIFEST).is_file():
        raise NotFound(f"{folder} holds no completed export: there is no {MANIFEST}.")
    manifest = from_json((folder / MANIFEST).read_bytes())
    if manifest["format"] != "jsonl":
        raise InvalidRecord("Only exports in JSON lines can be read. Export again with `--format jsonl`.")
    if manifest["schema_version"] != len(STEPS):
        raise InvalidRecord("Another version of Parley wrote this export. Import it with that version, then upgrade.")
    counts: dict[str, int] = manifest["rows"]
    return counts


def _put_files(store: OpsStore, folder: Path) -> int:
    files = sorted(folder.glob("?" * 64))
    for file in files:
        if store.blobs.put(file.read_bytes()) != file.name:
            raise InvalidRecord(f"The file {file} is not what it was when it was exported.")
    return len(files)


def _require_empty(db: Connection) -> None:
    for table in exported_tables():
        mine = table.c.name != "default" if table is projects else None
        rows = select(func.count()).select_from(table)
        if table is not counters and db.scalar(rows if mine is None else rows.where(mine)):
            raise Conflict("The workspace holds records already. Import into a new one: `parley ops workspaces add`.")


def _batches(file: Path, table: Table) -> Iterator[list[dict[str, Any]]]:
    if not file.is_file():
        return
    readers = {column.name: reader for column in table.c if (reader := _READ.get(type(column.type)))}
    with file.open("rb") as lines:
        while some := list(islice(lines, _WRITTEN_AT_ONCE)):
            yield [_row(from_json(line), readers) for line in some]


def _row(values: dict[str, Any], readers: dict[str, Callable[[str], Any]]) -> dict[str, Any]:
    return {
        name: readers[name](value) if name in readers and value is not None else value for name, value in values.items()
    }


def _index(db: Connection) -> None:
    """Make what was read searchable."""
    columns = (
        runs.c.num,
        runs.c.is_root,
        runs.c.name,
        *(run_bodies.c[name] for name in ("error", "inputs", "outputs")),
    )
    last = -1
    while rows := db.execute(
        select(*columns).join_from(runs, run_bodies).where(runs.c.num > last).order_by(runs.c.num).limit(500)
    ).all():
        search.put(
            db,
            [
                {
                    "num": row.num,
                    "is_root": row.is_root,
                    "text": search.searchable(row.name, row.error, row.inputs, row.outputs),
                }
                for row in rows
            ],
        )
        last = rows[-1].num


def _continue_numbers(db: Connection) -> None:
    """Let PostgreSQL number new rows behind those that were read; SQLite looks by itself."""
    if db.dialect.name == "sqlite":
        return
    for table in metadata.tables.values():
        column = table.autoincrement_column
        if column is not None and isinstance(column.type, Integer | BigInteger):
            name = {"table": table.name, "column": column.name}
            sequence = db.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), name)
            highest = db.scalar(select(func.max(column)))
            if sequence and highest:
                db.execute(text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest})
