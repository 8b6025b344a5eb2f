"""Summing up runs, whole or by group."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Text,
    func,
    literal,
    select,
    type_coerce,
)

from app.ops.store.errors import InvalidQuery
from app.ops.store.feedback.feedback import summed_up
from app.ops.store.models import GroupBy, RunQuery, RunStats
from app.ops.store.runs.query import FEW, condition
from app.ops.store.runs.rollup import AMOUNTS
from app.ops.store.tables import feedback, run_labels, run_tags, runs, turns
from app.ops.store.tables.base import microseconds, moment, usd

_JUDGEMENT = ("key", "score", "value", "comment", "source_type", "error")
_SPLIT = 1_000_000
_TYPED = ("experiment", "variant", "model", "prompt_version", "corpus_release", "user_hash")
"""Metadata that the turns hold in columns."""
_ALL = ""
"""The one group of what is not grouped."""

Spent = list[int | None]
"""Tokens, and costs in the unit of their columns, in the order of `AMOUNTS`."""


def overall(db: Connection, wanted: RunQuery) -> RunStats:
    """All runs that match. Raises InvalidQuery."""
    found = runs.alias("run")
    picked = select().select_from(found).where(condition(db, wanted, found))
    return _Summing(db, found, picked).stats(roots_only=wanted.is_root is True).get(_ALL, RunStats())


def grouped(db: Connection, wanted: RunQuery, group_by: GroupBy) -> dict[str, RunStats]:
    """The runs that match, group by group, the largest first. Raises InvalidQuery."""
    found = runs.alias("run")
    roots_only = wanted.is_root is True
    picked = select().select_from(found).where(condition(db, wanted, found))
    labels, group = _labels(found, group_by, roots_only=roots_only)
    if labels is not None:
        picked = picked.join(labels, (labels.c.num == found.c.num) & group.is_not(None))
    groups = _Summing(db, found, picked, group).stats(roots_only=roots_only)
    largest = sorted(groups.items(), key=lambda item: (-item[1].run_count, item[0]))
    return dict(largest[: group_by.max_groups])


def of_roots(db: Connection, found: FromClause, picked: Select[Any]) -> RunStats:
    """The runs that `picked` selects from `found`, an alias of the table; all of them are roots."""
    return _Summing(db, found, picked).stats(roots_only=True).get(_ALL, RunStats())


def by_project(db: Connection, project_ids: Collection[UUID]) -> dict[UUID, RunStats]:
    """The root runs of each project that has any."""
    found = runs.alias("run")
    picked = select().select_from(found).where(found.c.project_id.in_(project_ids), found.c.is_root)
    return _Summing(db, found, picked, found.c.project_id).stats(roots_only=True)


def over_time(db: Connection, wanted: RunQuery, start: datetime, stride: timedelta) -> dict[datetime, RunStats]:
    """The runs that match and started from `start` on, by the beginning of the span of time that they started in.

    Raises InvalidQuery.
    """
    found = runs.alias("run")
    within = condition(db, wanted.model_copy(update={"started_from": start}), found)
    length_us = stride // timedelta(microseconds=1)
    number = (type_coerce(found.c.start_time, BigInteger) - microseconds(start)) // length_us
    summing = _Summing(db, found, select().select_from(found).where(within), number)
    summed = summing.stats(roots_only=wanted.is_root is True)
    return {start + int(place) * stride: summed[place] for place in sorted(summed)}


def _labels(found: FromClause, group_by: GroupBy, *, roots_only: bool) -> tuple[FromClause | None, ColumnElement[Any]]:
    """The table that says which groups a run is in, if not its own, and the column that holds them."""
    if group_by.attribute == "tag":
        return run_tags, run_tags.c.tag
    if group_by.attribute != "metadata":
        return None, found.c[group_by.attribute]
    if not group_by.path:
        raise InvalidQuery("Grouping by metadata needs a path: the key whose values make the groups.")
    if roots_only and group_by.path in _TYPED:
        return turns, turns.c[group_by.path]
    labels = select(run_labels.c.num, run_labels.c.value).where(run_labels.c.key == group_by.path).subquery("label")
    return labels, labels.c.value


class _Summing:
    """Adds runs up, all of them or by what `group` holds."""

    def __init__(
        self, db: Connection, found: FromClause, picked: Select[Any], group: ColumnElement[Any] | None = None
    ) -> None:
        self._db = db
        self._runs = found.c
        self._is_grouped = group is not None
        self._picked = picked.add_columns((literal(_ALL, Text) if group is None else group).label("group"))
        self._amounts = [type_coerce(found.c[name], BigInteger).label(name) for name in AMOUNTS]

    def stats(self, *, roots_only: bool) -> dict[Any, RunStats]:
        """By group. Where all are roots, none lies above another; else each call is counted once."""
        rows = self._summed(self._amounts if roots_only else [])
        spent = {row.group: _whole(row) for row in rows} if roots_only else self._topmost()
        judged = self._feedback()
        return {row.group: _stats(row, spent[row.group], judged[row.group]) for row in rows}

    def _summed(self, amounts: Sequence[ColumnElement[Any]]) -> list[Any]:
        start = type_coerce(self._runs.start_time, BigInteger).label("start")
        first_token = (type_coerce(self._runs.first_token_time, BigInteger) - start).label("first_token_us")
        picked = self._picked.add_columns(start, self._runs.status, self._runs.latency_us, first_token, *amounts)
        one = picked.subquery("one").c
        wanted = select(
            one.group if self._is_grouped else literal(_ALL, Text).label("group"),
            func.count().label("n"),
            func.count().filter(one.status == "error").label("errors"),
            func.max(one.start).label("last_us"),
            self._all(one.latency_us).label("latencies_us"),
            self._all(one.first_token_us).label("first_tokens_us"),
            *(half for column in amounts for half in _halves(one[column.name])),
        )
        rows = self._db.execute(wanted.group_by(one.group) if self._is_grouped else wanted).all()
        return [row for row in rows if row.n]  # without groups there is a row even where there are no runs

    def _all(self, values: ColumnElement[Any]) -> ColumnElement[Any]:
        """The values of a group in one: sorting them here is faster than a percentile in either engine."""
        gather = func.json_group_array if self._db.dialect.name == "sqlite" else func.array_agg
        return gather(values).filter(values.is_not(None))

    def _topmost(self) -> dict[Any, Spent]:
        """Of the runs that no other one of the group lies above: those include what lies below them."""
        known = self._runs.total_tokens.is_not(None) | self._runs.total_cost.is_not(None)
        wanted = self._picked.add_columns(self._runs.dotted_order, *self._amounts)
        spent: dict[Any, Spent] = defaultdict(lambda: [None] * len(AMOUNTS))
        top: dict[Any, str] = {}
        for group, order, *amounts in self._db.execute(wanted.where(known).order_by(self._runs.dotted_order)):
            if not order.startswith(top.get(group, " ")):
                top[group] = order + "."
                spent[group] = [_added(so_far, one) for so_far, one in zip(spent[group], amounts, strict=True)]
        return spent

    def _feedback(self) -> dict[Any, dict[str, list[Any]]]:
        """The rows of feedback, by group and key, newest first."""
        judgements = self._picked.add_columns(*(feedback.c[name] for name in _JUDGEMENT))
        of_run = (feedback.c.run_id == self._runs.id) & feedback.c.comparative_experiment_id.is_(None)
        wanted = judgements.join(feedback, of_run).order_by(feedback.c.created_at.desc())
        found: dict[Any, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        judged = select(feedback.c.run_id).where(feedback.c.run_id.is_not(None)).distinct().limit(FEW + 1)
        run_ids = self._db.scalars(judged).all()
        if len(run_ids) <= FEW:  # then these are looked up, and not each run for its feedback
            wanted = wanted.where(self._runs.id.in_(run_ids))
        if run_ids:
            for row in self._db.execute(wanted):
                found[row.group][row.key].append(row)
        return found


def _halves(amount: ColumnElement[Any]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """A sum in two, neither of which can grow beyond what an engine adds up exactly."""
    return (
        func.sum(amount // _SPLIT).label(f"{amount.key}_high"),
        func.sum(amount % _SPLIT).label(f"{amount.key}_low"),
    )


def _whole(row: Row[Any]) -> Spent:
    halves = ((getattr(row, f"{name}_high"), getattr(row, f"{name}_low")) for name in AMOUNTS)
    return [None if high is None else int(high) * _SPLIT + int(low) for high, low in halves]


def _added(so_far: int | None, one: int | None) -> int | None:
    """None is what nobody knows."""
    return so_far if one is None else one + (so_far or 0)


def _stats(row: Row[Any], spent: Spent, judged: Mapping[str, Sequence[Any]]) -> RunStats:
    latencies_us, first_tokens_us = _sorted(row.latencies_us), _sorted(row.first_tokens_us)
    return RunStats(
        run_count=row.n,
        latency_p50=percentile(latencies_us, 0.50),
        latency_p99=percentile(latencies_us, 0.99),
        first_token_p50=percentile(first_tokens_us, 0.50),
        first_token_p99=percentile(first_tokens_us, 0.99),
        error_rate=row.errors / row.n,
        streaming_rate=len(first_tokens_us) / row.n,
        last_run_start_time=moment(row.last_us).isoformat(),
        feedback_stats={key: summed_up(rows) for key, rows in judged.items()},
        **{
            name: usd(amount) if amount is not None and name.endswith("cost") else amount
            for name, amount in zip(AMOUNTS, spent, strict=True)
        },
    )


def _sorted(gathered: str | list[int] | None) -> list[int]:
    values: list[int] = from_json(gathered) if isinstance(gathered, str) else gathered or []
    values.sort()
    return values


def percentile(ordered: Sequence[int], share: float) -> float | None:
    """In seconds: the smallest value that at least `share` of all values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] / 1e6 if ordered else None
