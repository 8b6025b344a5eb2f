"""Which traces are worth testing against? Any of them becomes an example, corrected before it is saved."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from app.ops.store import NotFound, OpsStore, Run, StoreError
from app.ops.store.datasets.models import Dataset, DatasetFields, ExampleFields
from app.ops.views.addresses import BASE, dataset_url
from app.ops.views.answers import Form, PageRoute, see
from app.ops.views.examples import splits_of
from app.ops.views.json_fields import explained, json_object, written
from app.ops.views.render import page
from app.ops.views.state import OpsState
from app.ops.views.turns import uuid_or_none

MOST_RUNS = 50
DATASETS = 500


def build_collecting(state: OpsState) -> APIRouter:
    """`/datasets/add?run=…&run=…`: the runs as examples, to be edited and saved."""
    router = APIRouter(prefix=BASE, route_class=PageRoute)
    store = state.store

    @router.get("/datasets/add", response_class=HTMLResponse)
    def chosen(request: Request) -> HTMLResponse:
        return _form_page(store, _runs(store, request.query_params.getlist("run")), {"splits": "base"})

    @router.post("/datasets/add", response_model=None)
    def save(form: Form) -> Response:
        runs = _runs(store, form.getlist("run"))
        if "save" not in form:
            return _form_page(store, runs, {"splits": "base"})
        try:
            examples = [_example(form, run) for run in runs if f"leave-{run.id}" not in form]
            dataset_id = _dataset(store, form)
            store.examples.create(dataset_id, examples)
        except (ValueError, StoreError) as error:
            return _form_page(store, runs, dict(form), explained(error))
        return see(dataset_url(dataset_id))

    return router


def _runs(store: OpsStore, ids: Sequence[str]) -> list[Run]:
    """The runs with these ids, in their order. Raises NotFound."""
    wanted = list(dict.fromkeys(one for text in ids if (one := uuid_or_none(text))))[:MOST_RUNS]
    found = {run.id: run for run in store.runs.many(wanted)}
    if not found:
        raise NotFound("Tick at least one trace that is still there, and try again.")
    return [found[one] for one in wanted if one in found]


def _example(form: Form, run: Run) -> ExampleFields:
    inputs = json_object(f"The inputs of “{run.name[:60]}”", form.get(f"inputs-{run.id}", ""))
    return ExampleFields(
        inputs=inputs or {},
        outputs=json_object(f"The expected outputs of “{run.name[:60]}”", form.get(f"outputs-{run.id}", "")),
        split=splits_of(form.get("splits", "")),
        source_run_id=run.id,
    )


def _dataset(store: OpsStore, form: Form) -> UUID:
    """The chosen dataset, or a new one of the name that was written. Raises ValueError, Conflict."""
    if name := form.get("name"):
        return store.datasets.create(DatasetFields(name=name)).id
    if chosen := uuid_or_none(form.get("dataset", "")):
        return chosen
    raise ValueError("Choose a dataset, or write the name of a new one.")


def _form_page(store: OpsStore, runs: Sequence[Run], form: dict[str, str], problem: str = "") -> HTMLResponse:
    datasets: list[Dataset] = store.datasets.find(order="modified_at", limit=DATASETS)
    texts = {
        str(run.id): {
            "inputs": form.get(f"inputs-{run.id}", "") if problem else written(run.inputs),
            "outputs": form.get(f"outputs-{run.id}", "") if problem else written(run.outputs),
        }
        for run in runs
    }
    values = {"runs": runs, "texts": texts, "datasets": datasets, "form": form, "problem": problem}
    return page("add_examples.html", values, status=422 if problem else 200)
