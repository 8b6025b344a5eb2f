"""Summing up runs, whole or by group."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    case,
    func,
    literal,
    select,
    type_coerce,
)

from app.ops.store.errors import InvalidQuery
from app.ops.store.feedback import summed_up
from app.ops.store.models import FeedbackStats, GroupBy, RunQuery, RunStats
from app.ops.store.query import condition
from app.ops.store.rollup import AMOUNTS, Amounts, add, nothing
from app.ops.store.tables import feedback, run_labels, run_tags, runs
from app.ops.store.tables.base import Usd, total_usd

_JUDGEMENT = ("key", "score", "value", "comment", "source_type", "error")


def overall(db: Connection, wanted: RunQuery) -> RunStats:
    """All runs that match. Raises InvalidQuery."""
    found = runs.alias("run")
    picked = select().select_from(found).where(condition(db, wanted, found))
    return _Summing(db, found, picked, literal("", Text)).stats(wanted.is_root is True).get("", RunStats())


def grouped(db: Connection, wanted: RunQuery, group_by: GroupBy) -> dict[str, RunStats]:
    """The runs that match, group by group, the largest first. Raises InvalidQuery."""
    found = runs.alias("run")
    tables, group = _grouping(found, group_by)
    picked = select().select_from(tables).where(condition(db, wanted, found))
    groups = _Summing(db, found, picked, group).stats(wanted.is_root is True)
    largest = sorted(groups.items(), key=lambda item: (-item[1].run_count, item[0]))
    return dict(largest[: group_by.max_groups])


def of_roots(db: Connection, found: FromClause, picked: Select[Any]) -> RunStats:
    """The runs that `picked` selects from `found`, an alias of the table; all of them are roots."""
    return _Summing(db, found, picked, literal("", Text)).stats(roots_only=True).get("", RunStats())


def by_project(db: Connection, project_ids: Collection[UUID]) -> dict[UUID, RunStats]:
    """The root runs of each project that has any."""
    found = runs.alias("run")
    picked = select().select_from(found).where(found.c.project_id.in_(project_ids), found.c.is_root)
    summed: dict[Any, RunStats] = _Summing(db, found, picked, found.c.project_id).stats(roots_only=True)
    return summed


def _grouping(found: Any, group_by: GroupBy) -> tuple[FromClause, ColumnElement[Any]]:
    if group_by.attribute == "tag":
        return found.join(run_tags, run_tags.c.num == found.c.num), run_tags.c.tag
    if group_by.attribute != "metadata":
        return found, found.c[group_by.attribute]
    if not group_by.path:
        raise InvalidQuery("Grouping by metadata needs a path: the key whose values make the groups.")
    labelled = (run_labels.c.num == found.c.num) & (run_labels.c.key == group_by.path)
    return found.join(run_labels, labelled), run_labels.c.value


class _Summing:
    """The same runs, asked about several times."""

    def __init__(self, db: Connection, found: FromClause, picked: Select[Any], group: ColumnElement[Any]) -> None:
        self._db = db
        self._runs = found.c
        self._picked = picked
        self._group = group
        start = type_coerce(found.c.start_time, BigInteger)
        self._first_token_us = type_coerce(found.c.first_token_time, BigInteger) - start

    def stats(self, roots_only: bool) -> dict[str, RunStats]:
        """By group."""
        latencies = self._sorted(self._runs.latency_us)
        first_tokens = self._sorted(self._first_token_us)
        amounts = self._root_amounts() if roots_only else self._topmost_amounts()
        judgements = self._feedback()
        counts = self._picked.add_columns(
            self._group.label("group_"),
            func.count().label("n"),
            func.sum(case((self._runs.status == "error", 1), else_=0)).label("errors"),
            func.max(self._runs.start_time).label("last"),
        ).group_by(self._group)
        return {
            row.group_: RunStats(
                run_count=row.n,
                latency_p50=percentile(latencies[row.group_], 0.50),
                latency_p99=percentile(latencies[row.group_], 0.99),
                first_token_p50=percentile(first_tokens[row.group_], 0.50),
                first_token_p99=percentile(first_tokens[row.group_], 0.99),
                error_rate=row.errors / row.n,
                streaming_rate=len(first_tokens[row.group_]) / row.n,
                last_run_start_time=row.last.isoformat(),
                feedback_stats=judgements[row.group_],
                **amounts[row.group_],
            )
            for row in self._db.execute(counts)
        }

    def _sorted(self, column: ColumnElement[Any]) -> dict[str, list[int]]:
        values: dict[str, list[int]] = defaultdict(list)
        asked = self._picked.add_columns(self._group, column).where(column.is_not(None)).order_by(column)
        for group, value in self._db.execute(asked):
            values[group].append(value)
        return values

    def _root_amounts(self) -> dict[str, Amounts]:
        columns = [self._runs[name] for name in AMOUNTS]
        sums = ((total_usd(one) if isinstance(one.type, Usd) else func.sum(one)).label(one.name) for one in columns)
        asked = self._picked.add_columns(self._group.label("group_"), *sums).group_by(self._group)
        found: dict[str, Amounts] = defaultdict(nothing)
        for row in self._db.execute(asked):
            found[row.group_] = {name: getattr(row, name) for name in AMOUNTS}
        return found

    def _topmost_amounts(self) -> dict[str, Amounts]:
        """Of the runs that no other one of the group lies above: those include what lies below them."""
        known = self._runs.total_tokens.is_not(None) | self._runs.total_cost.is_not(None)
        columns = (self._runs[name] for name in AMOUNTS)
        asked = self._picked.add_columns(self._group.label("group_"), self._runs.dotted_order, *columns)
        sums: dict[str, Amounts] = defaultdict(nothing)
        top: dict[str, str] = {}
        for row in self._db.execute(asked.where(known).order_by(self._runs.dotted_order)):
            above = top.get(row.group_)
            if above is None or not row.dotted_order.startswith(above):
                top[row.group_] = row.dotted_order + "."
                add(sums[row.group_], row._asdict())
        return sums

    def _feedback(self) -> dict[str, dict[str, FeedbackStats]]:
        asked = self._picked.add_columns(self._group.label("group_"), *(feedback.c[name] for name in _JUDGEMENT)).join(
            feedback, feedback.c.run_id == self._runs.id
        )
        found: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for row in self._db.execute(asked.order_by(feedback.c.created_at.desc())):
            found[row.group_, row.key].append(row)
        stats: dict[str, dict[str, FeedbackStats]] = defaultdict(dict)
        for (group, key), rows in found.items():
            stats[group][key] = summed_up(rows)
        return stats


def percentile(ordered: Sequence[int], share: float) -> float | None:
    """In seconds: the smallest value that at least `share` of all values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] / 1e6 if ordered else None
