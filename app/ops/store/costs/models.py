"""Prices of models: what a client may say of one, and what a call costs by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import SchemaError, SchemaValidator, core_schema

from app.ops.store.costs.usage import LARGEST_USD, usd
from app.ops.store.models import CleanText, Moment, Name, Usage

MODEL_KEYS = ("model", "model_name", "model_id", "model_path", "endpoint_name")
"""Where the `invocation_params` of a run may name its model."""
NAME_CHARS = 200
"""Of a provider's or a model's name, that much counts."""

_ALWAYS = datetime.min.replace(tzinfo=UTC)
# What a kind of token costs where its own price is not known.
_LIKE = {
    "cache_read_over_200k": "cache_read",
    "flex_cache_read": "cache_read",
    "priority_cache_read": "cache_read",
    "ephemeral_5m_input_tokens": "cache_creation",
    "ephemeral_1h_input_tokens": "cache_creation",
}


def matcher(pattern: str) -> Callable[[Any], bool]:
    """Whether a text holds the pattern, in linear time: patterns come from clients. Raises ValueError."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")).isinstance_python
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].removeprefix("error: ")
        raise ValueError(f"is not a pattern that can be matched: {reason}") from error


def _matchable(pattern: str) -> str:
    matcher(pattern)
    return pattern


def _known_keys(keys: list[str]) -> list[str]:
    if not keys or not set(keys) <= set(MODEL_KEYS):
        raise ValueError(f"can name only {', '.join(MODEL_KEYS)}")
    return keys


UsdPerToken = Annotated[Decimal, Field(ge=0, le=Decimal("0.01"), allow_inf_nan=False), AfterValidator(usd)]
Kind = Annotated[CleanText, Field(min_length=1, max_length=100)]
PerKind = Annotated[dict[Kind, UsdPerToken], Field(max_length=50), BeforeValidator(lambda kinds: kinds or {})]


class PriceFields(BaseModel):
    """What a model's tokens cost, in US dollars for one token, and which calls that holds for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Name
    match_pattern: Annotated[CleanText, Field(min_length=1, max_length=1000), AfterValidator(_matchable)]
    """A regular expression that is searched in the model's name."""
    match_path: Annotated[list[str], AfterValidator(_known_keys)] = list(MODEL_KEYS)
    provider: Annotated[CleanText, Field(max_length=NAME_CHARS)] | None = None
    """`ls_provider` of the calls, in any case; None for any."""
    prompt_cost: UsdPerToken
    completion_cost: UsdPerToken
    prompt_cost_details: PerKind = Field(default_factory=dict)
    """Prices of kinds of tokens, such as "cache_read"; all other tokens cost `prompt_cost`."""
    completion_cost_details: PerKind = Field(default_factory=dict)
    prompt_tokens_above: Annotated[int, Field(ge=0, lt=2**40)] | None = None
    """It holds for calls with more prompt tokens than this."""
    effective_from: Moment | None = None
    """It holds for calls that start then or later."""
    effective_until: Moment | None = None
    """It holds for calls that start before."""


class Price(PriceFields):
    """A price that the workspace has set, or a list price."""

    id: UUID
    created_at: Moment = _ALWAYS
    is_listed: bool = False
    """Whether it is a list price, which the workspace cannot change."""

    def holds(self, at: datetime, prompt_tokens: int) -> bool:
        """Whether it is the price of a call at that time and of that size."""
        return (
            (self.effective_from is None or self.effective_from <= at)
            and (self.effective_until is None or at < self.effective_until)
            and (self.prompt_tokens_above is None or self.prompt_tokens_above < prompt_tokens)
        )

    @property
    def rank(self) -> tuple[Any, ...]:
        """Of the prices that hold, the one of the highest rank is applied: the latest, then the narrowest."""
        size = -1 if self.prompt_tokens_above is None else self.prompt_tokens_above
        return (self.effective_from or _ALWAYS, self.provider is not None, size, self.created_at, self.id)


def costs(price: Price, usage: Usage) -> dict[str, Any] | None:
    """What the tokens cost by this price, as fields of `Usage`; None where the tokens do not tell."""
    prompt, prompt_details = _half(
        usage.prompt_tokens, usage.prompt_token_details, price.prompt_cost, price.prompt_cost_details
    )
    completion, completion_details = _half(
        usage.completion_tokens, usage.completion_token_details, price.completion_cost, price.completion_cost_details
    )
    halves = [half for half in (prompt, completion) if half is not None]
    if not halves or sum(halves) > LARGEST_USD:
        return None
    return {
        "prompt_cost": prompt,
        "completion_cost": completion,
        "total_cost": sum(halves),
        "prompt_cost_details": prompt_details,
        "completion_cost_details": completion_details,
        "price_id": price.id,
    }


def _half(
    tokens: int | None, kinds: Mapping[str, int], price: Decimal, prices: Mapping[str, Decimal]
) -> tuple[Decimal | None, dict[str, Decimal]]:
    """The cost of the prompt or the completion, and of the kinds of tokens in it that have a price of their own."""
    if tokens is None:
        return None, {}
    rest, by_kind = tokens, {}
    for kind in sorted(kinds):
        each = prices.get(kind, prices.get(_LIKE.get(kind, "")))
        if each is not None:
            counted = min(kinds[kind], rest)  # each token once, whatever the kinds add up to
            rest -= counted
            by_kind[kind] = counted * each
    total = sum(by_kind.values(), rest * price)
    return usd(total), {kind: usd(cost) for kind, cost in by_kind.items()}
