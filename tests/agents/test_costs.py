"""A use of a model has a price: listed, configured, or by the hour; never a crash, never negative."""

from __future__ import annotations

import pytest

from agents.costs import cost_usd, price_known
from agents.models import ModelSettings

MILLION = 1_000_000


@pytest.mark.parametrize("name", ["openai:gpt-4o-mini", "anthropic:claude-3-5-haiku-latest"])
def test_a_hosted_model_costs_its_list_price(name: str) -> None:
    settings = ModelSettings(name=name)
    read, written = cost_usd(settings, MILLION, 0), cost_usd(settings, 0, MILLION)
    assert 0 < read < written
    assert cost_usd(settings, MILLION, MILLION) == pytest.approx(read + written)
    assert price_known(settings)


def test_the_list_price_is_the_published_one() -> None:
    assert cost_usd(ModelSettings(name="openai:gpt-4o-mini"), MILLION, MILLION) == pytest.approx(0.15 + 0.60)


def test_configured_prices_come_first() -> None:
    settings = ModelSettings(name="openai:gpt-4o-mini", prompt_usd_per_million=2, completion_usd_per_million=8)
    assert cost_usd(settings, 500_000, 250_000, 3600) == pytest.approx(1 + 2)
    unlisted = ModelSettings(name="openai:in-house", completion_usd_per_million=8)
    assert cost_usd(unlisted, MILLION, MILLION) == pytest.approx(8)
    assert price_known(unlisted)


def test_a_local_model_costs_its_time() -> None:
    settings = ModelSettings(price_per_hour_usd=0.36)
    assert cost_usd(settings, 10, 10, 5.0) == pytest.approx(0.0005)
    assert cost_usd(ModelSettings(), MILLION, MILLION, 5.0) == 0
    assert price_known(settings)


def test_a_self_hosted_model_is_not_billed_at_its_namesakes_list_price() -> None:
    settings = ModelSettings(name="openai:gpt-4o-mini", base_url="http://127.0.0.1:1/v1", price_per_hour_usd=3600)
    assert cost_usd(settings, MILLION, MILLION, 2.0) == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["openai:no-such-model-x", "nobody:anything", "openai:"])
def test_an_unlisted_model_costs_nothing_that_we_know(name: str) -> None:
    settings = ModelSettings(name=name)
    assert cost_usd(settings, MILLION, MILLION, 10.0) == 0
    assert not price_known(settings)


def test_odd_figures_are_never_negative() -> None:
    for settings in (ModelSettings(name="openai:gpt-4o-mini"), ModelSettings(price_per_hour_usd=1)):
        assert cost_usd(settings, -5, -5, -5.0) == 0
