"""The pages about what is tested, judged, versioned and shared, as one router."""

from __future__ import annotations

from fastapi import APIRouter

from app.ops.views.collecting import build_collecting
from app.ops.views.comparison import build_comparison
from app.ops.views.datasets import build_datasets
from app.ops.views.example_files import build_example_files
from app.ops.views.examples import build_examples
from app.ops.views.prompts import build_prompts
from app.ops.views.queues import build_queues
from app.ops.views.results import build_results
from app.ops.views.review import build_review
from app.ops.views.shared import build_sharing
from app.ops.views.state import OpsState

_BUILDERS = (
    build_collecting,  # before the datasets: "add" is no dataset
    build_datasets,
    build_examples,
    build_example_files,
    build_results,
    build_comparison,
    build_sharing,
    build_prompts,
    build_queues,
    build_review,
)


def build_data(state: OpsState) -> APIRouter:
    """Datasets, experiments, comparisons, prompts, queues, and the forms that share."""
    router = APIRouter()
    for build in _BUILDERS:
        router.include_router(build(state))
    return router
