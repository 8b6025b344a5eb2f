"""The scores of experiments on one dataset, example by example: what comparisons count and filter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Text, func, select, type_coerce

from app.ops.store.tables import example_versions, feedback, runs

ExampleKey = Any
"""An example, as the engine writes its id: making 60,000 ids of Python would take longer than all the rest."""
Scored = dict[ExampleKey, float]


def _raw(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return type_coerce(column, Text)


_RESULTS = select(_raw(runs.c.id), _raw(runs.c.reference_example_id), runs.c.status).where(
    runs.c.reference_example_id.is_not(None), runs.c.is_root
)
_SCORES = select(_raw(feedback.c.run_id), feedback.c.key, feedback.c.score).where(
    feedback.c.run_id.is_not(None),
    feedback.c.score.is_not(None),
)


@dataclass(frozen=True)
class ScoreBoard:
    """Averages of feedback over the runs that an experiment made of an example."""

    order: list[ExampleKey]
    """The examples that any of the experiments ran, in the order of the dataset."""
    failed: Mapping[UUID, frozenset[ExampleKey]]
    """By experiment: the examples of which some run failed."""
    scores: Mapping[str, Mapping[UUID, Mapping[ExampleKey, float]]]
    """By key, experiment and example."""

    def differences(self, key: str, baseline: UUID, other: UUID) -> Scored:
        """How much higher `other` scored, for each example that both have a score of."""
        before, after = self.of(key, baseline), self.of(key, other)
        return {one: after[one] - score for one, score in before.items() if one in after}

    def of(self, key: str, experiment: UUID) -> Mapping[ExampleKey, float]:
        """The scores of one experiment by example."""
        return self.scores.get(key, {}).get(experiment, {})


def read_score_board(
    db: Connection, dataset_id: UUID, project_ids: Sequence[UUID], comparison_id: UUID | None = None
) -> ScoreBoard:
    """Everything that these experiments were scored: in a comparison, or by default outside of any."""
    given = _SCORES.where(feedback.c.comparative_experiment_id == comparison_id)
    failed: dict[UUID, frozenset[ExampleKey]] = {}
    scores: dict[str, dict[UUID, Scored]] = defaultdict(dict)
    ran: set[ExampleKey] = set()
    for project_id in project_ids:
        made = db.execute(_RESULTS.where(runs.c.project_id == project_id)).all()
        failed[project_id] = frozenset(example for _, example, status in made if status == "error")
        examples = {run: example for run, example, _ in made}
        ran.update(examples.values())
        for key, by_example in _averages(db, given.where(feedback.c.project_id == project_id), examples).items():
            scores[key][project_id] = by_example
    return ScoreBoard(_ordered(db, dataset_id, ran), failed, scores)


def _averages(db: Connection, given: Select[Any], examples: Mapping[Any, ExampleKey]) -> dict[str, Scored]:
    """By key and example. Sums and counts apart: a list for each example would keep the garbage collector busy."""
    sums: dict[str, Scored] = defaultdict(dict)
    times: dict[tuple[str, ExampleKey], int] = {}
    for run, key, score in db.execute(given).all():
        example = examples.get(run)
        if example is None:  # a step below was judged, not the run that was made of the example
            continue
        by_example = sums[key]
        if example in by_example:
            times[key, example] = times.get((key, example), 1) + 1
            by_example[example] += score
        else:
            by_example[example] = score
    for (key, example), number in times.items():
        sums[key][example] /= number
    return sums


def _ordered(db: Connection, dataset_id: UUID, ran: set[ExampleKey]) -> list[ExampleKey]:
    """In the order in which the examples came into the dataset; erased ones come last."""
    first = func.min(example_versions.c.num)
    listed = select(_raw(example_versions.c.example_id)).where(example_versions.c.dataset_id == dataset_id)
    known = [one for one in db.scalars(listed.group_by(example_versions.c.example_id).order_by(first)) if one in ran]
    return [*known, *sorted(ran - set(known))]
