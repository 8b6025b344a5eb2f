"""Experiments: how each one on a dataset went, and what they made of each example, side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, or_, select, true

from app.ops.store.database import Database
from app.ops.store.datasets.example_rows import read_examples
from app.ops.store.datasets.experiment_models import Delta, ExampleResults, Experiment, ResultsQuery
from app.ops.store.datasets.models import Example
from app.ops.store.datasets.scores import Scores, judgements, scores_by
from app.ops.store.datasets.versions import require_dataset
from app.ops.store.models import Project, Run, RunQuery, RunStats
from app.ops.store.runs import query, stats
from app.ops.store.runs.runs import run_of
from app.ops.store.tables import example_versions, examples, feedback, projects, runs
from app.ops.store.tables.base import chunks


class Experiments:
    """Read-only: experiments are made as projects, runs and feedback."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self,
        dataset_id: UUID,
        *,
        ids: Collection[UUID] | None = None,
        name: str | None = None,
        name_contains: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Experiment]:
        """The experiments on a dataset, newest first; each argument that is not None narrows the answer.

        Raises NotFound.
        """
        wanted = select(projects).where(projects.c.reference_dataset_id == dataset_id)
        if ids is not None:
            wanted = wanted.where(projects.c.id.in_(ids))
        if name is not None:
            wanted = wanted.where(projects.c.name == name)
        if name_contains is not None:
            wanted = wanted.where(func.lower(projects.c.name).contains(name_contains.lower(), autoescape=True))
        page = wanted.order_by(projects.c.created_at.desc(), projects.c.id).limit(limit).offset(offset)
        with self._database.read() as db:
            require_dataset(db, dataset_id)
            found = [Project.model_validate(row._asdict()) for row in db.execute(page)]
            ids = [project.id for project in found]
            summed = stats.by_project(db, ids)
            judged = _scores_by_project(db, ids)
        return [
            Experiment(project=project, stats=summed.get(project.id, RunStats()), scores=judged.get(project.id, {}))
            for project in found
        ]

    def results(self, wanted: ResultsQuery) -> list[ExampleResults]:
        """The examples that the experiments ran, with their runs. Raises NotFound, InvalidQuery.

        An example that was deleted since is shown as it was last.
        """
        with self._database.read() as db:
            require_dataset(db, wanted.dataset_id)
            conditions = {project_id: _matching(db, wanted, project_id) for project_id in wanted.project_ids}
            ids = db.scalars(_example_ids(wanted, conditions)).all()
            found = _last_versions(db, ids)
            by_example = _runs(db, ids, conditions)
            run_ids = [run.id for some in by_example.values() for run in some]
            scores = _scores_by_run(db, run_ids, wanted.comparison_id)
        return [
            ExampleResults(
                example=found[one],
                runs=by_example[one],
                scores={run.id: scores[run.id] for run in by_example[one] if run.id in scores},
            )
            for one in ids
        ]

    def deltas(self, wanted: ResultsQuery, baseline_id: UUID, key: str) -> dict[UUID, Delta]:
        """For each project but the baseline: the examples whose average of this feedback rose or fell against it.

        Raises NotFound, InvalidQuery.
        """
        with self._database.read() as db:
            require_dataset(db, wanted.dataset_id)
            conditions = {project_id: _matching(db, wanted, project_id) for project_id in wanted.project_ids}
            ids = set(db.scalars(_example_ids(wanted, conditions)))
            averages = {
                project_id: {row.example: row.score for row in db.execute(_averages(wanted, project_id, key))}
                for project_id in wanted.project_ids
            }
        baseline = {one: score for one, score in averages.pop(baseline_id).items() if one in ids}
        return {project_id: _delta(baseline, scores) for project_id, scores in averages.items()}


def _scores_by_run(db: Connection, run_ids: Collection[UUID], comparison_id: UUID | None) -> dict[UUID, Scores]:
    rows = (
        row
        for some in chunks(run_ids)
        for row in db.execute(judgements(feedback.c.run_id.in_(some), _counts(comparison_id)))
    )
    return scores_by(rows, lambda row: row.run_id)


def _scores_by_project(db: Connection, project_ids: Collection[UUID]) -> dict[UUID, Scores]:
    whole = judgements(feedback.c.project_id.in_(project_ids), feedback.c.run_id.is_(None))
    return scores_by(db.execute(whole), lambda row: row.project_id)


def _counts(comparison_id: UUID | None) -> ColumnElement[bool]:
    """Feedback that was given outside of comparisons, or in this one."""
    elsewhere = feedback.c.comparative_experiment_id
    return or_(elsewhere.is_(None), elsewhere == comparison_id) if comparison_id else elsewhere.is_(None)


def _matching(db: Connection, wanted: ResultsQuery, project_id: UUID) -> ColumnElement[bool]:
    """On `runs`: the root runs of a project that were made from examples, and fulfil its filters."""
    expressions = wanted.filters.get(project_id) or []
    asked = RunQuery(
        project_ids=[project_id], is_root=True, filter=f"and({', '.join(expressions)})" if expressions else None
    )
    return and_(runs.c.reference_example_id.is_not(None), query.condition(db, asked, runs))


def _example_ids(wanted: ResultsQuery, conditions: Mapping[UUID, ColumnElement[bool]]) -> Select[Any]:
    ran = {
        project_id: examples.c.id.in_(select(runs.c.reference_example_id).where(condition))
        for project_id, condition in conditions.items()
    }
    filtered = [ran[project_id] for project_id in ran if wanted.filters.get(project_id)]
    some = true() if wanted.example_ids is None else examples.c.id.in_(wanted.example_ids)
    found = select(examples.c.id).where(examples.c.dataset_id == wanted.dataset_id, or_(*ran.values()), *filtered, some)
    order: list[Any] = [examples.c.num]
    if wanted.sort_by:
        scored = _averages(wanted, wanted.project_ids[0], wanted.sort_by).subquery()
        found = found.outerjoin(scored, scored.c.example == examples.c.id)
        first = scored.c.score.desc() if wanted.descending else scored.c.score.asc()
        order.insert(0, first.nulls_last())
    return found.order_by(*order).limit(wanted.limit).offset(wanted.offset)


def _averages(wanted: ResultsQuery, project_id: UUID, key: str) -> Select[Any]:
    """The average of a project's feedback of one key, by example."""
    return (
        select(runs.c.reference_example_id.label("example"), func.avg(feedback.c.score).label("score"))
        .join(feedback, feedback.c.run_id == runs.c.id)
        .where(runs.c.project_id == project_id, runs.c.is_root, runs.c.reference_example_id.is_not(None))
        .where(feedback.c.key == literal(key), feedback.c.score.is_not(None), _counts(wanted.comparison_id))
        .group_by(runs.c.reference_example_id)
    )


def _last_versions(db: Connection, example_ids: Sequence[UUID]) -> dict[UUID, Example]:
    last = select(func.max(example_versions.c.num)).group_by(example_versions.c.example_id)
    nums = [
        num for some in chunks(example_ids) for num in db.scalars(last.where(example_versions.c.example_id.in_(some)))
    ]
    return {one.id: one for one in read_examples(db, nums)}


def _runs(
    db: Connection, example_ids: Sequence[UUID], conditions: Mapping[UUID, ColumnElement[bool]]
) -> dict[UUID, list[Run]]:
    """By example, in the order of the projects, and of one project in order of arrival."""
    by_example: dict[UUID, list[Run]] = {one: [] for one in example_ids}
    for condition in conditions.values():
        for some in chunks(example_ids):
            made = select(runs.c.num).where(runs.c.reference_example_id.in_(some), condition).order_by(runs.c.num)
            for row in query.read_rows(db, db.scalars(made).all()):
                by_example[row.reference_example_id].append(run_of(row))
    return by_example


def _delta(baseline: Mapping[UUID, float], scores: Mapping[UUID, float]) -> Delta:
    both = [one for one in baseline if one in scores]
    return Delta(
        improved=[one for one in both if scores[one] > baseline[one]],
        regressed=[one for one in both if scores[one] < baseline[one]],
    )
