"""Which price holds for a model call: the workspace's own before the list's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from app.ops.store.costs.list_prices import ListPrices
from app.ops.store.costs.models import MODEL_KEYS, NAME_CHARS, Price, costs, matcher
from app.ops.store.models import Usage

_MOST_REMEMBERED = 10_000
_UNKNOWN: dict[str, Any] = {
    "prompt_cost": None,
    "completion_cost": None,
    "total_cost": None,
    "prompt_cost_details": {},
    "completion_cost_details": {},
    "price_id": None,
}


def called_model(extra: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The provider and the model that a run called, as its `extra` tells; None where it does not."""
    metadata, params = (_object(extra.get(name)) for name in ("metadata", "invocation_params"))
    names = (metadata.get("ls_model_name"), *(params.get(key) for key in MODEL_KEYS))
    return _text(metadata.get("ls_provider")), next(filter(None, map(_text, names)), None)


def has_derived_costs(usage: Usage) -> bool:
    """Whether the costs follow from prices: they do where the sender of the run said none."""
    return usage.total_cost is None or usage.price_id is not None


class PriceBook:
    """All prices at one moment. It does not change, and may be asked from any thread."""

    def __init__(self, prices: Iterable[Price] = ()) -> None:
        ranked = sorted(prices, key=lambda price: price.rank, reverse=True)
        self._own = [(price, matcher(price.match_pattern)) for price in ranked]
        self._listed = ListPrices()
        self._matching: dict[tuple[str | None, str], list[Price]] = {}

    def cost(self, usage: Usage, provider: str | None, model: str | None, at: datetime) -> Usage:
        """The usage with the model's name, and with costs where its sender said none and there is a price."""
        named = {"provider": _text(provider), "model": _text(model)}
        if not has_derived_costs(usage):
            return usage.model_copy(update=named)
        price = self.price(provider, model, at, usage.prompt_tokens or 0) if model else None
        derived = costs(price, usage) if price else None
        return usage.model_copy(update=named | (derived or _UNKNOWN))

    def price(self, provider: str | None, model: str, at: datetime, prompt_tokens: int = 0) -> Price | None:
        """The price of a call at that time, with a prompt of that size; None where nobody has set one."""
        provider, model = _text(provider), model[:NAME_CHARS]
        for price in self._own_prices(provider, model):
            if price.holds(at, prompt_tokens):
                return price
        return self._listed.price(provider, model, at, prompt_tokens)

    def _own_prices(self, provider: str | None, model: str) -> list[Price]:
        """The workspace's prices for this model, the first to be applied first."""
        key = (provider, model)
        found = self._matching.get(key)
        if found is None:
            found = [price for price, matches in self._own if _sold_by(price, provider) and matches(model)]
            if len(self._matching) >= _MOST_REMEMBERED:  # clients may never stop inventing names
                self._matching = {}
            self._matching[key] = found
        return found


def _sold_by(price: Price, provider: str | None) -> bool:
    return not price.provider or price.provider.lower() == (provider or "").lower()


def _text(value: Any) -> str | None:
    return value[:NAME_CHARS] if isinstance(value, str) and value else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
