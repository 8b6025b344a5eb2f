"""The addresses that LangSmith's clients print, each led to the page that shows the same here."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from app.ops.store import NotFound, OpsStore
from app.ops.views.addresses import (
    BASE,
    dataset_url,
    datasets_url,
    example_url,
    prompt_url,
    queue_url,
    results_url,
    thread_url,
    turn_url,
    turns_url,
)
from app.ops.views.state import OpsState

_WITH_TENANT = "/o/{tenant}"


def build_deep_links(state: OpsState) -> APIRouter:
    """Every address that the SDK builds, with its tenant and without."""
    router = APIRouter(include_in_schema=False)
    for prefix in (_WITH_TENANT, ""):
        router.include_router(_projects(state.store), prefix=prefix)
        router.include_router(_datasets(), prefix=prefix)
        router.include_router(_prompts(), prefix=prefix)
        router.include_router(_queues(), prefix=prefix)
    return router


def _projects(store: OpsStore) -> APIRouter:
    router = APIRouter()

    @router.get("/projects/p/{session}/r/{run}")
    def run(session: str, run: str) -> RedirectResponse:
        return RedirectResponse(turn_url(run))

    @router.get("/projects/p/{session}/t/{thread}")
    def thread(session: str, thread: str) -> RedirectResponse:
        return RedirectResponse(thread_url(thread))

    @router.get("/projects/p/{session}")
    def project(session: str) -> RedirectResponse:
        return RedirectResponse(project_url(store, session))

    return router


def _datasets() -> APIRouter:
    router = APIRouter()

    @router.get("/datasets")
    def datasets() -> RedirectResponse:
        return RedirectResponse(datasets_url())

    @router.get("/datasets/{dataset}")
    def dataset(dataset: str) -> RedirectResponse:
        return RedirectResponse(dataset_url(dataset))

    @router.get("/datasets/{dataset}/e/{example}")
    def example(dataset: str, example: str) -> RedirectResponse:
        return RedirectResponse(example_url(dataset, example))

    @router.get("/datasets/{dataset}/compare")
    def compare(dataset: str, request: Request) -> RedirectResponse:
        chosen = request.query_params.get("selectedSessions", "")
        if chosen and "," not in chosen:  # what `evaluate` prints for the one experiment that it made
            return RedirectResponse(results_url(dataset, chosen))
        comparison = request.query_params.get("comparativeExperiment")
        return RedirectResponse(
            dataset_url(dataset, "compare", selectedSessions=chosen, comparativeExperiment=comparison)
        )

    return router


def _prompts() -> APIRouter:
    router = APIRouter()

    @router.get("/prompts")
    def prompts() -> RedirectResponse:
        return RedirectResponse(f"{BASE}/prompts")

    @router.get("/prompts/{name}")
    def prompt(name: str) -> RedirectResponse:
        return RedirectResponse(prompt_url(name))

    @router.get("/prompts/{name}/{commit}")
    @router.get("/context/{name}/{commit}")
    @router.get("/hub/{owner}/{name}:{commit}")
    def version(name: str, commit: str) -> RedirectResponse:
        return RedirectResponse(prompt_url(name, quote(commit, safe="")))

    return router


def _queues() -> APIRouter:
    router = APIRouter()

    @router.get("/annotation-queues")
    def queues() -> RedirectResponse:
        return RedirectResponse(f"{BASE}/queues")

    @router.get("/annotation-queues/{queue}")
    def queue(queue: str) -> RedirectResponse:
        return RedirectResponse(queue_url(queue))

    @router.get("/annotation-queues/{queue}/runs/{run}")
    def item(queue: str, run: str) -> RedirectResponse:
        return RedirectResponse(queue_url(queue, "review", item=run))

    return router


def project_url(store: OpsStore, project: str) -> str:
    """Where a project is looked at: an experiment beside its dataset, any other as a list of its traces."""
    try:
        found = store.projects.get(UUID(project))
    except (ValueError, NotFound):
        return turns_url(project=project, everything=True)
    if found.reference_dataset_id:
        return results_url(found.reference_dataset_id, found.id)
    return turns_url(project=found.id, everything=True)
