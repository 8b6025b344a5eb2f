"""Finding runs: a query becomes one condition, pages follow each other by cursor."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    and_,
    select,
    true,
    tuple_,
    type_coerce,
)

from app.ops.store.errors import InvalidQuery
from app.ops.store.models import RunQuery
from app.ops.store.runs.filters import Compiled, compile_filter, contains_words
from app.ops.store.tables import feedback, run_bodies, runs
from app.ops.store.tables.base import chunks, microseconds

FEW = 5000
"""So many runs are sorted faster than the run before them is found by walking through time."""


def page(db: Connection, wanted: RunQuery) -> tuple[Sequence[Row[Any]], str | None]:
    """The rows of one page, with texts, and the cursor of the next. Raises InvalidQuery."""
    found = runs.alias("run")
    matching = select(found.c.num).where(condition(db, wanted, found), _after_cursor(wanted, found))
    order = [found.c.start_time, found.c.num]
    ordered = matching.order_by(*(column.desc() if wanted.newest_first else column for column in order))
    nums = db.scalars(ordered.limit(wanted.limit + 1)).all()
    rows = read_rows(db, nums[: wanted.limit])
    return rows, _cursor(rows[-1]) if len(nums) > wanted.limit else None


def read_rows(db: Connection, nums: Sequence[int]) -> list[Row[Any]]:
    """Runs with their texts, in the order of `nums`."""
    whole = select(runs, *(column for column in run_bodies.c if column.name != "num")).join_from(runs, run_bodies)
    rows = {row.num: row for some in chunks(nums) for row in db.execute(whole.where(runs.c.num.in_(some)))}
    return [rows[num] for num in nums]


def condition(db: Connection, wanted: RunQuery, found: FromClause) -> ColumnElement[bool]:
    """What a run must fulfil, whichever page it stands on. Raises InvalidQuery."""
    compiled = _expressions(db, wanted, found)
    short_cut = _short_cut(db, [lookup for one in compiled for lookup in one.lookups], found)
    terms = [*_exact(wanted, found), *(one.condition for one in compiled)]
    return and_(true(), *terms) if short_cut is None else and_(short_cut, *terms)


def _exact(wanted: RunQuery, found: FromClause) -> list[ColumnElement[bool]]:
    columns = found.c
    terms: list[ColumnElement[bool] | None] = [
        _one_of(columns.project_id, wanted.project_ids),
        _one_of(columns.id, wanted.ids),
        _one_of(columns.reference_example_id, wanted.reference_example_ids),
        None if wanted.trace_id is None else columns.trace_id == wanted.trace_id,
        None if wanted.parent_run_id is None else _below(columns, wanted.parent_run_id),
        None if wanted.thread_id is None else columns.thread_id == wanted.thread_id,
        None if wanted.run_type is None else columns.run_type == wanted.run_type,
        None if wanted.is_root is None else columns.is_root == wanted.is_root,
        None if wanted.has_error is None else _failed(columns, wanted.has_error),
        None if wanted.started_from is None else columns.start_time >= wanted.started_from,
        None if wanted.started_until is None else columns.start_time <= wanted.started_until,
        None if wanted.started_before is None else columns.start_time < wanted.started_before,
    ]
    return [term for term in terms if term is not None]


def _one_of(column: ColumnElement[Any], values: Sequence[Any] | None) -> ColumnElement[bool] | None:
    if values is None:
        return None
    return column == values[0] if len(values) == 1 else column.in_(values)


def _failed(columns: Any, wanted: bool) -> ColumnElement[bool]:
    failed: ColumnElement[bool] = columns.status == "error" if wanted else columns.status != "error"
    return failed


def _below(columns: Any, parent_run_id: Any) -> ColumnElement[bool]:
    """Children are looked for in their parent's trace, which has an index."""
    trace = select(runs.c.trace_id).where(runs.c.id == parent_run_id).scalar_subquery()
    return and_(columns.parent_run_id == parent_run_id, columns.trace_id == trace)


def _expressions(db: Connection, wanted: RunQuery, found: FromClause) -> list[Compiled]:
    dialect, judged = db.dialect.name, _judged(wanted)
    compiled = []
    if wanted.search:
        compiled.append(contains_words(wanted.search, found, dialect, roots_only=bool(wanted.is_root)))
    if wanted.filter:
        compiled.append(compile_filter(wanted.filter, found, dialect, judged))
    if wanted.trace_filter:
        compiled.append(_in_trace(db, wanted.trace_filter, found, judged, roots_only=True))
    if wanted.tree_filter:
        compiled.append(_in_trace(db, wanted.tree_filter, found, judged))
    if judged and not any(one.asks_feedback for one in compiled):
        raise InvalidQuery("Bounds on when feedback was given need a filter on feedback, such as eq(feedback_key, …).")
    return compiled


def _judged(wanted: RunQuery) -> list[ColumnElement[bool]]:
    """Which feedback the filters are about."""
    modified, since, before = feedback.c.modified_at, wanted.feedback_since, wanted.feedback_before
    terms = [None if since is None else modified >= since, None if before is None else modified < before]
    return [term for term in terms if term is not None]


def _in_trace(
    db: Connection,
    expression: str,
    found: FromClause,
    judged: Sequence[ColumnElement[bool]],
    *,
    roots_only: bool = False,
) -> Compiled:
    """Some run of the trace, or its root, fulfils the expression."""
    other = runs.alias()
    inner = compile_filter(expression, other, db.dialect.name, judged)
    short_cut = _short_cut(db, inner.lookups, other)
    traces = select(other.c.trace_id).where(other.c.is_root if roots_only else true(), inner.condition)
    within: ColumnElement[bool]
    if short_cut is None:
        within = traces.where(other.c.trace_id == found.c.trace_id).correlate(found).exists()
    else:
        within = found.c.trace_id.in_(traces.where(short_cut))
    return Compiled(within, asks_feedback=inner.asks_feedback)


def _short_cut(db: Connection, lookups: Sequence[Any], found: FromClause) -> ColumnElement[bool] | None:
    """Where few runs have what all must have, look only at those.

    An index on labels or words pays for what is rare, a walk through time for what is frequent, and neither engine can
    tell in advance which it is.
    """
    for lookup in lookups:
        nums = select(lookup.subquery().c.num)
        if len(db.scalars(nums.limit(FEW + 1)).all()) <= FEW:
            return found.c.num.in_(nums)
    return None


def _after_cursor(wanted: RunQuery, found: FromClause) -> ColumnElement[bool]:
    if not wanted.cursor:
        return true()
    place = tuple_(type_coerce(found.c.start_time, BigInteger), found.c.num)
    before = tuple_(*_read_cursor(wanted.cursor))
    return place < before if wanted.newest_first else place > before


def _cursor(row: Row[Any]) -> str:
    return urlsafe_b64encode(to_json([microseconds(row.start_time), row.num])).decode()


def _read_cursor(cursor: str) -> tuple[int, int]:
    try:
        start, num = from_json(urlsafe_b64decode(cursor.encode()))
        if abs(int(start)) < 2**62 and abs(int(num)) < 2**62:
            return int(start), int(num)
    except (ValueError, TypeError, OverflowError):
        pass
    raise InvalidQuery("The cursor is not one that an earlier page gave.")
