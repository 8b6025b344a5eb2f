"""A turn as pages and reports see it: one root run of the store, with its metadata typed and its thumb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
)

from app.ops.store.models import RunQuery
from app.ops.store.runs import query, search
from app.ops.store.runs.filters import compile_filter
from app.ops.store.tables import runs, turns
from app.ops.store.tables.base import microseconds
from app.ops.store.tables.runs import QUESTION_START, question_start

ROOT_NAME = "turn"
"""What the root run of a chat turn is called; other traces in the store are not turns."""
FEW = 1000
"""So many matches of a search are looked up one by one; of more, turns are walked through in their order."""
NEWEST_STEPS = 2000
"""Of the steps that hold the words of a search, so many are looked at."""
LOOKED_INTO = 5000
"""Traces whose steps one page of a tree filter looks at."""

Thumbs = Literal["up", "down", "rated", "none"]
Sort = Literal["newest", "oldest", "slowest", "slowest_first_token", "costliest", "most_unsupported"]
THUMBS: tuple[str, ...] = get_args(Thumbs)
SORTS: tuple[str, ...] = get_args(Sort)

_THUMBS: dict[str, ColumnElement[bool]] = {
    "up": turns.c.thumb > 0,
    "down": turns.c.thumb <= 0,
    "rated": turns.c.thumb.is_not(None),
    "none": turns.c.thumb.is_(None),
}
_LARGEST_FIRST = {
    "slowest": "total_s",
    "slowest_first_token": "first_token_s",
    "costliest": "cost_usd",
    "most_unsupported": "unsupported",
}


@dataclass(frozen=True)
class Turn:
    """One root run. Times in seconds, cost in US dollars; None where it was not recorded."""

    num: int
    """In order of arrival."""
    id: UUID
    project_id: UUID
    name: str
    thread_id: str | None
    started: datetime
    outcome: str
    """answered, abstained, chatted, stopped, failed; or of other traces: success, unfinished."""
    error: str | None
    experiment: str | None
    variant: str | None
    model: str | None
    prompt_version: str | None
    corpus_release: str | None
    user_hash: str | None
    prompt_tokens: float | None
    completion_tokens: float | None
    cost_usd: float | None
    total_s: float | None
    evidence_s: float | None
    first_token_s: float | None
    sentences: float | None
    unsupported: float | None
    thumb: float | None
    """The user's last word: above 0 is up; None is not rated, which says nothing about liking."""
    question: str | None
    answer: str | None
    cache: str | None
    """How an earlier answer was shown again: exact, semantic; None where a model was asked."""
    saved_usd: float | None
    saved_s: float | None
    saved_tokens: float | None

    @property
    def title(self) -> str:
        """What was asked, or what the trace is called."""
        return self.question or self.name


@dataclass(frozen=True)
class TurnFilter:
    """Which turns to read; what is None does not restrict. Every field narrows the others."""

    q: str | None = None
    """Words that all stand in the name, the question, the answer or the error; or a run's id."""
    steps: bool = False
    """Look for the words in the turns' steps too."""
    status: str | None = None
    experiment: str | None = None
    variant: str | None = None
    model: str | None = None
    user: str | None = None
    thread: str | None = None
    project: UUID | None = None
    question: str | None = None
    """Exactly this question."""
    thumbs: Thumbs | None = None
    since: datetime | None = None
    until: datetime | None = None
    everything: bool = False
    """Also traces that are not chat turns."""
    filter: str | None = None
    """A LangSmith filter expression on the root run."""
    tree_filter: str | None = None
    """The same, on any run of the trace."""


@dataclass(frozen=True)
class Place:
    """Where a page of the list ends: the value that it is sorted by, and the turn's number."""

    value: float
    num: int


def find_turns(
    db: Connection,
    wanted: TurnFilter,
    *,
    sort: Sort = "newest",
    limit: int,
    after: Place | None = None,
    before: Place | None = None,
) -> list[Turn]:
    """The turns that `wanted` lets through, at most `limit`: the first ones, those after a place, or the last ones
    before one. Raises InvalidQuery.
    """
    ordered = _Order(sort, after, before)
    nums = _matching(db, wanted, ordered.walk(plain_conditions(wanted), LOOKED_INTO))
    found = turns_numbered(db, db.scalars(ordered.of(nums).limit(limit)).all())
    return found[::-1] if before else found


def end_of_walk(db: Connection, wanted: TurnFilter, *, sort: Sort, after: Place | None) -> Place | None:
    """Where to look on, where `find_turns` did not look at every turn after that place; else None."""
    if not wanted.tree_filter:
        return None
    ordered = _Order(sort, after, None)
    last = ordered.of(select(turns.c.num).where(*plain_conditions(wanted))).offset(LOOKED_INTO - 1).limit(1)
    found = turns_numbered(db, db.scalars(last).all())
    return place_of(found[0], sort) if found else None


def count_turns(db: Connection, wanted: TurnFilter, at_most: int) -> int:
    """How many turns `wanted` lets through; `at_most` where there are as many or more. Raises InvalidQuery."""
    some = _matching(db, wanted).limit(at_most).subquery()
    return db.scalar(select(func.count()).select_from(some)) or 0


def turns_numbered(db: Connection, nums: Sequence[int]) -> list[Turn]:
    """Those turns, in the order of `nums`."""
    rows = {row.num: row for row in db.execute(select(turns).where(turns.c.num.in_(nums)))}
    return [Turn(**rows[num]._asdict()) for num in nums if num in rows]


def turn_with_id(db: Connection, run_id: UUID) -> Turn | None:
    """The turn whose root run that is."""
    row = db.execute(select(turns).where(turns.c.id == run_id)).one_or_none()
    return Turn(**row._asdict()) if row else None


def arrived_since(db: Connection, wanted: TurnFilter, seen: int, again: Sequence[UUID], limit: int) -> list[Turn]:
    """Turns that arrived after the one numbered `seen`, and those in `again` as they are now; newest first.

    Raises InvalidQuery.
    """
    fresh = _matching(db, wanted).where(or_(turns.c.num > seen, *(turns.c.id == one for one in again)))
    return turns_numbered(db, db.scalars(fresh.order_by(turns.c.num.desc()).limit(limit)).all())


def listed_kind(db: Connection) -> ColumnElement[bool]:
    """Chat turns; in a store that holds none, every trace."""
    return turns.c.name == ROOT_NAME if has_chat_turns(db) else true()


def has_chat_turns(db: Connection) -> bool:
    """Whether anybody has chatted."""
    return db.scalar(select(turns.c.num).where(turns.c.name == ROOT_NAME).limit(1)) is not None


def place_of(turn: Turn, sort: Sort) -> Place:
    """Where the turn stands in the order."""
    if sort not in _LARGEST_FIRST:
        return Place(microseconds(turn.started), turn.num)
    value = getattr(turn, _LARGEST_FIRST[sort])
    return Place(-1 if value is None else value, turn.num)


def plain_conditions(wanted: TurnFilter) -> list[ColumnElement[bool]]:
    """What the fields ask that need no search."""
    columns = turns.c
    exact = {
        columns.outcome: wanted.status,
        columns.experiment: wanted.experiment,
        columns.variant: wanted.variant,
        columns.model: wanted.model,
        columns.user_hash: wanted.user,
        columns.thread_id: wanted.thread,
        columns.project_id: wanted.project,
    }
    terms = [column == value for column, value in exact.items() if value is not None]
    if not wanted.everything:
        terms.append(columns.name == ROOT_NAME)
    if wanted.question is not None:
        # Were the column itself compared, SQLite would put the value into the expression and pass over its index.
        terms += [question_start == wanted.question[:QUESTION_START], columns.question.concat("") == wanted.question]
    if wanted.thumbs:
        terms.append(_THUMBS[wanted.thumbs])
    if wanted.since:
        terms.append(columns.started >= wanted.since)
    if wanted.until:
        terms.append(columns.started < wanted.until)
    return terms


@dataclass(frozen=True)
class _Order:
    """How the list is sorted, and from where on."""

    sort: Sort
    after: Place | None
    before: Place | None

    def of(self, nums: Select[Any]) -> Select[Any]:
        """The turns of a select in this order; from the end backwards where they are those before a place."""
        key = _sort_key(self.sort)
        descending = (self.sort != "oldest") != (self.before is not None)
        if place := self.after or self.before:
            here, there = tuple_(key, turns.c.num), tuple_(place.value, place.num)
            nums = nums.where(here < there if descending else here > there)
        return nums.order_by(*(column.desc() if descending else column for column in (key, turns.c.num)))

    def walk(self, conditions: Sequence[ColumnElement[bool]], steps: int) -> Select[Any]:
        """The next turns that fulfil the conditions."""
        return self.of(select(turns.c.num).where(*conditions)).limit(steps)


def _matching(db: Connection, wanted: TurnFilter, walk: Select[Any] | None = None) -> Select[Any]:
    """The numbers of the turns that `wanted` lets through; of those that are walked to, where steps are looked at."""
    source: FromClause = turns
    terms = plain_conditions(wanted)
    if wanted.q:
        terms.append(_named_or_worded(db, wanted.q, steps=wanted.steps))
    if wanted.filter:
        found = runs.alias("run")
        source = turns.join(found, found.c.num == turns.c.num)
        terms.append(query.condition(db, RunQuery(is_root=True, filter=wanted.filter), found))
    if wanted.tree_filter:
        step = runs.alias("step")
        compiled = compile_filter(wanted.tree_filter, step, db.dialect.name)
        terms.append(exists().where(step.c.trace_id == turns.c.id, compiled.condition))
        if walk is not None:
            terms.append(turns.c.num.in_(walk))
    return select(turns.c.num).select_from(source).where(*terms)


def _named_or_worded(db: Connection, words: str, *, steps: bool) -> ColumnElement[bool]:
    try:
        run_id = UUID(words)
    except ValueError:
        return _worded(db, words, steps=steps)
    trace = select(runs.c.trace_id).where(runs.c.id == run_id)
    return or_(turns.c.id == run_id, turns.c.id.in_(trace))


def _worded(db: Connection, words: str, *, steps: bool) -> ColumnElement[bool]:
    """A search that finds little is looked up; one that finds much is not worth looking up each."""
    inside = search.matching(db.dialect.name, words, roots_only=True)
    nums = db.scalars(select(inside.subquery().c.num).limit(FEW + 1)).all()
    # An expression is no row number: the engine walks through the turns in the wanted order instead.
    held = turns.c.num.in_(nums) if len(nums) <= FEW else (turns.c.num + 0).in_(inside)
    return or_(held, turns.c.id.in_(_traces_with_step(db, words))) if steps else held


def _traces_with_step(db: Connection, words: str) -> Select[Any]:
    steps = search.matching(db.dialect.name, words).subquery()
    newest = select(steps.c.num).order_by(steps.c.num.desc()).limit(NEWEST_STEPS)
    return select(runs.c.trace_id).where(runs.c.num.in_(newest))


def _sort_key(sort: Sort) -> ColumnElement[Any]:
    """What the list is sorted by. What was not recorded counts as -1, so that it comes last."""
    if sort in _LARGEST_FIRST:
        return func.coalesce(turns.c[_LARGEST_FIRST[sort]], literal_column("-1"))
    return type_coerce(turns.c.started, BigInteger)
