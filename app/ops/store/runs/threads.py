"""Threads: the traces of one conversation, which their root runs name by the same `thread_id`."""

from __future__ import annotations

import statistics
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Text,
    case,
    func,
    literal,
    select,
    true,
    tuple_,
    type_coerce,
)

from app.ops.store.database import Database
from app.ops.store.errors import InvalidQuery
from app.ops.store.feedback.feedback import summed_up
from app.ops.store.models import FeedbackStats, Run, RunQuery, Usage
from app.ops.store.runs import query, stats
from app.ops.store.runs.filters import compile_columns
from app.ops.store.runs.rollup import AMOUNTS, topmost
from app.ops.store.runs.runs import run_of
from app.ops.store.runs.thread_models import DETAILS, Details, Thread, ThreadPage, ThreadQuery, ThreadStats
from app.ops.store.tables import feedback, runs
from app.ops.store.tables.base import microseconds

_SUMMARY = ("thread_id", "count", "num_errored_turns", "min_start_time", "max_start_time", *AMOUNTS)
"""What a thread filter may name."""
_ALL = literal("", Text)
"""The group that everything is in."""


class Threads:
    """The threads of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def query(self, wanted: ThreadQuery) -> ThreadPage:
        """One page of threads, those with the latest traces first. Raises InvalidQuery."""
        with self._database.read() as db:
            found = runs.alias("root")
            summary = _summary(found, _roots(db, wanted, found)).subquery()
            matching = select(summary).where(_filtered(wanted, summary), _after_cursor(wanted, summary))
            ordered = matching.order_by(summary.c.max_start_time.desc(), summary.c.thread_id.desc())
            rows = db.execute(ordered.limit(wanted.limit + 1).offset(wanted.offset)).all()
            page = rows[: wanted.limit]
            threads = _Reading(db, wanted, [row.thread_id for row in page]).threads(page)
            return ThreadPage(threads=threads, next_cursor=_cursor(page[-1]) if len(rows) > wanted.limit else None)

    def count(self, wanted: ThreadQuery) -> int:
        """How many threads match, whichever page they stand on. Raises InvalidQuery."""
        with self._database.read() as db:
            found = runs.alias("root")
            summary = _summary(found, _roots(db, wanted, found)).subquery()
            return db.scalar(select(func.count()).select_from(summary).where(_filtered(wanted, summary))) or 0

    def stats(self, wanted: ThreadQuery) -> ThreadStats:
        """All traces of the threads that match, summed up. Raises InvalidQuery."""
        with self._database.read() as db:
            found = runs.alias("root")
            roots = _roots(db, wanted, found)
            if wanted.thread_filter:
                summary = _summary(found, roots).subquery()
                matching = select(summary.c.thread_id).where(_filtered(wanted, summary))
                roots = [*roots, found.c.thread_id.in_(db.scalars(matching).all())]
            return _sum_up(db, found, roots)

    def stats_of(self, wanted: RunQuery) -> ThreadStats:
        """The root runs that match, such as those of one thread, summed up. Raises InvalidQuery."""
        with self._database.read() as db:
            found = runs.alias("root")
            return _sum_up(db, found, [query.condition(db, wanted, found), found.c.thread_id.is_not(None)])

    def details_of(self, trace_ids: Collection[UUID]) -> dict[UUID, Details]:
        """The kinds of tokens and costs in each of these traces."""
        with self._database.read() as db:
            found = runs.alias("root")
            return sum_details(db, found, [found.c.id.in_(trace_ids)], found.c.trace_id)

    def turn_numbers(self, project_id: UUID, thread_id: str) -> dict[UUID, int]:
        """The place of each trace in its thread, from 1 on."""
        ordered = (
            select(runs.c.trace_id)
            .where(runs.c.thread_id == thread_id, runs.c.project_id == project_id, runs.c.is_root)
            .order_by(runs.c.start_time, runs.c.trace_id)
        )
        with self._database.read() as db:
            return {trace_id: number for number, trace_id in enumerate(db.scalars(ordered), start=1)}


def _roots(db: Connection, wanted: ThreadQuery, found: FromClause) -> list[ColumnElement[bool]]:
    """What a root run fulfils whose thread has a trace that matches."""
    within = RunQuery(
        project_ids=[wanted.project_id],
        is_root=True,
        started_from=wanted.started_from,
        started_before=wanted.started_before,
    )
    terms = [query.condition(db, within, found), found.c.thread_id.is_not(None)]
    for narrower in (
        {"filter": wanted.filter, "trace_filter": wanted.trace_filter},
        {"tree_filter": wanted.tree_filter},
    ):
        if any(narrower.values()):
            other = runs.alias()
            matching = query.condition(db, within.model_copy(update=narrower), other)
            terms.append(found.c.thread_id.in_(select(other.c.thread_id).where(matching)))
    return terms


def _summary(found: FromClause, roots: Sequence[ColumnElement[bool]]) -> Select[Any]:
    columns = found.c
    return (
        select(
            columns.thread_id,
            func.count().label("count"),
            func.sum(case((columns.status == "error", 1), else_=0)).label("num_errored_turns"),
            func.min(columns.start_time).label("min_start_time"),
            func.max(columns.start_time).label("max_start_time"),
            *(func.sum(columns[name]).label(name) for name in AMOUNTS),
        )
        .where(*roots)
        .group_by(columns.thread_id)
    )


def _filtered(wanted: ThreadQuery, summary: FromClause) -> ColumnElement[bool]:
    if not wanted.thread_filter:
        return true()
    return compile_columns(wanted.thread_filter, {name: summary.c[name] for name in _SUMMARY})


class _Reading:
    """The threads of one page, read together."""

    def __init__(self, db: Connection, wanted: ThreadQuery, thread_ids: Collection[str]) -> None:
        self._db = db
        self._found = runs.alias("root")
        within = ThreadQuery.model_validate(wanted.model_dump(include={"project_id", "started_from", "started_before"}))
        self._roots = [*_roots(db, within, self._found), self._found.c.thread_id.in_(thread_ids)]

    def threads(self, page: Sequence[Row[Any]]) -> list[Thread]:
        """As `page` has them, with what a summary cannot say."""
        if not page:
            return []
        turns, judged = self._turns(), self._judged()
        shown = {turn.num for some in turns.values() for turn in (some[0], some[-1], _last_error(some)) if turn}
        whole = {row.num: run_of(row) for row in query.read_rows(self._db, sorted(shown))}
        details = sum_details(self._db, self._found, self._roots, self._found.c.thread_id)
        return [
            Thread(
                **row._asdict(),
                **_shown(turns[row.thread_id], whole),
                details=details.get(row.thread_id, {}),
                feedback_stats=judged.get(row.thread_id, {}),
            )
            for row in page
        ]

    def _turns(self) -> dict[str, list[Any]]:
        columns = self._found.c
        asked = select(columns.thread_id, columns.num, columns.latency_us, columns.status).where(*self._roots)
        rows = self._db.execute(asked.order_by(columns.thread_id, columns.start_time, columns.num))
        return {thread_id: list(some) for thread_id, some in groupby(rows, lambda row: row.thread_id)}

    def _judged(self) -> dict[str, dict[str, FeedbackStats]]:
        by_thread = _judgements(self._db, self._found, self._roots, self._found.c.thread_id)
        return {thread: {key: summed_up(some) for key, some in keys.items()} for thread, keys in by_thread.items()}


def _shown(turns: Sequence[Any], whole: Mapping[int, Run]) -> dict[str, Any]:
    """Of the turns of a thread in their order, those that are shown, and how long they all took."""
    latencies = sorted(turn.latency_us for turn in turns if turn.latency_us is not None)
    failed = _last_error(turns)
    return {
        "first": whole[turns[0].num],
        "last": whole[turns[-1].num],
        "last_error": whole[failed.num].error if failed else None,
        "latency_p50": stats.percentile(latencies, 0.50),
        "latency_p99": stats.percentile(latencies, 0.99),
    }


def _last_error(turns: Sequence[Any]) -> Any:
    return next((turn for turn in reversed(turns) if turn.status == "error"), None)


def _sum_up(db: Connection, found: FromClause, roots: Sequence[ColumnElement[bool]]) -> ThreadStats:
    columns = found.c
    bounds = db.execute(
        select(
            func.count(columns.thread_id.distinct()).label("thread_count"),
            func.min(columns.start_time).label("first_start_time"),
            func.max(columns.start_time).label("last_start_time"),
            func.max(columns.end_time).label("last_end_time"),
        ).where(*roots)
    ).one()
    judged = _judgements(db, found, roots, _ALL)[""]
    tokens = db.scalars(select(columns.total_tokens).where(columns.total_tokens.is_not(None), *roots)).all()
    return ThreadStats(
        **bounds._asdict(),
        runs=stats.of_roots(db, found, select().select_from(found).where(*roots)),
        median_tokens=statistics.median_low(tokens) if tokens else None,
        details=sum_details(db, found, roots, _ALL).get("", {}),
        feedback_stats={key: summed_up(some) for key, some in judged.items()},
    )


def _judgements(
    db: Connection, found: FromClause, roots: Sequence[ColumnElement[bool]], group: ColumnElement[Any]
) -> dict[Any, dict[str, list[Any]]]:
    """What was said of any run in the traces of these roots, by group and key, newest first."""
    asked = select(group.label("group_"), feedback).join(feedback, feedback.c.trace_id == found.c.trace_id)
    by_key: dict[Any, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in db.execute(asked.where(*roots).order_by(feedback.c.created_at.desc())):
        by_key[row.group_][row.key].append(row)
    return by_key


def sum_details(
    db: Connection, found: FromClause, roots: Sequence[ColumnElement[bool]], group: ColumnElement[Any]
) -> dict[Any, Details]:
    """The kinds of tokens and costs in the traces of these roots, each model call counted once."""
    used = runs.alias("used")
    columns = (used.c.id, used.c.dotted_order, used.c.usage)
    asked = (
        select(group.label("group_"), *columns)
        .join(found, used.c.trace_id == found.c.trace_id)
        .where(used.c.usage.is_not(None), *roots)
    )
    sums: dict[Any, dict[str, Counter[str]]] = defaultdict(lambda: {name: Counter() for name in DETAILS})
    for row in topmost(db.execute(asked).all()):
        usage = Usage.model_validate(row.usage)
        for name in DETAILS:
            sums[row.group_][name].update(getattr(usage, name))
    return {key: {name: dict(counts) for name, counts in some.items()} for key, some in sums.items()}


def _after_cursor(wanted: ThreadQuery, summary: FromClause) -> ColumnElement[bool]:
    if not wanted.cursor:
        return true()
    place = tuple_(type_coerce(summary.c.max_start_time, BigInteger), summary.c.thread_id)
    return place < tuple_(*_read_cursor(wanted.cursor))


def _cursor(row: Row[Any]) -> str:
    return urlsafe_b64encode(to_json([microseconds(row.max_start_time), row.thread_id])).decode()


def _read_cursor(cursor: str) -> tuple[int, str]:
    try:
        start, thread_id = from_json(urlsafe_b64decode(cursor.encode()))
        if isinstance(start, int) and abs(start) < 2**62 and isinstance(thread_id, str) and "\x00" not in thread_id:
            return start, thread_id
    except (ValueError, TypeError):
        pass
    raise InvalidQuery("The cursor is not one that an earlier page gave.")
