"""What a model's work costs."""

from __future__ import annotations

from agents.models.settings import ModelSettings


def cost_usd(settings: ModelSettings, prompt_tokens: int, completion_tokens: int, seconds: float = 0.0) -> float:
    """US dollars for one use of a model; 0 where its price is unknown (see `price_known`), never negative.

    Hosted: configured prices per token, else the known list price. Local and self-hosted: `seconds` of work at the
    configured price per hour.
    """
    per_token = _configured(settings, prompt_tokens, completion_tokens)
    if per_token is None and _has_list_price(settings):
        per_token = _list_price(settings.name, prompt_tokens, completion_tokens)
    if per_token is not None:
        return per_token
    return max(0.0, seconds) * settings.price_per_hour_usd / 3600


def price_known(settings: ModelSettings) -> bool:
    """Whether `cost_usd` says what this model costs; False for a hosted model that is on no price list."""
    if not _has_list_price(settings) or _configured(settings, 0, 0) is not None:
        return True
    return _list_price(settings.name, 1, 1) is not None


def _has_list_price(settings: ModelSettings) -> bool:
    return settings.kind == "hosted" and settings.base_url is None


def _configured(settings: ModelSettings, prompt_tokens: int, completion_tokens: int) -> float | None:
    """By the prices in the settings; None where neither is set."""
    read, written = settings.prompt_usd_per_million, settings.completion_usd_per_million
    if read is None and written is None:
        return None
    tokens_usd = max(0, prompt_tokens) * (read or 0.0) + max(0, completion_tokens) * (written or 0.0)
    return tokens_usd / 1_000_000


def _list_price(name: str, prompt_tokens: int, completion_tokens: int) -> float | None:
    """By the price list that comes with the library: nothing is fetched."""
    from genai_prices import Usage, calc_price

    provider, _, model = name.partition(":")
    usage = Usage(input_tokens=max(0, prompt_tokens), output_tokens=max(0, completion_tokens))
    try:
        return float(calc_price(usage, model, provider_id=provider).total_price)
    except LookupError:
        return None
