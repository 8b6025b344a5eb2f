"""Datasets, examples and comparisons in LangSmith's words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from fastapi import Request
from pydantic_core import from_json

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.runs.attachments import attachment_urls
from app.ops.langsmith.wire import stats_by_key
from app.ops.store import OpsStore
from app.ops.store.datasets.experiment_models import Comparison
from app.ops.store.datasets.models import Dataset, DatasetVersion, Example
from app.ops.store.datasets.scores import Scores

DEFAULT_FIELDS = ("id", "created_at", "modified_at", "name", "dataset_id", "inputs")
"""What an example always says, unless a client wants only what it selects."""


def dataset_v1(store: OpsStore, dataset: Dataset) -> dict[str, Any]:
    """A dataset as `/datasets` answers it."""
    fields: dict[str, Any] = dataset.model_dump(mode="json", exclude={"inputs_schema", "outputs_schema"})
    return fields | {
        "tenant_id": str(store.workspace.id),
        "inputs_schema_definition": dataset.inputs_schema,
        "outputs_schema_definition": dataset.outputs_schema,
        "baseline_experiment_id": None,
    }


def version_v1(version: DatasetVersion) -> dict[str, Any]:
    """A version of a dataset."""
    return version.model_dump(mode="json")


def example_v1(
    request: Request,
    store: OpsStore,
    example: Example,
    select: Collection[str] | None = None,
    *,
    exclude_default_fields: bool = False,
) -> dict[str, Any]:
    """An example as `/examples` answers it; `select` leaves fields out, but for the default ones."""
    wanted = None if select is None else {"id", *select, *(() if exclude_default_fields else DEFAULT_FIELDS)}
    fields: dict[str, Any] = example.model_dump(mode="json", exclude={"attachments"}) | {"name": _name(example)}
    if wanted is None or "attachment_urls" in wanted:
        fields["attachment_urls"] = attachment_urls(request, store, example.attachments)
    return fields if wanted is None else {name: value for name, value in fields.items() if name in wanted}


def comparison_v1(store: OpsStore, comparison: Comparison) -> dict[str, Any]:
    """A comparison as `/datasets/comparative` answers it."""
    fields: dict[str, Any] = comparison.model_dump(mode="json", exclude={"dataset_id", "projects", "scores"})
    return fields | {
        "tenant_id": str(store.workspace.id),
        "reference_dataset_id": str(comparison.dataset_id),
        "experiments_info": [
            {"id": str(one), "name": name, "feedback_stats": stats_by_key(comparison.scores.get(one, {}))}
            for one, name in comparison.projects.items()
        ],
        "feedback_stats": _by_key(comparison.scores),
    }


def json_object(name: str, text: str | None) -> dict[str, Any]:
    """The JSON object that a parameter holds, empty where there is none. Raises Unprocessable."""
    try:
        value = from_json(text or "{}")
    except ValueError as error:
        raise Unprocessable(f"{name}: Send a JSON object.") from error
    if not isinstance(value, dict):
        raise Unprocessable(f"{name}: Send a JSON object.")
    return value


def _name(example: Example) -> str:
    return f"#{str(example.id)[:4]}"


def _by_key(scores: Mapping[UUID, Scores]) -> dict[str, dict[str, Any]]:
    """For each key of feedback, how each experiment did."""
    by_key: dict[str, dict[str, Any]] = {}
    for project_id, stats in scores.items():
        for key, one in stats_by_key(stats).items():
            by_key.setdefault(key, {})[str(project_id)] = one
    return by_key
