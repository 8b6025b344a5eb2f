"""What the pages say of answers that were shown again: how many, what it spared, and in which arm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from selectolax.lexbor import LexborHTMLParser as HTMLParser
from sqlalchemy import inspect, text

from app.ops.store import Ingest, OpsStore
from app.ops.store.models import RunFields
from app.ops.store.tables import metadata
from app.ops.views import OpsState

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)
SAVED = {"saved_usd": 0.5, "saved_s": 3.0, "saved_tokens": 100}


@pytest.fixture
def ops_state(ops_state: OpsState) -> OpsState:
    return replace(ops_state, clock=lambda: NOW)


def record(store: OpsStore, *, days_ago: int = 0, status: str = "answered", **facts: Any) -> UUID:
    run_id, start = uuid4(), NOW - timedelta(days=days_ago, hours=1)
    root = {"id": run_id, "name": "turn", "start_time": start, "end_time": start, "inputs": {"question": "Who?"}}
    run = _RUN.validate_python({**root, "extra": {"metadata": {"status": status, "user_hash": "u"} | facts}})
    store.ingest(Ingest(posts=[run]))
    return run_id


def seen(pages: TestClient, path: str) -> HTMLParser:
    answer = pages.get(path)
    assert answer.status_code == 200, answer.text
    return HTMLParser(answer.text)


def rows(html: HTMLParser, table: int = 0) -> list[list[str]]:
    found = html.css("table")[table].css("tbody tr")
    return [[" ".join(cell.text().split()) for cell in row.css("th, td")] for row in found]


def words(html: HTMLParser) -> str:
    return " ".join(html.css_first("main").text(separator=" ").split())


def test_reuse_and_what_it_spared_stand_by_day_and_by_arm(store: OpsStore, pages: TestClient) -> None:
    arm = {"experiment": "tone", "variant": "short"}
    record(store, cost_usd=2.0, **arm)
    record(store, cache="exact", **SAVED, **arm)
    record(store, cache="semantic", **SAVED)
    record(store, status="abstained")
    record(store, days_ago=1, cost_usd=1.0, experiment="tone", variant="long")
    record(store, days_ago=13, cache="exact", **SAVED)
    record(store, days_ago=14, cache="exact", **SAVED)
    html = seen(pages, "/ops/reuse")
    by_day = rows(html)
    assert by_day[0] == ["2026-03-10", "3", "67%", "1", "1", "$2.00", "$1.00", "6.0 s", "200"]
    assert by_day[1][:6] == ["2026-03-09", "1", "0%", "0", "0", "$1.00"]
    assert [row[3] for row in by_day] == ["1", *["0"] * 12, "1"], "the fifteenth day is another page's"
    assert rows(html, 1) == [
        ["tone", "long", "1", "0%", "0", "0", "$1.00", "$0.00", "0 ms", "0"],
        ["tone", "short", "2", "50%", "1", "0", "$2.00", "$0.50", "3.0 s", "100"],
    ]
    assert "60% 3 of 5 answers" in words(html)
    assert "$1.50 beside a cost of $3.00" in words(html)


def test_the_first_page_says_it_beside_the_costs(store: OpsStore, pages: TestClient) -> None:
    record(store, cost_usd=2.0)
    record(store, cache="exact", **SAVED)
    record(store, days_ago=1, cache="exact", **SAVED)
    html = seen(pages, "/ops")
    assert html.css_first('a[href="/ops/reuse"]').text() == "50% reused"
    assert "$0.50 saved" in words(html)


def test_where_nothing_was_reused_the_page_says_so(store: OpsStore, pages: TestClient) -> None:
    assert "No answer was reused" in words(seen(pages, "/ops/reuse"))
    record(store)
    html = seen(pages, "/ops/reuse")
    assert "No answer was reused" in words(html)
    assert "0 of 1 answer" in words(html)


def test_reused_answers_can_be_left_out_of_a_comparison(store: OpsStore, pages: TestClient) -> None:
    record(store, experiment="tone", variant="short", cost_usd=2.0)
    for _ in range(3):
        record(store, experiment="tone", variant="short", cost_usd=0.0, cache="exact", **SAVED)
    record(store, experiment="tone", variant="long", cache="semantic", **SAVED)

    def measured(path: str) -> dict[str, list[str]]:
        return {row[0].split("answers")[0].strip(): row[1:] for row in rows(seen(pages, path))}

    everything, only_new = measured("/ops/experiments/tone"), measured("/ops/experiments/tone?new")
    assert sorted(everything["Turns"]) == ["1", "4"]
    assert sorted(only_new["Turns"]) == ["0", "1"]
    assert set(everything["Reused"]) == set(only_new["Reused"])
    assert {cell.split()[0] for cell in only_new["Reused"]} == {"75%3", "100%1"}
    assert "Leave reused answers out" in words(seen(pages, "/ops/experiments/tone"))
    assert "count them too" in words(seen(pages, "/ops/experiments/tone?new"))


def test_a_trace_says_that_its_answer_was_reused(store: OpsStore, pages: TestClient) -> None:
    run_id = record(store, cache="semantic", **SAVED)
    assert "asked before in other words; $0.50, 3.0 s and 100 tokens spared" in words(
        seen(pages, f"/ops/turns/{run_id}")
    )
    assert "Reused" not in words(seen(pages, f"/ops/turns/{record(store)}"))


def test_what_others_call_a_cache_is_shown_as_text_and_not_counted(store: OpsStore, pages: TestClient) -> None:
    run_id = record(store, cache="<script>alert(1)</script>", saved_usd="much", saved_s=[3], saved_tokens=True)
    assert "<script>alert" not in pages.get(f"/ops/turns/{run_id}").text
    assert rows(seen(pages, "/ops/reuse"))[0][1:5] == ["1", "0%", "0", "0"]


def test_a_store_from_before_learns_what_was_reused(store: OpsStore, open_store) -> None:
    record(store, cost_usd=2.0)
    with store.database.write() as db:
        sqlite = db.dialect.name == "sqlite"
        for index in ("turn_facts", "experiment_facts") if sqlite else ():
            db.execute(text(f"DROP INDEX {index}"))
            db.execute(text(f"CREATE INDEX {index} ON turns (started)"))
        for column in ("cache", "saved_usd", "saved_s", "saved_tokens"):
            db.execute(text(f"ALTER TABLE turns DROP COLUMN {column}"))
        db.execute(text("UPDATE schema_version SET version = 0"))
    newer = open_store()
    with newer.read() as db:
        assert {column["name"] for column in inspect(db).get_columns("turns")} == set(metadata.tables["turns"].c.keys())
        indexes = {one["name"]: one["column_names"] for one in inspect(db).get_indexes("turns")}
    for index in metadata.tables["turns"].indexes if sqlite else ():
        if index.name in ("turn_facts", "experiment_facts"):
            assert indexes[index.name] == [column.name for column in index.columns]
    record(newer, cache="exact", **SAVED)
