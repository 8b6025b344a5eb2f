"""Everything goes out and comes back in; a new table is covered without a word here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from app.ops.store import Conflict, Ingest, InvalidRecord, NotFound, OpsStore, RunQuery
from app.ops.store.models import RunFields
from app.ops.store.tables import metadata, runs
from app.ops.transfer import export_store, import_store
from app.ops.transfer.scope import exported_tables

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = {"api_keys", "signing_keys", "workspaces", "schema_version"}


@pytest.fixture
def other(tmp_path: Path) -> Iterator[OpsStore]:
    """A second store, on SQLite."""
    opened = OpsStore.open(tmp_path / "other")
    yield opened
    opened.close()


def rows_of(store: OpsStore) -> dict[str, list[Any]]:
    with store.read() as db:
        return {
            table.name: sorted((tuple(row) for row in db.execute(table.select())), key=repr)
            for table in exported_tables()
        }


def ingest(store: OpsStore, **run: Any) -> None:
    store.ingest(Ingest(posts=[TypeAdapter(RunFields).validate_python({"id": uuid4(), **run})]))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_an_export_comes_back_whole_on_either_engine(
    store: OpsStore, other: OpsStore, fill: Callable[..., Any], tmp_path: Path
) -> None:
    fill(other, "canary")
    written = export_store(other, tmp_path / "out", "jsonl")
    assert written.rows == sum(map(len, rows_of(other).values()))
    assert written.files == 3
    assert import_store(store, tmp_path / "out") == written
    assert rows_of(store) == rows_of(other)
    for file in (tmp_path / "out" / "blobs").iterdir():
        assert store.blobs.path(file.name).read_bytes() == other.blobs.path(file.name).read_bytes()
    again = export_store(store, tmp_path / "again", "jsonl")
    assert again == written
    for file in (tmp_path / "out").glob("*.jsonl"):
        assert lines(file) == lines(tmp_path / "again" / file.name), file.name


def test_what_was_read_in_is_found_and_goes_on(store: OpsStore, other: OpsStore, tmp_path: Path) -> None:
    ingest(other, name="turn", inputs={"question": "Wombats?"})
    export_store(other, tmp_path / "out", "jsonl")
    import_store(store, tmp_path / "out")
    assert [one.name for one in store.runs.query(RunQuery(search="wombats")).runs] == ["turn"]
    ingest(store, name="later")
    assert {one.name for one in store.runs.query(RunQuery()).runs} == {"turn", "later"}


def test_parquet_says_the_same(store: OpsStore, fill: Callable[..., Any], tmp_path: Path) -> None:
    filled = fill(store, "canary")
    written = export_store(store, tmp_path / "out", "parquet")
    assert written.rows == sum(pq.read_metadata(file).num_rows for file in (tmp_path / "out").glob("*.parquet"))
    stored = {row["num"]: row for row in pq.read_table(tmp_path / "out" / "runs.parquet").to_pylist()}
    for run in filled["runs"]:
        found = stored[run["num"]]
        assert (found["id"], found["start_time"], found["total_cost"]) == (
            str(run["id"]),
            run["start_time"],
            run["total_cost"],
        )
        assert json.loads(found["tags"]) == run["tags"]
    assert {file.stem for file in (tmp_path / "out").glob("*.parquet")} == set(metadata.tables) - SECRET


def test_keys_stay_at_home(store: OpsStore, tmp_path: Path) -> None:
    export_store(store, tmp_path / "out", "jsonl")
    assert {file.stem for file in (tmp_path / "out").glob("*.jsonl")} == set(metadata.tables) - SECRET


def test_a_part_of_it(store: OpsStore, fill: Callable[..., Any], tmp_path: Path) -> None:
    filled = fill(store, "canary")
    first, second, _ = filled["projects"]
    export_store(store, tmp_path / "one", "jsonl", project=first["name"])
    for name in ("run_bodies", "run_tags", "turns", "projects"):
        assert len(lines(tmp_path / "one" / f"{name}.jsonl")) == 1, name
    (run,) = lines(tmp_path / "one" / "runs.jsonl")
    assert run["project_id"] == str(first["id"])
    assert len(lines(tmp_path / "one" / "datasets.jsonl")) == 3
    export_store(store, tmp_path / "late", "jsonl", since=START + timedelta(days=1))
    assert str(second["id"]) in {one["project_id"] for one in lines(tmp_path / "late" / "runs.jsonl")}
    assert str(first["id"]) not in {one["project_id"] for one in lines(tmp_path / "late" / "runs.jsonl")}
    assert len(lines(tmp_path / "late" / "run_bodies.jsonl")) == len(lines(tmp_path / "late" / "runs.jsonl")) == 2


def test_a_part_can_be_read_in_too(store: OpsStore, other: OpsStore, fill: Callable[..., Any], tmp_path: Path) -> None:
    name = fill(other, "canary")["projects"][0]["name"]
    export_store(other, tmp_path / "out", "jsonl", project=name)
    import_store(store, tmp_path / "out")
    assert len(rows_of(store)[runs.name]) == 1


def test_what_cannot_be_done_is_refused_and_changes_nothing(
    store: OpsStore, fill: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        export_store(store, tmp_path / "out", "jsonl", project="nowhere")
    with pytest.raises(NotFound, match="manifest"):
        import_store(store, tmp_path / "out")
    fill(store, "canary")
    before = rows_of(store)
    export_store(store, tmp_path / "full", "jsonl")
    with pytest.raises(Conflict, match="not empty"):
        export_store(store, tmp_path / "full", "jsonl")
    with pytest.raises(Conflict, match="holds records"):
        import_store(store, tmp_path / "full")
    export_store(store, tmp_path / "columns", "parquet")
    with pytest.raises(InvalidRecord, match="jsonl"):
        import_store(store, tmp_path / "columns")
    assert rows_of(store) == before
