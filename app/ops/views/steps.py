"""The runs of a trace as a tree with a waterfall, read narrowly: what went in and out is read step by step."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select

from app.ops.store.tables import run_bodies, runs
from app.ops.views.figures import WIDTH, Bar, span

MAX_RUNS = 20_000
"""Of one trace, so many are read."""
AT_ONCE = 250
CHILDREN_AT_ONCE = 100
LEVELS_AT_ONCE = 20
"""Steps that a page draws, in all, below one step and below each other; the others come when they are asked for."""
MAX_DEPTH = 12
MAX_ERRORS = 10
_COLUMNS = (
    "id parent_run_id name run_type status start_time end_time first_token_time latency_us total_tokens total_cost num"
)
_SECOND = timedelta(seconds=1)


@dataclass
class Step:
    """One run of the trace, placed in the waterfall."""

    num: int
    id: UUID
    parent_id: UUID | None
    name: str
    run_type: str
    status: str
    start_s: float
    """From the start of the trace."""
    latency_s: float | None
    total_tokens: int | None
    """Tokens and cost are of the step and everything below it."""
    total_cost: Decimal | None
    bar: Bar
    first_token_x: float | None
    """Where in the picture the first token came."""
    depth: int = 0
    children: list[Step] = field(default_factory=list)
    below: int = 0
    """How many steps lie below it."""
    failed_below: int = 0
    shown: int = 0
    """How many of the children are drawn with it."""


@dataclass(frozen=True)
class Tree:
    """The steps of one trace."""

    steps: dict[UUID, Step]
    """In the order of the trace."""
    tops: list[Step]
    """The root, and whatever has lost its parent."""
    total_s: float
    is_cut: bool
    """Whether the trace has more runs than were read."""

    @property
    def is_running(self) -> bool:
        """Whether the root has not ended."""
        return bool(self.tops) and self.tops[0].status == "pending"

    def failed(self) -> list[Step]:
        """Steps that failed by themselves: none below them did. The first ones of the trace."""
        return [step for step in self.steps.values() if step.status == "error" and not step.failed_below][:MAX_ERRORS]


def read_tree(db: Connection, trace_id: UUID) -> Tree | None:
    """The tree, or None where no run of the trace is known."""
    columns = (runs.c[name] for name in _COLUMNS.split())
    ordered = select(*columns).where(runs.c.trace_id == trace_id).order_by(runs.c.dotted_order, runs.c.num)
    rows = db.execute(ordered.limit(MAX_RUNS + 1)).all()
    return _tree(rows[:MAX_RUNS], is_cut=len(rows) > MAX_RUNS) if rows else None


def errors_of(db: Connection, steps: Sequence[Step]) -> list[tuple[Step, str]]:
    """Each of these steps with what it says of its failure."""
    wanted = select(run_bodies.c.num, run_bodies.c.error).where(run_bodies.c.num.in_([step.num for step in steps]))
    texts = {row.num: row.error for row in db.execute(wanted)}
    return [(step, texts.get(step.num) or "No message was recorded.") for step in steps]


def unfold(tops: Iterable[Step], budget: int = AT_ONCE) -> None:
    """Choose which steps are drawn at once: level by level, until there are enough."""
    waiting = deque((step, LEVELS_AT_ONCE) for step in tops)
    while waiting and budget > 0:
        step, levels = waiting.popleft()
        step.shown = min(len(step.children), CHILDREN_AT_ONCE, budget) if levels else 0
        budget -= step.shown
        waiting.extend((child, levels - 1) for child in step.children[: step.shown])


def _tree(rows: Sequence[Row[Any]], *, is_cut: bool) -> Tree:
    start = min(row.start_time for row in rows)
    total_s = max(((row.end_time or row.start_time) - start) / _SECOND for row in rows)
    steps = {row.id: _step(row, start, total_s) for row in rows}
    tops = _arrange(steps)
    return Tree(steps, tops, total_s, is_cut)


def _arrange(steps: Mapping[UUID, Step]) -> list[Step]:
    """Put every step below its parent and count what is below each; gives back those that stand on top."""
    children: dict[UUID | None, list[Step]] = defaultdict(list)
    for step in steps.values():
        children[step.parent_id if step.parent_id in steps else None].append(step)
    tops: list[Step] = []
    order: list[Step] = []
    seen: set[UUID] = set()
    by_rank = sorted(children[None], key=lambda step: step.parent_id is not None)
    for step in (*by_rank, *steps.values()):  # those that are not reached from a top run in a circle
        if step.id not in seen:
            tops.append(step)
            order += _downwards(step, children, seen)
    for step in reversed(order):
        step.below = sum(1 + child.below for child in step.children)
        step.failed_below = sum((child.status == "error") + child.failed_below for child in step.children)
    return tops


def _downwards(top: Step, children: Mapping[UUID | None, list[Step]], seen: set[UUID]) -> list[Step]:
    """The steps that are reached from there, parents first, each with its children."""
    seen.add(top.id)
    order, waiting = [], deque([top])
    while waiting:
        step = waiting.popleft()
        order.append(step)
        step.children = [child for child in children.get(step.id, ()) if child.id not in seen]
        seen.update(child.id for child in step.children)
        waiting.extend(step.children)
        for child in step.children:
            child.depth = min(step.depth + 1, MAX_DEPTH)
    return order


def _step(row: Row[Any], start: datetime, total_s: float) -> Step:
    start_s = (row.start_time - start) / _SECOND
    length_s = ((row.end_time or row.start_time) - row.start_time) / _SECOND
    return Step(
        num=row.num,
        id=row.id,
        parent_id=row.parent_run_id,
        name=row.name,
        run_type=row.run_type,
        status=row.status,
        start_s=start_s,
        latency_s=None if row.latency_us is None else row.latency_us / 1e6,
        total_tokens=row.total_tokens,
        total_cost=row.total_cost,
        bar=span(start_s, length_s, total_s),
        first_token_x=_x(row.first_token_time, start, total_s),
    )


def _x(moment: datetime | None, start: datetime, total_s: float) -> float | None:
    if moment is None or not total_s:
        return None
    x = (moment - start) / _SECOND / total_s * WIDTH
    return round(x, 2) if 0 <= x <= WIDTH else None
