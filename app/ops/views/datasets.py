"""What is tested against? Datasets, their examples at any version, and what holds for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from app.ops.store import OpsStore, StoreError
from app.ops.store.datasets.models import Dataset, DatasetChange, DatasetFields, DatasetVersion, Example, ExampleQuery
from app.ops.views.addresses import BASE, dataset_url, datasets_url
from app.ops.views.answers import Form, PageRoute, see
from app.ops.views.json_fields import explained, json_object, written
from app.ops.views.lists import Listed, asked, listed, page_number
from app.ops.views.render import page
from app.ops.views.shared import shared_link
from app.ops.views.state import OpsState

PER_PAGE = 50
VERSIONS = 30
TYPES = {"kv": "Inputs and outputs", "chat": "Chat messages", "llm": "Text completions"}


@dataclass(frozen=True)
class DatasetPage:
    """The examples of one dataset that an address asks for."""

    dataset: Dataset
    examples: Listed[Example]
    splits: list[str]
    versions: list[DatasetVersion]
    """The newest."""
    version: str
    """The chosen one: a tag or a moment; empty for the newest."""
    split: str
    q: str


def build_datasets(state: OpsState) -> APIRouter:
    """`/datasets` and the page of one of them."""
    router = APIRouter(prefix=f"{BASE}/datasets", route_class=PageRoute)
    store = state.store

    @router.get("", response_class=HTMLResponse)
    def datasets(request: Request) -> HTMLResponse:
        return _list_page(state, request, {})

    @router.post("", response_model=None)
    def create(request: Request, form: Form) -> Response:
        try:
            made = store.datasets.create(DatasetFields.model_validate(dict(form)))
        except (ValidationError, StoreError) as error:
            return _list_page(state, request, dict(form), explained(error))
        return see(dataset_url(made.id))

    @router.get("/{dataset_id}", response_class=HTMLResponse)
    def dataset(dataset_id: UUID, request: Request) -> HTMLResponse:
        shown = dataset_page(store, dataset_id, request)
        share = shared_link(request, store.datasets.share_token(dataset_id), "d")
        return page("dataset.html", {"shown": shown, "dataset": shown.dataset, "share": share})

    @router.get("/{dataset_id}/settings", response_class=HTMLResponse)
    def settings(dataset_id: UUID) -> HTMLResponse:
        shown = store.datasets.get(dataset_id)
        return _settings_page(state, shown, _settings(shown))

    @router.post("/{dataset_id}/settings", response_model=None)
    def change(dataset_id: UUID, form: Form) -> Response:
        try:
            store.datasets.change(dataset_id, _change(form))
        except (ValueError, StoreError) as error:
            return _settings_page(state, store.datasets.get(dataset_id), dict(form), explained(error))
        return see(dataset_url(dataset_id))

    @router.post("/{dataset_id}/tag")
    def tag(dataset_id: UUID, form: Form) -> RedirectResponse:
        name = form.get("tag", "")[:500]
        store.versions.tag(dataset_id, form.get("version", "latest"), name)
        return see(dataset_url(dataset_id, version=name))

    @router.post("/{dataset_id}/delete")
    def delete(dataset_id: UUID) -> RedirectResponse:
        store.datasets.delete(dataset_id)
        return see(datasets_url())

    return router


def dataset_page(store: OpsStore, dataset_id: UUID, request: Request) -> DatasetPage:
    """The page of examples that the address asks for. Raises NotFound."""
    version, split, q = (asked(request.query_params, name) for name in ("version", "split", "q"))
    number = page_number(request.query_params)
    wanted = ExampleQuery(
        dataset_id=dataset_id,
        as_of=version or None,
        splits=[split] if split else None,
        contains=q.split()[:10],
        order="recent",
        limit=PER_PAGE,
        offset=(number - 1) * PER_PAGE,
    )

    def url(to: int | None) -> str:
        return dataset_url(dataset_id, version=version, split=split, q=q, page=to)

    return DatasetPage(
        dataset=store.datasets.get(dataset_id),
        examples=listed(store.examples.find(wanted), store.examples.count(wanted), number, PER_PAGE, url),
        splits=store.versions.splits(dataset_id, version or None),
        versions=store.versions.find(dataset_id, limit=VERSIONS),
        version=version,
        split=split,
        q=q,
    )


def _list_page(state: OpsState, request: Request, form: dict[str, str], problem: str = "") -> HTMLResponse:
    q, number = asked(request.query_params, "q"), page_number(request.query_params)
    offset = (number - 1) * PER_PAGE
    found = state.store.datasets.find(name_contains=q or None, order="modified_at", limit=PER_PAGE + 1, offset=offset)
    shown = listed(found[:PER_PAGE], offset + len(found), number, PER_PAGE, lambda to: datasets_url(q=q, page=to))
    values = {"list": shown, "q": q, "types": TYPES, "form": form, "problem": problem, "now": state.clock()}
    return page("datasets.html", values, status=422 if problem else 200)


def _settings_page(state: OpsState, dataset: Dataset, form: dict[str, str], problem: str = "") -> HTMLResponse:
    values = {"dataset": dataset, "form": form, "problem": problem, "versions": []}
    values["versions"] = state.store.versions.find(dataset.id, limit=VERSIONS)
    return page("dataset_settings.html", values, status=422 if problem else 200)


def _settings(dataset: Dataset) -> dict[str, str]:
    return {
        "name": dataset.name,
        "description": dataset.description or "",
        "inputs_schema": written(dataset.inputs_schema),
        "outputs_schema": written(dataset.outputs_schema),
    }


def _change(form: Form) -> DatasetChange:
    return DatasetChange(
        name=form.get("name"),
        description=form.get("description"),
        inputs_schema_definition=json_object("The schema of the inputs", form.get("inputs_schema", "")),
        outputs_schema_definition=json_object("The schema of the outputs", form.get("outputs_schema", "")),
    )
