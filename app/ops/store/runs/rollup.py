"""Sums up the tree: what every run and all runs below it used, each model call counted once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, case, select, update

from app.ops.store.models import Usage, ancestors
from app.ops.store.tables import runs, turns
from app.ops.store.tables.base import chunks

AMOUNTS = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_cost", "completion_cost", "total_cost")
"""The columns of a run that add up everything below it."""

Amounts = dict[str, Any]

_USERS = select(runs.c.id, runs.c.dotted_order, runs.c.usage).where(
    runs.c.trace_id.in_(bindparam("traces", expanding=True)), runs.c.usage.is_not(None)
)
_SUMMED = select(runs.c.num, runs.c.id, *(runs.c[name] for name in AMOUNTS)).where(
    runs.c.id.in_(bindparam("ids", expanding=True))
)
_CHANGE = update(runs).where(runs.c.num == bindparam("changed")).values({name: bindparam(name) for name in AMOUNTS})
_CHANGE_TURN = (
    update(turns)
    .where(turns.c.num == bindparam("changed"))
    .values(
        prompt_tokens=case((bindparam("tokens_changed"), bindparam("prompt")), else_=turns.c.prompt_tokens),
        completion_tokens=case((bindparam("tokens_changed"), bindparam("completion")), else_=turns.c.completion_tokens),
        cost_usd=case((bindparam("cost_changed"), bindparam("cost")), else_=turns.c.cost_usd),
    )
)


def roll_up(db: Connection, trace_ids: Collection[UUID]) -> None:
    """Set the amounts of every run in these traces.

    A run that reports usage of its own speaks for everything below it, so that nothing is counted twice.
    """
    sums = _sums(row for some in chunks(trace_ids) for row in db.execute(_USERS, {"traces": some}))
    summed = (row for some in chunks(sums) for row in db.execute(_SUMMED, {"ids": some}))
    stale = [row for row in summed if any(sums[row.id][name] != getattr(row, name) for name in AMOUNTS)]
    if stale:
        db.execute(_CHANGE, [{"changed": row.num, **sums[row.id]} for row in stale])
        db.execute(_CHANGE_TURN, [_of_turn(row, sums[row.id]) for row in stale])


def nothing() -> Amounts:
    """The sum of no amounts; None is what nobody knows."""
    return dict.fromkeys(AMOUNTS)


def add(total: Amounts, part: Mapping[str, Any]) -> None:
    """Add amounts to a sum, in place."""
    for name in AMOUNTS:
        if part[name] is not None:
            total[name] = (total[name] or 0) + part[name]


def topmost(users: Sequence[Any]) -> Iterator[Any]:
    """Those of the runs that none of them lies above: they speak for everything below them."""
    used = {row.id for row in users}
    return (row for row in users if used.isdisjoint(ancestors(row.dotted_order)))


def _sums(users: Iterable[Any]) -> dict[UUID, Amounts]:
    """By run: its own usage, or else that of the nearest users below it."""
    used = {row.id: row for row in users}
    sums: dict[UUID, Amounts] = defaultdict(nothing)
    for run_id, row in used.items():
        usage = Usage.model_validate(row.usage)
        own = {name: getattr(usage, name) for name in AMOUNTS}
        add(sums[run_id], own)
        for ancestor in reversed(ancestors(row.dotted_order)):
            if ancestor in used:
                break
            add(sums[ancestor], own)
    return sums


def _of_turn(row: Row[Any], due: Amounts) -> Amounts:
    """What a turn remembers of its sums; what did not change may be from its metadata, and stays."""
    cost = due["total_cost"]
    return {
        "changed": row.num,
        "tokens_changed": due["total_tokens"] != row.total_tokens,
        "prompt": due["prompt_tokens"],
        "completion": due["completion_tokens"],
        "cost_changed": cost != row.total_cost,
        "cost": None if cost is None else float(cost),
    }
