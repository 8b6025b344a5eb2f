"""Which answers rest on text that has changed since? The documents beneath them, and the answers of one."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.ops.stale import Staleness
from app.ops.views.addresses import BASE
from app.ops.views.lists import listed, page_number
from app.ops.views.render import not_found, page
from app.ops.views.state import OpsState

PAGE = f"{BASE}/stale"
PER_PAGE = 50


def build_stale(state: OpsState) -> APIRouter:
    """`/stale` and `/stale/{document_id}`."""
    router = APIRouter(prefix=PAGE)

    @router.get("", response_class=HTMLResponse)
    def documents(request: Request) -> HTMLResponse:
        return _documents_page(state.stale, page_number(request.query_params))

    @router.get("/{document_id}", response_class=HTMLResponse)
    def document(document_id: str, request: Request) -> HTMLResponse:
        return _document_page(state.stale, document_id, page_number(request.query_params))

    return router


def _documents_page(stale: Staleness, number: int) -> HTMLResponse:
    found = stale.documents(limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
    shown = listed(found, stale.document_count(), number, PER_PAGE, _addresses(PAGE))
    return page("stale.html", {"list": shown, "link": _document_url})


def _document_page(stale: Staleness, document_id: str, number: int) -> HTMLResponse:
    document = stale.document(document_id)
    if document is None:
        return not_found("changed document of this id")
    found = stale.answers(document_id, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
    shown = listed(found, document.answers, number, PER_PAGE, _addresses(_document_url(document_id)))
    return page("stale_document.html", {"document": document, "list": shown})


def _document_url(document_id: str) -> str:
    return f"{PAGE}/{quote(document_id, safe='', errors='replace')}"


def _addresses(start: str) -> Callable[[int | None], str]:
    return lambda number: f"{start}?page={number}" if number else start
