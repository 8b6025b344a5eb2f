"""Databases of every age become new, whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, inspect, select, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from app.ops.store import OpsStore, migrations
from app.ops.store.tables import metadata

OpenStore = Callable[[], OpsStore]
INDEXES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    "postgresql": (
        "SELECT relname FROM pg_class JOIN pg_index ON pg_class.oid = indexrelid"
        " WHERE relnamespace = current_schema()::regnamespace AND NOT indisunique"
    ),
}
NOT_TABLES = {"run_search_turn", "run_search_step"}


def columns_in(db: Connection, table: str) -> set[tuple[Any, ...]]:
    keys = inspect(db).get_pk_constraint(table)["constrained_columns"]
    return {
        (column["name"], _kind(column["type"], db), column["nullable"], column["name"] in keys)
        for column in inspect(db).get_columns(table)
    }


def columns_of(table: Table, db: Connection) -> set[tuple[Any, ...]]:
    return {
        (column.name, _kind(column.type, db), bool(column.nullable), bool(column.primary_key)) for column in table.c
    }


def _kind(kind: Any, db: Connection) -> str:
    """The type as the engine says it, without what it calls the same thing differently."""
    said = kind.compile(dialect=db.dialect).partition("(")[0].partition(" COLLATE")[0].upper()
    return {"FLOAT": "REAL", "DOUBLE PRECISION": "REAL", "DOUBLE": "REAL"}.get(said, said)


def uniques_in(db: Connection, table: str) -> set[tuple[str, ...]]:
    return {tuple(one["column_names"]) for one in inspect(db).get_unique_constraints(table)}


def uniques_of(table: Table) -> set[tuple[str, ...]]:
    constraints = (one for one in table.constraints if one.__visit_name__ == "unique_constraint")
    return {tuple(one.columns.keys()) for one in constraints}


def references_in(db: Connection, table: str) -> set[tuple[str, str, str | None]]:
    return {
        (one["constrained_columns"][0], one["referred_table"], one["options"].get("ondelete"))
        for one in inspect(db).get_foreign_keys(table)
    }


def references_of(table: Table) -> set[tuple[str, str, str | None]]:
    return {(one.parent.name, one.column.table.name, one.ondelete) for one in table.foreign_keys}


def indexes_of(db: Connection) -> set[str]:
    """The indexes that `tables` describe for this engine."""
    declared = (index for table in metadata.tables.values() for index in table.indexes)
    only = {index.name: index._ddl_if.dialect for index in declared if index._ddl_if}
    names = {str(index.name) for table in metadata.tables.values() for index in table.indexes}
    return {name for name in names if only.get(name, db.dialect.name) == db.dialect.name}


def test_a_database_has_what_the_tables_describe(store: OpsStore) -> None:
    with store.read() as db:
        assert set(metadata.tables) <= set(inspect(db).get_table_names())
        for name, table in metadata.tables.items():
            assert columns_in(db, name) == columns_of(table, db), name
            assert uniques_in(db, name) == uniques_of(table), name
            assert references_in(db, name) == references_of(table), name
        names = set(db.scalars(text(INDEXES[db.dialect.name])))
        assert names - NOT_TABLES == indexes_of(db)


def test_a_store_that_is_opened_again_is_not_made_anew(open_store: OpenStore) -> None:
    (first,), (second,) = (open_store().projects.find() for _ in range(2))
    assert first == second


def test_a_step_that_fails_leaves_nothing_behind(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(db: Connection) -> None:
        db.execute(text("CREATE TABLE half (x INTEGER)"))
        db.execute(text("CREATE TABLE half (x INTEGER)"))

    before = open_store()
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, broken])
    with pytest.raises((OperationalError, ProgrammingError), match="already exists"):
        open_store()
    with before.read() as db:
        assert not inspect(db).has_table("half")
        assert db.scalars(select(metadata.tables["schema_version"].c.version)).all() == [len(migrations.STEPS) - 1]


def test_a_step_is_taken_once(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    open_store()
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, lambda db: taken.append(db)])
    for _ in range(2):
        open_store()
    assert len(taken) == 1


def test_a_store_of_a_later_version_is_refused(open_store: OpenStore) -> None:
    store = open_store()
    with store.database.write() as db:
        db.execute(insert(metadata.tables["schema_version"]).values(version=len(migrations.STEPS) + 1))
    with pytest.raises(migrations.NewerSchema, match="knows up to"):
        open_store()


def test_several_that_open_a_new_store_at_once_agree(open_store: OpenStore, tmp_path: Path) -> None:
    opened: list[OpsStore] = []
    threads = [threading.Thread(target=lambda: opened.append(open_store())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    (ids,) = {tuple(project.id for project in store.projects.find()) for store in opened}
    assert len(ids) == 1
