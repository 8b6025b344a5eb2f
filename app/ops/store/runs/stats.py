"""Summing up runs, whole or by group."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Connection, FromClause, Select, Text, literal, select, type_coerce

from app.ops.store.errors import InvalidQuery
from app.ops.store.feedback.feedback import summed_up
from app.ops.store.models import GroupBy, RunQuery, RunStats
from app.ops.store.runs.query import FEW, condition
from app.ops.store.runs.rollup import AMOUNTS
from app.ops.store.tables import feedback, run_labels, run_tags, runs, turns
from app.ops.store.tables.base import microseconds, moment, usd

_JUDGEMENT = ("key", "score", "value", "comment", "source_type", "error")
_AT_ONCE = 20_000
"""Rows that are held in memory."""
_TYPED = ("experiment", "variant", "model", "prompt_version", "corpus_release", "user_hash")
"""Metadata that the turns hold in columns."""
_ALL = ""
"""The one group of what is not grouped."""


def overall(db: Connection, wanted: RunQuery) -> RunStats:
    """All runs that match. Raises InvalidQuery."""
    found = runs.alias("run")
    picked = select().select_from(found).where(condition(db, wanted, found))
    return _Summing(db, found, picked).stats(roots_only=wanted.is_root is True).get(_ALL, RunStats())


def grouped(db: Connection, wanted: RunQuery, group_by: GroupBy) -> dict[str, RunStats]:
    """The runs that match, group by group, the largest first. Raises InvalidQuery."""
    found = runs.alias("run")
    picked = select().select_from(found).where(condition(db, wanted, found))
    if group_by.attribute in ("tag", "metadata"):
        summing = _Summing(db, found, picked, labels=_labels(db, group_by, roots_only=wanted.is_root is True))
    else:
        summing = _Summing(db, found, picked, group=found.c[group_by.attribute])
    groups = summing.stats(roots_only=wanted.is_root is True)
    largest = sorted(groups.items(), key=lambda item: (-item[1].run_count, item[0]))
    return dict(largest[: group_by.max_groups])


def of_roots(db: Connection, found: FromClause, picked: Select[Any]) -> RunStats:
    """The runs that `picked` selects from `found`, an alias of the table; all of them are roots."""
    return _Summing(db, found, picked).stats(roots_only=True).get(_ALL, RunStats())


def by_project(db: Connection, project_ids: Collection[UUID]) -> dict[UUID, RunStats]:
    """The root runs of each project that has any."""
    found = runs.alias("run")
    picked = select().select_from(found).where(found.c.project_id.in_(project_ids), found.c.is_root)
    return _Summing(db, found, picked, group=found.c.project_id).stats(roots_only=True)


def over_time(db: Connection, wanted: RunQuery, start: datetime, stride: timedelta) -> dict[datetime, RunStats]:
    """The runs that match and started from `start` on, by the beginning of the span of time that they started in.

    Raises InvalidQuery.
    """
    found = runs.alias("run")
    within = condition(db, wanted.model_copy(update={"started_from": start}), found)
    length_us = stride // timedelta(microseconds=1)
    number = (type_coerce(found.c.start_time, BigInteger) - microseconds(start)) // length_us
    summing = _Summing(db, found, select().select_from(found).where(within), group=number)
    summed = summing.stats(roots_only=wanted.is_root is True)
    return {start + int(place) * stride: summed[place] for place in sorted(summed)}


def _labels(db: Connection, group_by: GroupBy, *, roots_only: bool) -> dict[int, list[str]]:
    """The groups that each run is in. An index holds them whole, and holds no way back from a run to them."""
    if group_by.attribute == "tag":
        wanted = select(run_tags.c.num, run_tags.c.tag)
    elif not group_by.path:
        raise InvalidQuery("Grouping by metadata needs a path: the key whose values make the groups.")
    elif roots_only and group_by.path in _TYPED:
        column = turns.c[group_by.path]
        wanted = select(turns.c.num, column).where(column.is_not(None))
    else:
        wanted = select(run_labels.c.num, run_labels.c.value).where(run_labels.c.key == group_by.path)
    labels: dict[int, list[str]] = defaultdict(list)
    for num, value in db.execute(wanted):
        labels[num].append(value)
    return labels


class _Sums:
    """What is added up of one group while its runs go by."""

    def __init__(self) -> None:
        self.n = self.errors = self.last_us = 0
        self.latencies_us: list[int] = []
        self.first_tokens_us: list[int] = []
        self.amounts: list[int | None] = [None] * len(AMOUNTS)

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Runs: start, status, latency, time to the first token, then what they and everything below them used."""
        starts, statuses, latencies, first_tokens, *amounts = zip(*rows, strict=True)
        self.n += len(rows)
        self.errors += statuses.count("error")
        self.last_us = max(self.last_us, *starts)
        self.latencies_us += [one for one in latencies if one is not None]
        self.first_tokens_us += [one for one in first_tokens if one is not None]
        if amounts:
            self.spend([_sum(column) for column in amounts])

    def spend(self, amounts: Sequence[int | None]) -> None:
        """Add tokens and costs; None is what nobody knows."""
        self.amounts = [
            so_far if one is None else one + (so_far or 0) for so_far, one in zip(self.amounts, amounts, strict=True)
        ]

    def stats(self, judged: Mapping[str, Sequence[Any]]) -> RunStats:
        """The sums as they are given back."""
        self.latencies_us.sort()
        self.first_tokens_us.sort()
        return RunStats(
            run_count=self.n,
            latency_p50=percentile(self.latencies_us, 0.50),
            latency_p99=percentile(self.latencies_us, 0.99),
            first_token_p50=percentile(self.first_tokens_us, 0.50),
            first_token_p99=percentile(self.first_tokens_us, 0.99),
            error_rate=self.errors / self.n,
            streaming_rate=len(self.first_tokens_us) / self.n,
            last_run_start_time=moment(self.last_us).isoformat(),
            feedback_stats={key: summed_up(rows) for key, rows in judged.items()},
            **{
                name: usd(amount) if amount is not None and name.endswith("cost") else amount
                for name, amount in zip(AMOUNTS, self.amounts, strict=True)
            },
        )


def _sum(amounts: Sequence[int | None]) -> int | None:
    known = [one for one in amounts if one is not None]
    return sum(known) if known else None


class _Summing:
    """Adds runs up by one column, or by labels that were read beforehand."""

    def __init__(
        self,
        db: Connection,
        found: FromClause,
        picked: Select[Any],
        *,
        group: ColumnElement[Any] | None = None,
        labels: Mapping[int, list[str]] | None = None,
    ) -> None:
        self._db = db
        self._runs = found.c
        self._picked = picked
        self._group = literal(_ALL, Text) if group is None else group
        self._labels = labels
        self._sums: dict[Any, _Sums] = defaultdict(_Sums)
        self._amounts = [type_coerce(found.c[name], BigInteger) for name in AMOUNTS]

    def stats(self, *, roots_only: bool) -> dict[Any, RunStats]:
        """By group. Where all are roots, none lies above another; else each call is counted once."""
        self._add_runs(self._amounts if roots_only else [])
        if not roots_only:
            self._add_topmost()
        judged = self._feedback()
        return {group: sums.stats(judged[group]) for group, sums in self._sums.items()}

    def _add_runs(self, amounts: Sequence[ColumnElement[Any]]) -> None:
        start = type_coerce(self._runs.start_time, BigInteger)
        first_token = type_coerce(self._runs.first_token_time, BigInteger) - start
        facts = (start, self._runs.status, self._runs.latency_us, first_token)
        wanted = self._picked.add_columns(self._runs.num, self._group, *facts, *amounts)
        for some in self._db.execute(wanted).partitions(_AT_ONCE):
            groups: dict[Any, list[Any]] = defaultdict(list)
            for num, group, *values in some:
                for one in self._groups_of(num, group):
                    groups[one].append(values)
            for one, rows in groups.items():
                self._sums[one].add(rows)

    def _add_topmost(self) -> None:
        """Of the runs that no other one of the group lies above: those include what lies below them."""
        known = self._runs.total_tokens.is_not(None) | self._runs.total_cost.is_not(None)
        wanted = self._picked.add_columns(self._runs.num, self._group, self._runs.dotted_order, *self._amounts)
        top: dict[_Sums, str] = {}
        for num, group, order, *amounts in self._db.execute(wanted.where(known).order_by(self._runs.dotted_order)):
            for sums in map(self._sums.__getitem__, self._groups_of(num, group)):
                if not order.startswith(top.get(sums, " ")):
                    top[sums] = order + "."
                    sums.spend(amounts)

    def _feedback(self) -> dict[Any, dict[str, list[Any]]]:
        """The rows of feedback, by group and key, newest first."""
        judgements = self._picked.add_columns(self._runs.num, self._group, *(feedback.c[name] for name in _JUDGEMENT))
        of_run = (feedback.c.run_id == self._runs.id) & feedback.c.comparative_experiment_id.is_(None)
        wanted = judgements.join(feedback, of_run).order_by(feedback.c.created_at.desc())
        found: dict[Any, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        judged = select(feedback.c.run_id).where(feedback.c.run_id.is_not(None)).distinct().limit(FEW + 1)
        run_ids = self._db.scalars(judged).all()
        if len(run_ids) <= FEW:  # then these are looked up, and not each run for its feedback
            wanted = wanted.where(self._runs.id.in_(run_ids))
        if not run_ids:
            return found
        for row in self._db.execute(wanted):
            for group in self._groups_of(row[0], row[1]):
                found[group][row.key].append(row)
        return found

    def _groups_of(self, num: int, group: Any) -> Sequence[Any]:
        return (group,) if self._labels is None else self._labels.get(num, ())


def percentile(ordered: Sequence[int], share: float) -> float | None:
    """In seconds: the smallest value that at least `share` of all values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] / 1e6 if ordered else None
