"""The forms that save and delete filters of the turn list."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from app.ops.store import Conflict, NotFound
from app.ops.views.addresses import BASE, turns_url
from app.ops.views.answers import refused
from app.ops.views.filters import clean, first_page, query_params, read_query
from app.ops.views.forms import read_form
from app.ops.views.render import not_found
from app.ops.views.state import OpsState
from app.ops.views.turns import uuid_or_none

MAX_NAME = 80
MAX_QUERY = 20_000


def build_saved(state: OpsState) -> APIRouter:
    """Posts to `/filters`; the list itself is the turn list's."""
    router = APIRouter(prefix=f"{BASE}/filters")

    @router.post("", response_model=None)
    async def save(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_save, state, form.get("name", ""), form.get("query", ""))

    @router.post("/{filter_id}/delete", response_model=None)
    async def delete(filter_id: str, request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_delete, state, filter_id, form.get("query", ""))

    return router


def _save(state: OpsState, name: str, query: str) -> Response:
    name = " ".join(clean(name).split())[:MAX_NAME]
    if not name:
        return refused("A saved filter needs a name.", 422)
    try:
        state.store.saved_filters.save(name, _known(query))
    except Conflict as error:
        return refused(str(error), 422)
    return _back(query)


def _delete(state: OpsState, filter_id: str, query: str) -> Response:
    known = uuid_or_none(filter_id)
    try:
        if known is None:
            raise NotFound
        state.store.saved_filters.delete(known)
    except NotFound:
        return not_found("saved filter with this id")
    return _back(query)


def _known(query: str) -> str:
    """Only what the turn list understands, from its first page."""
    asked = first_page(read_query(dict(parse_qsl(query[:MAX_QUERY]))))
    return turns_url(**query_params(asked)).partition("?")[2]


def _back(query: str) -> RedirectResponse:
    return RedirectResponse(f"{BASE}/turns?{_known(query)}".rstrip("?"), status_code=303)
