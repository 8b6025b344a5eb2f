"""Feedback summed up by key, for whatever it was given on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, select

from app.ops.store.feedback.feedback import summed_up
from app.ops.store.models import FeedbackStats
from app.ops.store.tables import feedback

K = TypeVar("K", bound=Hashable)
Scores = dict[str, FeedbackStats]
"""By key."""


def judgements(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Feedback, newest first."""
    return select(feedback).where(*conditions).order_by(feedback.c.created_at.desc(), feedback.c.id)


def scores_by(rows: Iterable[Row[Any]], owner: Callable[[Row[Any]], K]) -> dict[K, Scores]:
    """The scores of each owner that rows of feedback have."""
    found: dict[K, dict[str, list[Row[Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[owner(row)][row.key].append(row)
    return {one: {key: summed_up(some) for key, some in by_key.items()} for one, by_key in found.items()}
