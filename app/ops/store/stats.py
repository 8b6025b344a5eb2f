"""Summing up runs, whole or by group."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any

from app.ops.store.errors import InvalidQuery
from app.ops.store.feedback import feedback_of, stats_by_key
from app.ops.store.filters import Condition
from app.ops.store.models import Feedback, GroupBy, RunQuery, RunStats
from app.ops.store.query import condition
from app.ops.store.usage import AMOUNTS, add_up

_FACTS = f"""
    SELECT runs.id, dotted_order, status, start_time, latency_s,
        (julianday(first_token_time) - julianday(start_time)) * 86400.0 AS first_token_s, {", ".join(AMOUNTS)}
"""
_GROUPS = {
    "name": ("runs", "name"),
    "run_type": ("runs", "run_type"),
    "tag": ("runs, json_each(runs.tags) tag", "tag.value"),
    "metadata": ("runs, json_each(runs.extra, '$.metadata') pair", "pair.value"),
}


def overall(db: sqlite3.Connection, wanted: RunQuery) -> RunStats:
    """All runs that match. Raises InvalidQuery."""
    groups = _read(db, "runs", "''", _picked(wanted))
    return groups.get("", RunStats())


def grouped(db: sqlite3.Connection, wanted: RunQuery, group_by: GroupBy) -> dict[str, RunStats]:
    """The runs that match, group by group, the largest first. Raises InvalidQuery."""
    tables, group = _GROUPS[group_by.attribute]
    picked = _picked(wanted)
    if group_by.attribute == "metadata":
        if not group_by.path:
            raise InvalidQuery("Grouping by metadata needs a path: the key whose values make the groups.")
        picked = Condition(f"{picked.sql} AND pair.key = ?", [*picked.parameters, group_by.path])
    groups = _read(db, tables, group, picked)
    largest = sorted(groups.items(), key=lambda item: -item[1].run_count)
    return dict(largest[: group_by.max_groups])


def _picked(wanted: RunQuery) -> Condition:
    matching = condition(wanted)
    return Condition(f"runs.id IN (SELECT id FROM runs WHERE {matching.sql})", matching.parameters)  # noqa: S608


def _read(db: sqlite3.Connection, tables: str, group: str, picked: Condition) -> dict[str, RunStats]:
    rows: dict[str, list[sqlite3.Row]] = defaultdict(list)
    facts = f"{_FACTS}, {group} AS grp FROM {tables} WHERE {picked.sql} ORDER BY dotted_order"
    for row in db.execute(facts, picked.parameters):
        rows[str(row["grp"])].append(row)
    feedback: dict[str, list[Feedback]] = defaultdict(list)
    judgements = f"""
        SELECT feedback.*, {group} AS grp FROM {tables} JOIN feedback ON feedback.run_id = runs.id
        WHERE {picked.sql} ORDER BY feedback.created_at DESC
    """  # noqa: S608
    for row in db.execute(judgements, picked.parameters):
        feedback[str(row["grp"])].append(feedback_of(row))
    return {name: _stats(members, feedback[name]) for name, members in rows.items()}


def _stats(rows: list[sqlite3.Row], judgements: list[Feedback]) -> RunStats:
    latencies = _known(row["latency_s"] for row in rows)
    first_tokens = _known(row["first_token_s"] for row in rows)
    return RunStats(
        run_count=len(rows),
        latency_p50=_percentile(latencies, 0.50),
        latency_p99=_percentile(latencies, 0.99),
        first_token_p50=_percentile(first_tokens, 0.50),
        first_token_p99=_percentile(first_tokens, 0.99),
        error_rate=sum(row["status"] == "error" for row in rows) / len(rows),
        streaming_rate=len(first_tokens) / len(rows),
        last_run_start_time=max(row["start_time"] for row in rows),
        feedback_stats=stats_by_key(judgements),
        **add_up(_topmost(rows)),
    )


def _topmost(rows: Iterable[sqlite3.Row]) -> list[dict[str, Any]]:
    """The amounts of the runs that no other one of `rows` lies above: those include what lies below them."""
    top, chosen = None, []
    for row in rows:
        if top is None or not row["dotted_order"].startswith(top):
            top = row["dotted_order"] + "."
            chosen.append({name: row[name] for name in AMOUNTS})
    return chosen


def _known(values: Iterable[float | None]) -> list[float]:
    return sorted(value for value in values if value is not None)


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of all values do not exceed."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
