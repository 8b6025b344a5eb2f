"""The experiments on a dataset as one table: how many runs each made, how they were scored, how long they took."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Connection, case, func, select

from app.ops.store.models import Project
from app.ops.store.tables import feedback, projects, runs
from app.ops.store.tables.base import total_usd


class Mean(BaseModel):
    """Scores of one key, averaged."""

    model_config = ConfigDict(frozen=True)

    n: int
    mean: float


class ExperimentRow(BaseModel):
    """One experiment. Times in seconds, costs in US dollars; None where nothing was recorded."""

    model_config = ConfigDict(frozen=True)

    project: Project
    runs: int = 0
    errors: int = 0
    latency_p50_s: float | None = None
    latency_p99_s: float | None = None
    total_tokens: int | None = None
    total_cost: Decimal | None = None
    scores: dict[str, Mean] = Field(default_factory=dict)
    """Of its runs, by key."""
    summary_scores: dict[str, Mean] = Field(default_factory=dict)
    """Of the experiment as a whole."""

    @property
    def error_rate(self) -> float | None:
        """The share of its runs that failed."""
        return self.errors / self.runs if self.runs else None


def experiment_rows(
    db: Connection, dataset_id: UUID, *, ids: Collection[UUID] | None = None, limit: int | None = None, offset: int = 0
) -> list[ExperimentRow]:
    """Experiments on a dataset, newest first; those in `ids` only where it is given."""
    wanted = select(projects).where(projects.c.reference_dataset_id == dataset_id)
    if ids is not None:
        wanted = wanted.where(projects.c.id.in_(ids))
    newest = wanted.order_by(projects.c.created_at.desc(), projects.c.id).limit(limit).offset(offset)
    found = [Project.model_validate(row._asdict()) for row in db.execute(newest)]
    project_ids = [project.id for project in found]
    counts = _counts(db, project_ids)
    scores = _means(db, project_ids, feedback.c.run_id.is_not(None))
    summaries = _means(db, project_ids, feedback.c.run_id.is_(None))
    return [
        ExperimentRow(
            project=project,
            **counts.get(project.id, {}),
            latency_p50_s=_percentile(db, project.id, 0.50),
            latency_p99_s=_percentile(db, project.id, 0.99),
            scores=scores[project.id],
            summary_scores=summaries[project.id],
        )
        for project in found
    ]


def _counts(db: Connection, project_ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    sums = (
        select(
            runs.c.project_id,
            func.count().label("runs"),
            func.sum(case((runs.c.status == "error", 1), else_=0)).label("errors"),
            func.sum(runs.c.total_tokens).label("total_tokens"),
            total_usd(runs.c.total_cost).label("total_cost"),
        )
        .where(*_results(runs.c.project_id.in_(project_ids)))
        .group_by(runs.c.project_id)
    )
    return {row.project_id: _without(row._asdict(), "project_id") for row in db.execute(sums)}


def _means(db: Connection, project_ids: Collection[UUID], level: ColumnElement[bool]) -> dict[UUID, dict[str, Mean]]:
    """Averages by project and key; judgements of comparisons don't count."""
    averages = (
        select(feedback.c.project_id, feedback.c.key, func.count().label("n"), func.avg(feedback.c.score).label("mean"))
        .where(feedback.c.project_id.in_(project_ids), level, feedback.c.score.is_not(None))
        .where(feedback.c.comparative_experiment_id.is_(None))
        .group_by(feedback.c.project_id, feedback.c.key)
        .order_by(feedback.c.key)
    )
    found: dict[UUID, dict[str, Mean]] = defaultdict(dict)
    for row in db.execute(averages):
        found[row.project_id][row.key] = Mean(n=row.n, mean=row.mean)
    return found


def _percentile(db: Connection, project_id: UUID, share: float) -> float | None:
    """The smallest latency that at least `share` of all do not exceed; an index leads there without sorting."""
    timed = _results(runs.c.project_id == project_id, runs.c.latency_us.is_not(None))
    number = db.scalar(select(func.count()).where(*timed)) or 0
    place = max(0, math.ceil(share * number) - 1)
    ordered = select(runs.c.latency_us).where(*timed).order_by(runs.c.project_id, runs.c.latency_us)
    found: int | None = db.scalar(ordered.limit(1).offset(place))
    return None if found is None else found / 1e6


def _results(*conditions: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    """Runs that were made from examples. Only root runs are."""
    return (*conditions, runs.c.reference_example_id.is_not(None), runs.c.is_root)


def _without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}
