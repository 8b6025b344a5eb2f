"""What should be answered? One example: read, written, changed, deleted."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.ops.store import OpsStore, StoreError
from app.ops.store.datasets.models import SPLIT_KEY, Dataset, DatasetVersion, Example, ExampleChange, ExampleFields
from app.ops.views.addresses import BASE, dataset_url, example_url
from app.ops.views.answers import Form, PageRoute, refused, see
from app.ops.views.json_fields import explained, json_object, written
from app.ops.views.lists import asked
from app.ops.views.render import page
from app.ops.views.state import OpsState

CHANGED_MEANWHILE = (
    "Somebody else changed this example while you did. Their text is in the other window: load it again."
)
VERSIONS = 20


@dataclass(frozen=True)
class ExamplePage:
    """One example, as its form shows it."""

    dataset: Dataset
    example: Example | None
    """None for a new one."""
    form: dict[str, str]
    versions: list[DatasetVersion]
    """Those that changed it, newest first."""
    version: str
    problem: str = ""


def build_examples(state: OpsState) -> APIRouter:
    """`/datasets/{id}/examples/new` and the page of one example."""
    router = APIRouter(prefix=f"{BASE}/datasets/{{dataset_id}}/examples", route_class=PageRoute)
    store = state.store

    @router.get("/new", response_class=HTMLResponse)
    def new(dataset_id: UUID) -> HTMLResponse:
        return _shown(ExamplePage(store.datasets.get(dataset_id), None, {"splits": "base"}, [], ""))

    @router.post("/new", response_model=None)
    def create(dataset_id: UUID, form: Form) -> Response:
        try:
            store.examples.create(dataset_id, [example_fields(form)])
        except (ValueError, StoreError) as error:
            dataset = store.datasets.get(dataset_id)
            return _shown(ExamplePage(dataset, None, dict(form), [], "", explained(error)))
        return see(dataset_url(dataset_id))

    @router.get("/{example_id}", response_class=HTMLResponse)
    def example(dataset_id: UUID, example_id: UUID, request: Request) -> HTMLResponse:
        version = asked(request.query_params, "version")
        found = store.examples.get(example_id, version or None)
        if found.dataset_id != dataset_id:
            return refused("This example belongs to another dataset.", 404)
        return _shown(_existing(store, found, example_form(found), version))

    @router.post("/{example_id}", response_model=None)
    def change(dataset_id: UUID, example_id: UUID, form: Form) -> Response:
        before = store.examples.get(example_id)
        if form.get("seen") not in (None, before.modified_at.isoformat()):
            return _shown(_existing(store, before, dict(form), "", CHANGED_MEANWHILE), 409)
        try:
            store.examples.change(dataset_id, [_change(example_id, form)])
        except (ValueError, StoreError) as error:
            return _shown(_existing(store, before, dict(form), "", explained(error)))
        return see(example_url(dataset_id, example_id))

    @router.post("/{example_id}/delete")
    def delete(dataset_id: UUID, example_id: UUID) -> RedirectResponse:
        store.examples.delete([example_id], dataset_id=dataset_id)
        return see(dataset_url(dataset_id))

    return router


def example_form(example: Example) -> dict[str, str]:
    """What stands in the fields of an example's form."""
    return {
        "inputs": written(example.inputs),
        "outputs": written(example.outputs),
        "metadata": written({key: value for key, value in example.metadata.items() if key != SPLIT_KEY} or None),
        "splits": ", ".join(example.splits),
    }


def example_fields(form: Form) -> ExampleFields:
    """The new example that a form describes. Raises ValueError with a sentence."""
    return ExampleFields.model_validate(_parts(form))


def _parts(form: Form) -> dict[str, object]:
    inputs = json_object("What stands in “Inputs”", form.get("inputs", ""))
    if inputs is None:
        raise ValueError('Fill in the inputs: a JSON object, such as {"question": "How many days?"}.')
    return {
        "inputs": inputs,
        "outputs": json_object("What stands in “Expected outputs”", form.get("outputs", "")),
        "metadata": json_object("What stands in “Metadata”", form.get("metadata", "")) or {},
        "split": splits_of(form.get("splits", "")),
    }


def splits_of(text: str) -> list[str] | None:
    """The names in a list with commas, None where there are none."""
    return [name for part in text.split(",") if (name := part.strip())] or None


def _change(example_id: UUID, form: Form) -> ExampleChange:
    return ExampleChange.model_validate({"id": example_id, **_parts(form)})


def _existing(store: OpsStore, example: Example, form: dict[str, str], version: str, problem: str = "") -> ExamplePage:
    dataset = store.datasets.get(example.dataset_id)
    versions = store.versions.find(dataset.id, example_id=example.id, limit=VERSIONS)
    return ExamplePage(dataset, example, form, versions, version, problem)


def _shown(shown: ExamplePage, status: int = 422) -> HTMLResponse:
    values = {"shown": shown, "dataset": shown.dataset, "example": shown.example, "form": shown.form}
    return page("example.html", values, status=status if shown.problem else 200)
