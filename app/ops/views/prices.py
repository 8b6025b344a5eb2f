"""What do models cost? Prices, the models that have none, and old costs worked out again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from app.ops.store import NotFound, OpsStore, StoreError
from app.ops.store.costs.model_uses import NEWEST_RUNS, ModelUse, model_uses
from app.ops.store.costs.models import Price, PriceFields
from app.ops.store.costs.recosting import Scope
from app.ops.views.addresses import BASE
from app.ops.views.forms import read_form
from app.ops.views.render import not_found, page
from app.ops.views.state import OpsState

PAGE = f"{BASE}/prices"
KINDS = {
    "prompt_cost_details": {"cache_read": "Read from the cache", "cache_creation": "Written to the cache"},
    "completion_cost_details": {"reasoning": "Reasoning"},
}
"""The kinds of tokens whose price the form asks for; others that a price has are kept as they are."""
_MILLION = 1_000_000
_WATCH_S = 2


@dataclass(frozen=True)
class PricedUse:
    """A model in use, and the price that its next call would have."""

    use: ModelUse
    price: Price | None


def build_prices(state: OpsState) -> APIRouter:
    """`/prices`, and the forms on it."""
    router = APIRouter(prefix=PAGE)

    @router.get("", response_class=HTMLResponse)
    def prices() -> HTMLResponse:
        return _prices_page(state)

    @router.get("/new", response_class=HTMLResponse)
    def new(request: Request) -> HTMLResponse:
        return _form_page(None, _suggested(request.query_params))

    @router.get("/{price_id}", response_class=HTMLResponse)
    def existing(price_id: str) -> HTMLResponse:
        price = _existing(state.store, price_id)
        return _form_page(price, _filled(price)) if price else not_found("price of this workspace")

    @router.post("", response_model=None)
    async def create(request: Request) -> Response:
        return await run_in_threadpool(_save, state, None, await read_form(request))

    @router.post("/recost", response_model=None)
    async def recost(request: Request) -> Response:
        return await run_in_threadpool(_recost, state, await read_form(request))

    @router.post("/{price_id}", response_model=None)
    async def change(price_id: str, request: Request) -> Response:
        form = await read_form(request)
        price = await run_in_threadpool(_existing, state.store, price_id)
        return await run_in_threadpool(_save, state, price, form) if price else not_found("price of this workspace")

    @router.post("/{price_id}/end", response_model=None)
    def end(price_id: str) -> Response:
        price = _existing(state.store, price_id)
        if price is None:
            return not_found("price of this workspace")
        state.store.prices.end(price.id, state.clock())
        return _back()

    return router


def priced_uses(store: OpsStore, now: datetime) -> list[PricedUse]:
    """The models of the newest runs, with their prices."""
    book = store.prices.book()
    return [PricedUse(use, book.price(use.provider, use.model, now)) for use in model_uses(store.database)]


def per_million(cost: Decimal) -> str:
    """A price for a million tokens, with every digit that it has: `$0.125`, `$2.50`."""
    whole, _, part = f"{cost * _MILLION:,f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"


def _prices_page(state: OpsState, problem: str = "", status: int = 200) -> HTMLResponse:
    now = state.clock()
    uses = priced_uses(state.store, now)
    values = {
        "own": state.store.prices.own(),
        "uses": uses,
        "unpriced": [one for one in uses if one.use.unpriced],
        "newest_runs": NEWEST_RUNS,
        "progress": state.store.recosting.progress,
        "running": state.store.recosting.is_running,
        "problem": problem,
        "now": now,
        "per_million": per_million,
    }
    answer = page("prices.html", values, status=status)
    if values["running"]:
        answer.headers["Refresh"] = str(_WATCH_S)
    return answer


def _form_page(price: Price | None, form: Mapping[str, str], problem: str = "") -> HTMLResponse:
    values = {"price": price, "form": form, "kinds": KINDS, "problem": problem}
    return page("price.html", values, status=422 if problem else 200)


def _save(state: OpsState, price: Price | None, form: Mapping[str, str]) -> Response:
    try:
        fields = _fields(form, price)
        if price is None:
            state.store.prices.create(fields)
        else:
            state.store.prices.replace(price.id, fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return _form_page(price, form, f"{str(first['loc'][0]).replace('_', ' ')}: {first['msg']}.")
    except (ValueError, StoreError) as error:
        return _form_page(price, form, str(error))
    return _back()


def _recost(state: OpsState, form: Mapping[str, str]) -> Response:
    try:
        scope = Scope(model=form.get("model"), since=_moment(form, "since"))
        state.store.recosting.start(scope, apply=form.get("do") == "apply")
    except (ValueError, StoreError) as error:
        return _prices_page(state, str(error), 422)
    return _back()


def _fields(form: Mapping[str, str], price: Price | None) -> PriceFields:
    """The price that the form describes. Raises ValidationError, or ValueError with a sentence."""
    values: dict[str, Any] = {name: form.get(name) for name in ("name", "provider", "match_pattern")}
    for name, kinds in KINDS.items():
        half = name.removesuffix("_details")
        values[half] = _per_token(form, half)
        kept = {kind: cost for kind, cost in getattr(price, name, {}).items() if kind not in kinds}
        asked = {kind: _per_token(form, kind) for kind in kinds}
        values[name] = kept | {kind: cost for kind, cost in asked.items() if cost is not None}
    for name in ("effective_from", "effective_until"):
        values[name] = _moment(form, name)
    values["prompt_tokens_above"] = form.get("prompt_tokens_above")
    return PriceFields.model_validate(values)


def _per_token(form: Mapping[str, str], name: str) -> Decimal | None:
    if name not in form:
        return None
    try:
        return Decimal(form[name].replace(",", "")) / _MILLION
    except ArithmeticError as error:
        raise ValueError(f"“{form[name][:40]}” is not a number of dollars for a million tokens.") from error


def _moment(form: Mapping[str, str], name: str) -> datetime | None:
    if name not in form:
        return None
    try:
        moment = datetime.fromisoformat(form[name])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"“{form[name][:40]}” is not a time such as 2026-01-31T08:30 (UTC).") from error


def _suggested(params: Mapping[str, str]) -> dict[str, str]:
    """A form for a model that was seen in a trace."""
    model = params.get("model", "")[:200]
    pattern = f"^{re.escape(model)}$".replace(r"\-", "-") if model else ""
    return {"name": model, "provider": params.get("provider", "")[:200], "match_pattern": pattern}


def _filled(price: Price) -> dict[str, str]:
    form = {"name": price.name, "provider": price.provider or "", "match_pattern": price.match_pattern}
    for name, kinds in KINDS.items():
        half = name.removesuffix("_details")
        details = getattr(price, name)
        costs = {half: getattr(price, half)} | {kind: details[kind] for kind in kinds if kind in details}
        form |= {kind: f"{cost * _MILLION:f}".rstrip("0").rstrip(".") for kind, cost in costs.items()}
    if price.prompt_tokens_above is not None:
        form["prompt_tokens_above"] = str(price.prompt_tokens_above)
    for name in ("effective_from", "effective_until"):
        moment = getattr(price, name)
        form |= {name: moment.replace(tzinfo=None).isoformat(timespec="seconds")} if moment else {}
    return form


def _existing(store: OpsStore, price_id: str) -> Price | None:
    try:
        return store.prices.get(UUID(price_id))
    except (ValueError, NotFound):
        return None


def _back() -> RedirectResponse:
    return RedirectResponse(PAGE, status_code=303)
