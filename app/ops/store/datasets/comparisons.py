"""Comparisons: experiments on one dataset whose runs are judged against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from app.ops.store.database import Database
from app.ops.store.datasets.experiment_models import Comparison, ComparisonFields
from app.ops.store.datasets.scores import Scores, judgements, scores_by
from app.ops.store.datasets.versions import require_dataset
from app.ops.store.errors import Conflict, InvalidRecord, NotFound
from app.ops.store.tables import comparison_projects, comparisons, feedback, projects

ComparisonOrder = Literal["name", "created_at"]


class Comparisons:
    """Make, find, delete; their judgements are feedback that names them."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def create(self, fields: ComparisonFields) -> Comparison:
        """Compare experiments. Raises NotFound, InvalidRecord, or Conflict if the id is taken."""
        comparison_id, now = fields.id or uuid4(), self._clock()
        with self._database.write() as db:
            dataset_id = _common_dataset(db, fields)
            if db.scalar(select(comparisons.c.id).where(comparisons.c.id == comparison_id)):
                raise Conflict(f"There already is a comparison {comparison_id}.")
            row = {"name": fields.name, "description": fields.description, "extra": fields.extra or {}}
            made = {"created_at": fields.created_at or now, "modified_at": now}
            db.execute(insert(comparisons).values(id=comparison_id, dataset_id=dataset_id, **row, **made))
            members = enumerate(dict.fromkeys(fields.experiment_ids))
            db.execute(
                insert(comparison_projects),
                [
                    {"comparison_id": comparison_id, "project_id": project_id, "position": position}
                    for position, project_id in members
                ],
            )
            return _with_results(db, [_existing(db, comparison_id)])[0]

    def find(
        self,
        dataset_id: UUID,
        *,
        ids: Collection[UUID] | None = None,
        name: str | None = None,
        name_contains: str | None = None,
        order: ComparisonOrder = "created_at",
        descending: bool = True,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Comparison]:
        """The comparisons on a dataset; each argument that is not None narrows the answer. Raises NotFound."""
        wanted = select(comparisons).where(comparisons.c.dataset_id == dataset_id)
        if ids is not None:
            wanted = wanted.where(comparisons.c.id.in_(ids))
        if name is not None:
            wanted = wanted.where(comparisons.c.name == name)
        if name_contains is not None:
            wanted = wanted.where(func.lower(comparisons.c.name).contains(name_contains.lower(), autoescape=True))
        column = comparisons.c[order]
        ordered: Select[Any] = wanted.order_by(column.desc() if descending else column, comparisons.c.id)
        with self._database.read() as db:
            require_dataset(db, dataset_id)
            return _with_results(db, db.execute(ordered.limit(limit).offset(offset)).all())

    def delete(self, comparison_id: UUID) -> None:
        """Delete a comparison with its judgements. Raises NotFound."""
        with self._database.write() as db:
            _existing(db, comparison_id)
            db.execute(delete(feedback).where(feedback.c.comparative_experiment_id == comparison_id))
            db.execute(delete(comparisons).where(comparisons.c.id == comparison_id))


def _common_dataset(db: Connection, fields: ComparisonFields) -> UUID:
    wanted = select(projects.c.id, projects.c.reference_dataset_id).where(projects.c.id.in_(fields.experiment_ids))
    datasets = {row.id: row.reference_dataset_id for row in db.execute(wanted)}
    if missing := [one for one in fields.experiment_ids if one not in datasets]:
        raise NotFound(f"There is no experiment {missing[0]} to compare.")
    dataset_id = fields.reference_dataset_id or datasets[fields.experiment_ids[0]]
    if dataset_id is None or set(datasets.values()) != {dataset_id}:
        raise InvalidRecord("Only experiments on one and the same dataset can be compared.")
    require_dataset(db, dataset_id)
    return dataset_id


def _existing(db: Connection, comparison_id: UUID) -> Row[Any]:
    row = db.execute(select(comparisons).where(comparisons.c.id == comparison_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no comparison {comparison_id}.")
    return row


def _with_results(db: Connection, rows: Collection[Row[Any]]) -> list[Comparison]:
    ids = [row.id for row in rows]
    names = _names(db, ids)
    scores = _scores(db, ids)
    return [
        Comparison.model_validate(row._asdict() | {"projects": names[row.id], "scores": scores[row.id]}) for row in rows
    ]


def _names(db: Connection, ids: Collection[UUID]) -> dict[UUID, dict[UUID, str]]:
    members = (
        select(comparison_projects, projects.c.name)
        .join(projects, projects.c.id == comparison_projects.c.project_id)
        .where(comparison_projects.c.comparison_id.in_(ids))
        .order_by(comparison_projects.c.position)
    )
    names: dict[UUID, dict[UUID, str]] = defaultdict(dict)
    for row in db.execute(members):
        names[row.comparison_id][row.project_id] = row.name
    return names


def _scores(db: Connection, ids: Collection[UUID]) -> dict[UUID, dict[UUID, Scores]]:
    judged = judgements(feedback.c.comparative_experiment_id.in_(ids), feedback.c.project_id.is_not(None))
    by_place = scores_by(db.execute(judged), lambda row: (row.comparative_experiment_id, row.project_id))
    scores: dict[UUID, dict[UUID, Scores]] = defaultdict(dict)
    for (comparison_id, project_id), by_key in by_place.items():
        scores[comparison_id][project_id] = by_key
    return scores
