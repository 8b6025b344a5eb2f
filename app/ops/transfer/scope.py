"""Which rows belong to an export, worked out from how tables refer to each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Table, and_, or_, select

from app.ops.store.tables import metadata, projects, run_labels, run_tags, runs

_NOT_DATA = {"schema_version"}
_POINTERS: dict[str, Column[UUID]] = {"run_id": runs.c.id, "project_id": projects.c.id}
"""What columns of these names refer to where no foreign key says so."""


def exported_tables() -> list[Table]:
    """Every table that holds records of a workspace, those that others refer to first; not its keys."""
    return [one for one in metadata.sorted_tables if one.name not in _NOT_DATA and not one.info.get("private")]


@dataclass(frozen=True)
class Scope:
    """The traces that are wanted, and what belongs to them. Datasets, prompts and the like always come whole."""

    project_id: UUID | None = None
    since: datetime | None = None

    def of(self, table: Table) -> ColumnElement[bool] | None:
        """Which rows of the table belong; None is all of them."""
        terms = [*self._own(table), *self._inherited(table)]
        return and_(*terms) if terms else None

    def _own(self, table: Table) -> Iterator[ColumnElement[bool]]:
        if table is projects and self.project_id:
            yield projects.c.id == self.project_id
        if table is runs and self.since:
            yield runs.c.start_time >= self.since

    def _inherited(self, table: Table) -> Iterator[ColumnElement[bool]]:
        """A row belongs where what it refers to does."""
        for column, target in _references(table):
            wanted = self.of(target.table)
            if wanted is not None:
                within = column.in_(select(target).where(wanted))
                yield or_(column.is_(None), within) if column.nullable else within


def _references(table: Table) -> Iterator[tuple[Column[Any], Column[Any]]]:
    for column in table.c:
        if column.foreign_keys:
            yield from ((column, key.column) for key in column.foreign_keys if key.column.table is not table)
        elif column.name in _POINTERS and not column.primary_key:
            yield column, _POINTERS[column.name]
    if table in (run_labels, run_tags):
        yield table.c.num, runs.c.num
