"""Databases of every age become new, whole or not at all."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from app.ops.store import OpsStore, migrations


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=10)


@pytest.mark.parametrize("age", range(len(migrations.MIGRATIONS) + 1))
def test_a_store_of_any_age_opens(tmp_path: Path, age: int) -> None:
    path = tmp_path / "ops.db"
    with connect(path) as db:
        for step in migrations.MIGRATIONS[:age]:
            step(db)
        db.execute(f"PRAGMA user_version = {age}")
    store = OpsStore.open(path)
    assert [project.name for project in store.projects()] == ["default"]
    store.close()


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half (x)")
        db.execute("CREATE TABLE half (x)")

    monkeypatch.setattr(migrations, "MIGRATIONS", [*migrations.MIGRATIONS, broken])
    db = connect(tmp_path / "ops.db")
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrations.migrate(db)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables >= {"runs", "feedback", "projects"}
    assert "half" not in tables
    assert db.execute("PRAGMA user_version").fetchone()[0] == len(migrations.MIGRATIONS) - 1


def test_two_that_open_a_new_store_at_once_agree(tmp_path: Path) -> None:
    opened: list[OpsStore] = []
    threads = [threading.Thread(target=lambda: opened.append(OpsStore.open(tmp_path / "ops.db"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for store in opened:
        assert [project.name for project in store.projects()] == ["default"]
        store.close()
