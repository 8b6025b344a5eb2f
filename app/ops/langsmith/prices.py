"""Routes of prices: `/model-price-map`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from app.ops.langsmith.request import Store, read_json
from app.ops.store.costs.list_prices import every_list_price
from app.ops.store.costs.models import Price, PriceFields
from app.ops.store.models import Moment

router = APIRouter()

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class PriceBody(PriceFields):
    """A price in LangSmith's words."""

    effective_from: Moment | None = Field(default=None, validation_alias="start_time")


@router.get("/model-price-map")
def list_prices(
    store: Store,
    response: Response,
    offset: Annotated[int, Query(ge=0, le=10**6)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    q: Annotated[str | None, Query(max_length=200)] = None,
    provider: Annotated[list[str] | None, Query(max_length=20)] = None,
    sort_by: Literal["start_time"] | None = None,
    sort_order: Literal["asc", "desc"] = "desc",
) -> list[dict[str, Any]]:
    """The workspace's prices, then the list prices."""
    found = [price for price in (*store.prices.own(), *every_list_price()) if _matches(price, q, provider)]
    if sort_by:
        found = _by_start(found, newest_first=sort_order == "desc")
    response.headers["X-Pagination-Total"] = str(len(found))
    return [price_v1(price, store.workspace.id) for price in found[offset : offset + limit]]


@router.post("/model-price-map")
async def create_price(store: Store, request: Request) -> dict[str, Any]:
    """Set a price."""
    body = await read_json(request, PriceBody)
    return price_v1(await run_in_threadpool(store.prices.create, body), store.workspace.id)


@router.put("/model-price-map/{price_id}")
async def replace_price(store: Store, price_id: UUID, request: Request) -> dict[str, Any]:
    """Change every field of a price; what the body leaves out becomes its default."""
    body = await read_json(request, PriceBody)
    return price_v1(await run_in_threadpool(store.prices.replace, price_id, body), store.workspace.id)


@router.delete("/model-price-map/{price_id}")
def delete_price(store: Store, price_id: UUID) -> dict[str, str]:
    """Forget a price; list prices stay, and so do costs that were worked out."""
    store.prices.delete(price_id)
    return {"message": "deleted"}


def price_v1(price: Price, workspace_id: UUID) -> dict[str, Any]:
    """A price as `/model-price-map` answers it; list prices belong to no tenant."""
    return {
        "id": str(price.id),
        "name": price.name,
        "start_time": _written(price.effective_from),
        "effective_until": _written(price.effective_until),
        "tenant_id": None if price.is_listed else str(workspace_id),
        "match_path": price.match_path,
        "match_pattern": price.match_pattern,
        "prompt_cost": plain(price.prompt_cost),
        "completion_cost": plain(price.completion_cost),
        "prompt_cost_details": {kind: plain(cost) for kind, cost in price.prompt_cost_details.items()},
        "completion_cost_details": {kind: plain(cost) for kind, cost in price.completion_cost_details.items()},
        "prompt_tokens_above": price.prompt_tokens_above,
        "provider": price.provider,
    }


def plain(cost: Decimal) -> str:
    """Every digit and no exponent: `0.00000125`."""
    text = f"{cost:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _matches(price: Price, words: str | None, providers: list[str] | None) -> bool:
    if providers and (price.provider or "").lower() not in {name.lower() for name in providers}:
        return False
    sought = (price.name, price.match_pattern, price.provider or "")
    return not words or any(_folded(words) in _folded(text) for text in sought)


def _folded(text: str) -> str:
    return text.lower().replace("-", " ").replace("\\", "")


def _by_start(prices: list[Price], *, newest_first: bool) -> list[Price]:
    """Prices without a start come last either way."""
    dated = [price for price in prices if price.effective_from]
    dated.sort(key=lambda price: price.effective_from or _EARLIEST, reverse=newest_first)
    return [*dated, *(price for price in prices if not price.effective_from)]


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
