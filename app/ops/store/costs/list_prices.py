"""The list prices of providers, from the table that comes with `genai-prices`: nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from app.ops.store.costs.models import Price

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider

_PROMPT_KINDS = {
    "cache_read": "cache_read_mtok",
    "cache_creation": "cache_write_mtok",
    "ephemeral_5m_input_tokens": "cache_write_5m_mtok",
    "ephemeral_1h_input_tokens": "cache_write_1h_mtok",
    "audio": "input_audio_mtok",
    "image": "input_image_mtok",
    "video": "input_video_mtok",
}
_COMPLETION_KINDS = {
    "reasoning": "output_reasoning_mtok",
    "audio": "output_audio_mtok",
    "image": "output_image_mtok",
    "video": "output_video_mtok",
}
_SERVICE_TIERS = ("flex", "priority")
_MTOK = 1_000_000
_IDS = UUID("0b1b7a52-6d4e-4f5e-9b57-5b1f7c1c9a3e")
_MOST_REMEMBERED = 10_000


class ListPrices:
    """Finds list prices by provider and model."""

    def __init__(self) -> None:
        self._catalog: DataSnapshot | None = None
        self._models: dict[tuple[str | None, str], tuple[Provider, ModelInfo] | None] = {}
        self._prices: dict[int, list[Price]] = {}

    def price(self, provider: str | None, model: str, at: datetime, prompt_tokens: int) -> Price | None:
        """The list price of such a call; None where there is none."""
        key = (provider, model)
        if key not in self._models:
            self._remember(key)
        found = self._models.get(key)
        if found is None:
            return None
        rates = found[1].get_prices(at)
        prices = self._prices.get(id(rates))  # which live as long as the table does
        if prices is None:
            prices = self._prices[id(rates)] = list(_by_size(*found, rates))
        return next((price for price in prices if (price.prompt_tokens_above or -1) < prompt_tokens), None)

    def _remember(self, key: tuple[str | None, str]) -> None:
        if self._catalog is None or len(self._models) >= _MOST_REMEMBERED:
            self._models = {}
            self._catalog = _catalog()  # a new one, for it remembers every name that it was ever asked for
        provider, model = key
        try:
            self._models[key] = self._catalog.find_provider_model(model, None, provider, None)
        except LookupError:
            self._models[key] = None


@cache
def every_list_price() -> list[Price]:
    """The whole table, by provider and model; prices that change with the hour are left out."""
    return [
        price
        for provider in _catalog().providers
        for model in provider.models
        for rates, constraint in _conditional(model)
        if constraint is None or hasattr(constraint, "start_date")
        for price in _by_size(provider, model, rates)
    ]


def _catalog() -> DataSnapshot:
    # Imported late: the table takes a quarter of a second and 24 MB, which a store without models need not pay.
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)


def _conditional(model: ModelInfo) -> list[tuple[ModelPrice, Any]]:
    if not isinstance(model.prices, list):
        return [(model.prices, None)]
    return [(one.prices, one.constraint) for one in model.prices]


def _start(model: ModelInfo, rates: ModelPrice) -> datetime | None:
    starts = (getattr(constraint, "start_date", None) for one, constraint in _conditional(model) if one is rates)
    day = next(starts, None)
    return datetime.combine(day, time(), UTC) if day else None


def _by_size(provider: Provider, model: ModelInfo, rates: ModelPrice) -> Iterator[Price]:
    """A price for each size of prompt, the largest first; none where tokens of the prompt have no price."""
    starts = {tier.start for value in vars(rates).values() for tier in getattr(value, "tiers", ())}
    for above in (*sorted(starts, reverse=True), None):
        prompt_cost = _per_token(rates.input_mtok, above)
        if prompt_cost is not None:
            yield _price(provider, model, rates, above, prompt_cost)


def _price(provider: Provider, model: ModelInfo, rates: ModelPrice, above: int | None, prompt_cost: Decimal) -> Price:
    prompt = _per_kind(rates, _PROMPT_KINDS, above)
    completion = _per_kind(rates, _COMPLETION_KINDS, above)
    for tier in _SERVICE_TIERS:
        special = _of_service_tier(model, tier)
        prompt |= _per_kind(special, {tier: "input_mtok", f"{tier}_cache_read": "cache_read_mtok"}, above)
        completion |= _per_kind(special, {tier: "output_mtok", f"{tier}_reasoning": "output_mtok"}, above)
    start = _start(model, rates)
    return Price.model_construct(
        id=uuid5(_IDS, f"{provider.id}/{model.id}/{start}/{above}/{rates!r}"),
        name=model.id,
        provider=provider.id,
        match_pattern=_pattern(model.match),
        prompt_cost=prompt_cost,
        completion_cost=_per_token(rates.output_mtok, above) or Decimal(0),  # embeddings write nothing
        prompt_cost_details=prompt,
        completion_cost_details=completion,
        prompt_tokens_above=above,
        effective_from=start,
        is_listed=True,
    )


def _of_service_tier(model: ModelInfo, tier: str) -> Any:
    variants = model.price_variants or ()
    wanted = {"service_tier": tier}
    return next((one.prices for one in variants if one.when == wanted), None)


def _per_kind(rates: Any, kinds: dict[str, str], above: int | None) -> dict[str, Decimal]:
    prices = {kind: _per_token(getattr(rates, name, None), above) for kind, name in kinds.items()}
    return {kind: price for kind, price in prices.items() if price is not None}


def _per_token(rate: Any, above: int | None) -> Decimal | None:
    """One token's price, where prompts are longer than `above`."""
    if rate is None or isinstance(rate, Decimal):
        return None if rate is None else rate / _MTOK
    reached = [tier.price for tier in rate.tiers if above is not None and tier.start <= above]
    return Decimal((reached or [rate.base])[-1]) / _MTOK


def _pattern(match: Any) -> str:
    """About how the table matches names, as a regular expression that people can read."""
    if hasattr(match, "or_"):
        return "|".join(map(_pattern, match.or_))
    if hasattr(match, "and_"):
        return _pattern(match.and_[0])
    if hasattr(match, "regex"):
        return str(match.regex)
    for kind, before, after in (
        ("equals", "^", "$"),
        ("starts_with", "^", ""),
        ("ends_with", "", "$"),
        ("contains", "", ""),
    ):
        if hasattr(match, kind):
            return before + re.escape(getattr(match, kind)) + after
    raise TypeError(f"The price table matches names in a new way: {match!r}.")
