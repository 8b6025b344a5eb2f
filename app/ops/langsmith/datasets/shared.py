"""Datasets that are shared: read without a key by everybody who knows the token."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from app.ops.langsmith.datasets.datasets import Ids, Limit, Offset
from app.ops.langsmith.datasets.examples import Params, listed
from app.ops.langsmith.datasets.wire import comparison_v1, dataset_v1
from app.ops.langsmith.request import workspaces
from app.ops.langsmith.wire import feedback_v1, session
from app.ops.store import NotFound, OpsStore
from app.ops.store.datasets.models import Dataset
from app.ops.store.models import CleanText

router = APIRouter(prefix="/public/{share_token}")


class _Share(NamedTuple):
    store: OpsStore
    dataset: Dataset


def _opened(request: Request, share_token: UUID) -> _Share:
    for store in workspaces(request):
        try:
            return _Share(store, store.datasets.shared(share_token))
        except NotFound:
            continue
    raise NotFound("Nothing is shared by this link, or not any more.")


Share = Annotated[_Share, Depends(_opened)]


@router.get("/datasets")
def read_dataset(share: Share) -> dict[str, Any]:
    """The dataset."""
    return dataset_v1(share.store, share.dataset)


@router.get("/examples")
def list_examples(request: Request, share: Share, params: Params) -> list[dict[str, Any]]:
    """Its examples."""
    return listed(request, share.store, params, params.to_store(share.dataset.id))


@router.get("/examples/count")
def count_examples(share: Share, params: Params) -> int:
    """How many examples it has."""
    return share.store.examples.count(params.to_store(share.dataset.id))


@router.get("/datasets/sessions")
def list_sessions(
    share: Share,
    id: Ids = None,
    name: CleanText | None = None,
    name_contains: CleanText | None = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> list[dict[str, Any]]:
    """The experiments on it, newest first."""
    found = share.store.experiments.find(
        share.dataset.id, ids=id, name=name, name_contains=name_contains, limit=limit, offset=offset
    )
    return [session(share.store, one.project, one.stats, one.scores) for one in found]


@router.get("/datasets/comparative")
def list_comparisons(
    share: Share,
    name: CleanText | None = None,
    name_contains: CleanText | None = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> list[dict[str, Any]]:
    """The comparisons of experiments on it."""
    found = share.store.comparisons.find(
        share.dataset.id, name=name, name_contains=name_contains, limit=limit, offset=offset
    )
    return [comparison_v1(share.store, one) for one in found]


@router.get("/datasets/feedback")
def list_feedback(
    share: Share,
    run: Ids = None,
    key: Annotated[list[CleanText] | None, Query()] = None,
    source: Annotated[list[CleanText] | None, Query()] = None,
    session: Ids = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> list[dict[str, Any]]:
    """What was judged in the experiments on it."""
    experiments = {one.id for one in share.store.projects.find(reference_dataset_ids=[share.dataset.id])}
    wanted = experiments if session is None else experiments & set(session)
    found = share.store.feedback.find(
        project_ids=wanted, run_ids=run, keys=key, sources=source, limit=limit, offset=offset
    )
    return [feedback_v1(one) for one in found]
