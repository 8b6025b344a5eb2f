"""Routes of experiments: what they made of each example, and comparisons of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.ops.langsmith.datasets.datasets import Ids, Limit, Offset, next_cursor, read_cursor
from app.ops.langsmith.datasets.wire import comparison_v1, example_v1
from app.ops.langsmith.request import Store, read_json
from app.ops.langsmith.runs.run_wire import Beside, beside, check_selects, run_v1, run_v2
from app.ops.store import OpsStore
from app.ops.store.datasets.comparisons import ComparisonOrder
from app.ops.store.datasets.experiment_models import ComparisonFields, ExampleResults, ResultsQuery
from app.ops.store.models import CleanText

router = APIRouter()

_ASKED_V1 = ("share_token", "reference_dataset_id", "child_run_ids")
_FILTERS = Annotated[dict[UUID, Annotated[list[str], Field(max_length=50)]], Field(max_length=100)]
_Upper = Annotated[Literal["ASC", "DESC"], BeforeValidator(lambda word: str(word).upper())]
_ProjectIds = Annotated[list[UUID], Field(min_length=1, max_length=100)]
_ExampleIds = Annotated[list[UUID], Field(max_length=1000)]


class _Sort(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sort_by: str
    sort_order: _Upper = "DESC"


class _SortV2(BaseModel):
    model_config = ConfigDict(extra="ignore")

    by: str
    order: _Upper = "DESC"


class _ResultsV1(BaseModel):
    model_config = ConfigDict(extra="ignore")

    session_ids: _ProjectIds
    example_ids: _ExampleIds | None = None
    comparative_experiment_id: UUID | None = None
    filters: _FILTERS | None = None
    sort_params: _Sort | None = None
    preview: bool = False
    offset: int = Field(default=0, ge=0, le=2**31)
    limit: int = Field(default=20, ge=1, le=100)

    def to_store(self, dataset_id: UUID) -> ResultsQuery:
        """The same question to the store."""
        return ResultsQuery(
            dataset_id=dataset_id,
            project_ids=self.session_ids,
            example_ids=self.example_ids,
            comparison_id=self.comparative_experiment_id,
            filters=self.filters or {},
            sort_by=_feedback_key(self.sort_params.sort_by) if self.sort_params else None,
            descending=self.sort_params is None or self.sort_params.sort_order == "DESC",
            offset=self.offset,
            limit=self.limit,
        )


class _ResultsV2(BaseModel):
    model_config = ConfigDict(extra="ignore")

    experiment_ids: _ProjectIds
    example_ids: _ExampleIds | None = None
    comparative_experiment_id: UUID | None = None
    filters: _FILTERS | None = None
    sort: _SortV2 | None = None
    selects: list[str] = []
    cursor: str | None = None
    page_size: int = Field(default=20, ge=1, le=100)

    def to_store(self, dataset_id: UUID) -> ResultsQuery:
        """The same question to the store, and for one more than the page holds."""
        return ResultsQuery(
            dataset_id=dataset_id,
            project_ids=self.experiment_ids,
            example_ids=self.example_ids,
            comparison_id=self.comparative_experiment_id,
            filters=self.filters or {},
            sort_by=_feedback_key(self.sort.by) if self.sort else None,
            descending=self.sort is None or self.sort.order == "DESC",
            offset=read_cursor(self.cursor),
            limit=self.page_size + 1,
        )


class _Delta(BaseModel):
    model_config = ConfigDict(extra="ignore")

    baseline_session_id: UUID
    comparison_session_ids: _ProjectIds
    feedback_key: CleanText
    comparative_experiment_id: UUID | None = None
    filters: _FILTERS | None = None
    offset: int = Field(default=0, ge=0, le=2**31)
    limit: int | None = Field(default=None, ge=1)

    def to_store(self, dataset_id: UUID) -> ResultsQuery:
        """The examples that are compared."""
        return ResultsQuery(
            dataset_id=dataset_id,
            project_ids=list(dict.fromkeys([self.baseline_session_id, *self.comparison_session_ids])),
            comparison_id=self.comparative_experiment_id,
            filters=self.filters or {},
            offset=self.offset,
            limit=self.limit,
        )


@router.post("/datasets/{dataset_id}/runs")
async def read_results(dataset_id: UUID, request: Request, store: Store) -> list[dict[str, Any]]:
    """Examples with the runs that experiments made of them."""
    body = await read_json(request, _ResultsV1)

    def read() -> list[dict[str, Any]]:
        found = store.experiments.results(body.to_store(dataset_id))
        known = _beside(request, store, found, _ASKED_V1)
        return [_result_v1(request, store, one, known, preview=body.preview) for one in found]

    return await run_in_threadpool(read)


@router.post("/v2/datasets/{dataset_id}/experiment-runs")
async def read_results_v2(dataset_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """A page of the same, as the second version of the API asks for it."""
    body = await read_json(request, _ResultsV2)
    check_selects(body.selects)

    def read() -> dict[str, Any]:
        found = store.experiments.results(body.to_store(dataset_id))
        page = found[: body.page_size]
        known = _beside(request, store, page, body.selects)
        items = [_result_v2(request, store, one, known, body.selects) for one in page]
        return {"items": items, "next_cursor": next_cursor(read_cursor(body.cursor), body.page_size, len(found))}

    return await run_in_threadpool(read)


@router.post("/datasets/{dataset_id}/runs/delta")
async def read_deltas(dataset_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """The examples that experiments did better and worse than a baseline."""
    body = await read_json(request, _Delta)
    found = await run_in_threadpool(
        store.experiments.deltas, body.to_store(dataset_id), body.baseline_session_id, body.feedback_key
    )
    return {
        "feedback_deltas": {
            str(project_id): {
                "improved_examples": [str(one) for one in delta.improved],
                "regressed_examples": [str(one) for one in delta.regressed],
            }
            for project_id, delta in found.items()
        }
    }


@router.post("/datasets/comparative")
async def create_comparison(request: Request, store: Store) -> dict[str, Any]:
    """Compare experiments."""
    fields = await read_json(request, ComparisonFields)
    return comparison_v1(store, await run_in_threadpool(store.comparisons.create, fields))


@router.get("/datasets/{dataset_id}/comparative")
def list_comparisons(
    dataset_id: UUID,
    store: Store,
    id: Ids = None,
    name: CleanText | None = None,
    name_contains: CleanText | None = None,
    sort_by: ComparisonOrder = "created_at",
    sort_by_desc: bool = True,
    offset: Offset = 0,
    limit: Limit = 100,
) -> list[dict[str, Any]]:
    """The comparisons of experiments on a dataset."""
    found = store.comparisons.find(
        dataset_id,
        ids=id,
        name=name,
        name_contains=name_contains,
        order=sort_by,
        descending=sort_by_desc,
        limit=limit,
        offset=offset,
    )
    return [comparison_v1(store, one) for one in found]


@router.delete("/datasets/comparative/{comparison_id}")
def delete_comparison(comparison_id: UUID, store: Store) -> dict[str, str]:
    """Delete a comparison with its judgements."""
    store.comparisons.delete(comparison_id)
    return {"message": "deleted"}


def _beside(request: Request, store: OpsStore, results: Sequence[ExampleResults], asked: Collection[str]) -> Beside:
    runs = [run for result in results for run in result.runs]
    scores = {run_id: stats for result in results for run_id, stats in result.scores.items()}
    return replace(beside(request, store, runs, {*asked} - {"FEEDBACK_STATS"}), feedback=scores)


def _result_v1(
    request: Request, store: OpsStore, result: ExampleResults, known: Beside, *, preview: bool
) -> dict[str, Any]:
    shortened: dict[str, Any] = {"inputs": {}, "outputs": None} if preview else {}
    runs = [run_v1(store, run, known) | shortened for run in result.runs]
    return example_v1(request, store, result.example) | {"runs": runs}


def _result_v2(
    request: Request, store: OpsStore, result: ExampleResults, known: Beside, selects: Collection[str]
) -> dict[str, Any]:
    runs = [run_v2(store, run, known, selects) for run in result.runs]
    return example_v1(request, store, result.example) | {"runs": runs}


def _feedback_key(selector: str) -> str:
    return selector.removeprefix("feedback.").replace("\x00", "\ufffd")
