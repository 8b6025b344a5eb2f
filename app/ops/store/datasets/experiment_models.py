"""The vocabulary of experiments: projects whose runs were made from the examples of a dataset."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.ops.store.datasets.models import Example
from app.ops.store.datasets.scores import Scores
from app.ops.store.models import CleanText, Moment, Name, Project, Run, RunStats


class Experiment(BaseModel):
    """One experiment and how it went."""

    model_config = ConfigDict(frozen=True)

    project: Project
    stats: RunStats
    """Of its root runs."""
    scores: Scores
    """Of the experiment as a whole, as summary evaluators give them."""


class ExampleResults(BaseModel):
    """One example and what experiments made of it."""

    model_config = ConfigDict(frozen=True)

    example: Example
    runs: list[Run]
    scores: dict[UUID, Scores]
    """By run."""


class ResultsQuery(BaseModel):
    """Which results of experiments to give back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset_id: UUID
    project_ids: list[UUID] = Field(min_length=1, max_length=100)
    example_ids: list[UUID] | None = None
    comparison_id: UUID | None = None
    """Judgements that were made in this comparison count too; those of others never do."""
    filters: dict[UUID, list[str]] = Field(default_factory=dict)
    """LangSmith filter expressions by project: examples whose run there fulfils them all."""
    sort_by: str | None = None
    """A key of feedback: examples are sorted by its average in the first project, those without any come last."""
    descending: bool = True
    limit: int | None = Field(default=None, ge=1)
    offset: int = Field(default=0, ge=0)


class Delta(BaseModel):
    """Examples that one experiment did better and worse than another."""

    model_config = ConfigDict(frozen=True)

    improved: list[UUID]
    regressed: list[UUID]


class ComparisonFields(BaseModel):
    """What a client says about a new comparison. Unknown fields are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID | None = None
    experiment_ids: list[UUID] = Field(min_length=1, max_length=100)
    reference_dataset_id: UUID | None = None
    """None is the dataset of the experiments."""
    name: Name | None = None
    description: CleanText | None = None
    extra: dict[str, Any] | None = None
    created_at: Moment | None = None


class Comparison(BaseModel):
    """Experiments on one dataset whose runs are judged against each other."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    dataset_id: UUID
    name: str | None = None
    description: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    created_at: AwareDatetime
    modified_at: AwareDatetime
    projects: dict[UUID, str] = Field(default_factory=dict)
    """The names of the experiments by id, in the order that was asked for."""
    scores: dict[UUID, Scores] = Field(default_factory=dict)
    """What was judged in it, by experiment."""
