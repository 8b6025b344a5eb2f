"""A turn as reports and pages see it: one root run of the store, with its metadata typed and its thumb."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from app.ops.store.columns import stamp

ROOT_NAME = "turn"
"""What the root run of a chat turn is called; other traces in the store are not turns."""
THUMB_KEY = "user_score"
MAX_WORDS = 20
"""Of a search; SQLite bounds how deep a condition may nest."""

Thumbs = Literal["up", "down", "rated", "none"]
Sort = Literal["newest", "oldest", "slowest", "slowest_first_token", "costliest", "most_unsupported"]
THUMBS: tuple[str, ...] = get_args(Thumbs)
SORTS: tuple[str, ...] = get_args(Sort)

_SORT_SQL = {
    "newest": "r.start_time DESC, r.rowid",
    "oldest": "r.start_time, r.rowid DESC",
    "slowest": "total_s DESC, r.rowid",
    "slowest_first_token": "first_token_s DESC, r.rowid",
    "costliest": "cost_usd DESC, r.rowid",
    "most_unsupported": "unsupported DESC, r.rowid",
}
"""The row's number ends each, so that pages don't overlap, in the direction that an index can follow."""
_THUMB_SQL = {"up": "thumb > 0", "down": "thumb <= 0", "rated": "thumb IS NOT NULL", "none": "thumb IS NULL"}

_TEXT_METADATA = ("experiment", "variant", "model", "prompt_version", "corpus_release", "user_hash")
_NUMBER_METADATA = ("evidence_s", "first_token_s", "sentences", "unsupported")
_NUMBER_OR_COLUMN = {
    "total_s": "latency_s",
    "cost_usd": "total_cost",
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
}
"""Metadata, and the run's own column that stands in where a trace lacks it."""
_NUMBERS = (*_NUMBER_METADATA, *_NUMBER_OR_COLUMN, "thumb")


def _metadata(name: str) -> str:
    return f"json_extract(r.extra, '$.metadata.{name}')"


_COLUMNS = [
    *(f"{_metadata(name)} AS {name}" for name in (*_TEXT_METADATA, *_NUMBER_METADATA)),
    *(f"COALESCE({_metadata(name)}, r.{column}) AS {name}" for name, column in _NUMBER_OR_COLUMN.items()),
]
_FACTS = f"""
    SELECT r.id, r.name, r.trace_id, r.thread_id, r.start_time AS started, r.error, {", ".join(_COLUMNS)},
        COALESCE({_metadata("status")}, CASE r.status
            WHEN 'error' THEN 'failed' WHEN 'pending' THEN 'unfinished' ELSE r.status END) AS outcome,
        (SELECT score FROM feedback f WHERE f.run_id = r.id AND f.key = '{THUMB_KEY}'
            ORDER BY f.modified_at DESC LIMIT 1) AS thumb
"""  # noqa: S608 (made of this file's constants)
_TEXTS = """,
        json_extract(r.inputs, '$.question') AS question, json_extract(r.outputs, '$.answer') AS answer
"""


@dataclass(frozen=True)
class Turn:
    """One root run. Times in seconds, cost in US dollars; None where it was not recorded."""

    id: str
    name: str
    trace_id: str
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
    question: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class TurnFilter:
    """Which turns to read; what is None does not restrict. Every field narrows the others."""

    q: str | None = None
    """Words that all stand in the question or the answer; or a run's id."""
    status: str | None = None
    experiment: str | None = None
    variant: str | None = None
    model: str | None = None
    user: str | None = None
    thread: str | None = None
    question: str | None = None
    """Exactly this question."""
    run: str | None = None
    """The root run's id."""
    thumbs: Thumbs | None = None
    since: datetime | None = None
    until: datetime | None = None
    everything: bool = False
    """Also traces that are not chat turns."""

    def where(self) -> tuple[str, list[Any]]:
        """The SQL condition over the columns of a turn, and its parameters."""
        terms: list[tuple[str, list[Any]]] = [("r.parent_run_id IS NULL", [])]
        if not self.everything:
            terms.append(("r.name = ?", [ROOT_NAME]))
        exact = {
            "outcome": self.status,
            _metadata("experiment"): self.experiment,
            _metadata("variant"): self.variant,
            "model": self.model,
            "user_hash": self.user,
            "r.thread_id": self.thread,
            "question": self.question,
            "r.id": self.run,
        }
        terms += [(f"{column} = ?", [value]) for column, value in exact.items() if value is not None]
        if self.thumbs:
            terms.append((_THUMB_SQL[self.thumbs], []))
        if self.since:
            terms.append(("r.start_time >= ?", [stamp(self.since)]))
        if self.until:
            terms.append(("r.start_time < ?", [stamp(self.until)]))
        terms += [_contains(word) for word in (self.q or "").split()[:MAX_WORDS]]
        return " AND ".join(sql for sql, _ in terms), [value for _, values in terms for value in values]


def read_turns(
    db: sqlite3.Connection,
    wanted: TurnFilter,
    *,
    sort: Sort = "newest",
    limit: int = -1,
    offset: int = 0,
    texts: bool = False,
) -> Iterator[Turn]:
    """The turns that `wanted` lets through; `texts` also reads question and answer."""
    condition, values = wanted.where()
    columns = _FACTS + _TEXTS if texts or wanted.q or wanted.question else _FACTS
    sql = f"{columns} FROM {_source(wanted)} WHERE {condition} ORDER BY {_SORT_SQL[sort]} LIMIT ? OFFSET ?"
    for row in db.execute(sql, [*values, limit, offset]):
        yield _turn(row)


def count_turns(db: sqlite3.Connection, wanted: TurnFilter) -> int:
    """How many turns `wanted` lets through."""
    condition, values = wanted.where()
    matching = f"{_FACTS}{_TEXTS} FROM {_source(wanted)} WHERE {condition}"
    return int(db.execute(f"SELECT COUNT(*) FROM ({matching})", values).fetchone()[0])  # noqa: S608


def _source(wanted: TurnFilter) -> str:
    """The table, by time unless something narrower is asked for; left alone, SQLite would sort every root."""
    narrow = wanted.experiment or wanted.thread or wanted.run
    return "runs r" if narrow else "runs r INDEXED BY roots_by_start"


def _contains(word: str) -> tuple[str, list[Any]]:
    literal = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return (
        "(question LIKE ? ESCAPE '\\' OR answer LIKE ? ESCAPE '\\' OR r.id = ?)",
        [f"%{literal}%", f"%{literal}%", word.lower()],
    )


def _turn(row: sqlite3.Row) -> Turn:
    """Traces come from anybody's SDK, so no type is taken for granted."""
    values: dict[str, Any] = {
        name: _number(row[name]) if name in _NUMBERS else _text(row[name])
        for name in row.keys()  # noqa: SIM118 (iterating over a Row gives its values)
    }
    return Turn(**(values | {"started": datetime.fromisoformat(values["started"])}))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None
