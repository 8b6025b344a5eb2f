"""The page of prices over a real store: what it lists, what its forms change, and what they refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import TypeAdapter
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from app.ops.store import Ingest, OpsStore
from app.ops.store.costs.models import PriceFields
from app.ops.store.models import RunFields
from app.ops.views.prices import build_prices
from app.ops.views.state import Check, OpsState

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
FORM = {"name": "house", "match_pattern": "^house$", "prompt_cost": "1.25", "completion_cost": "10"}
RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


async def no_checks() -> list[Check]:
    return []


@pytest_asyncio.fixture
async def ops(store: OpsStore) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(build_prices(OpsState(store=store, experiments={}, checks=no_checks, clock=lambda: NOW)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ops") as client:
        yield client


def record(store: OpsStore, model: str, provider: str = "local", **reported: Any) -> None:
    usage = {"input_tokens": 1_000_000, "output_tokens": 1000, "total_tokens": 1_001_000} | reported
    metadata = {"ls_provider": provider, "ls_model_name": model, "usage_metadata": usage}
    run = {"id": uuid4(), "name": "call", "run_type": "llm", "start_time": NOW, "extra": {"metadata": metadata}}
    store.ingest(Ingest(posts=[RUN.validate_python(run)]))


def text_of(answer: httpx.Response, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    body = HTMLParser(answer.text).body
    assert body is not None
    return " ".join(body.text(separator=" ").split())


async def test_an_empty_store_says_what_is_in_force(ops: httpx.AsyncClient) -> None:
    seen = text_of(await ops.get("/ops/prices"))
    assert "list prices are in force" in seen
    assert "No run of a named model yet" in seen
    assert "Without a price" not in seen


async def test_models_are_listed_with_what_they_cost_and_where_that_comes_from(
    store: OpsStore, ops: httpx.AsyncClient
) -> None:
    record(store, "smollm2")
    record(store, "gpt-4o", "openai")
    seen = text_of(await ops.get("/ops/prices"))
    assert "smollm2 local 1 1,000,000 1,000 Set a price" in seen
    assert "gpt-4o openai 1 1,001,000 $2.51 $2.50 cache read $1.25" in seen
    assert "list price of openai" in seen
    assert "smollm2 local 1 1,001,000 unknown – – none" in seen


async def test_a_price_is_set_for_a_model_that_has_none_and_its_costs_are_worked_out_again(
    store: OpsStore, ops: httpx.AsyncClient
) -> None:
    record(store, "house (v1)")
    page = HTMLParser((await ops.get("/ops/prices")).text)
    link = page.css_first("a[href*='/prices/new?']").attributes["href"]
    form = HTMLParser((await ops.get(link or "")).text)
    fields = {one.attributes["name"]: one.attributes["value"] or "" for one in form.css("form input")}
    answer = await ops.post("/ops/prices", data=fields | {"prompt_cost": "2", "completion_cost": "1,000"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/ops/prices")
    (made,) = store.prices.own()
    assert (made.provider, made.prompt_cost) == ("local", Decimal("0.000002"))
    assert "has a price now" in text_of(await ops.get("/ops/prices"))

    await ops.post("/ops/prices/recost", data={"model": "house (v1)", "since": "2026-03-01T00:00", "do": "look"})
    store.recosting.wait()
    assert "1 run would change: $0.00 would become $3.00" in text_of(await ops.get("/ops/prices"))
    page = HTMLParser((await ops.get("/ops/prices")).text)
    apply = page.css_first("form:has(button[value=apply])")
    hidden = {one.attributes["name"]: one.attributes["value"] or "" for one in apply.css("input")}
    await ops.post("/ops/prices/recost", data=hidden | {"do": "apply"})
    store.recosting.wait()
    seen = text_of(await ops.get("/ops/prices"))
    assert "1 run changed: $0.00 became $3.00" in seen
    assert "Without a price" not in seen


async def test_a_price_is_changed_and_keeps_what_the_form_does_not_ask(store: OpsStore, ops: httpx.AsyncClient) -> None:
    details = {"cache_read": "0.0000001", "audio": "0.00004"}
    fields = {"name": "house", "match_pattern": "^house$", "prompt_cost": "0.000001", "completion_cost": 0}
    start = NOW + timedelta(seconds=1)
    made = store.prices.create(
        PriceFields.model_validate(fields | {"prompt_cost_details": details, "effective_from": start})
    )
    form = HTMLParser((await ops.get(f"/ops/prices/{made.id}")).text)
    shown = {one.attributes["name"]: one.attributes["value"] or "" for one in form.css("form input")}
    assert (shown["prompt_cost"], shown["completion_cost"], shown["cache_read"]) == ("1", "0", "0.1")
    await ops.post(f"/ops/prices/{made.id}", data=shown | {"prompt_cost": "3", "cache_read": ""})
    changed = store.prices.get(made.id)
    assert (changed.prompt_cost, changed.effective_from) == (Decimal("0.000003"), start)
    assert changed.prompt_cost_details == {"audio": Decimal("0.00004")}
    await ops.post(f"/ops/prices/{made.id}/end")
    assert store.prices.get(made.id).effective_until == NOW
    assert "ended" in text_of(await ops.get("/ops/prices"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"match_pattern": "("},
        {"prompt_cost": "much"},
        {"prompt_cost": "-1"},
        {"prompt_cost": "1e999999999999"},
        {"completion_cost": "NaN"},
        {"effective_from": "soon"},
        {"effective_from": "0001-01-01T00:00+14:00"},
        {"prompt_tokens_above": "-5"},
        {"cache_read": HOSTILE},
    ],
    ids=str,
)
async def test_a_form_that_makes_no_sense_is_shown_again_with_what_is_wrong(
    store: OpsStore, ops: httpx.AsyncClient, wrong: dict[str, str]
) -> None:
    answer = await ops.post("/ops/prices", data=FORM | wrong)
    assert answer.status_code == 422
    problem = HTMLParser(answer.text).css_first("[role=alert]")
    assert problem.text().strip().endswith(".")
    assert "<script>alert" not in answer.text
    assert store.prices.own() == []


async def test_the_same_price_twice_is_refused(ops: httpx.AsyncClient) -> None:
    assert (await ops.post("/ops/prices", data=FORM)).status_code == 303
    assert "already" in text_of(await ops.post("/ops/prices", data=FORM), 422)


async def test_what_does_not_exist_is_not_found(ops: httpx.AsyncClient) -> None:
    for path in (f"/ops/prices/{uuid4()}", "/ops/prices/house"):
        text_of(await ops.get(path), 404)
        text_of(await ops.post(path, data=FORM), 404)
        text_of(await ops.post(f"{path}/end"), 404)


async def test_a_form_larger_than_any_page_sends_is_refused(ops: httpx.AsyncClient) -> None:
    assert (await ops.post("/ops/prices", data=FORM | {"name": "x" * 100_000})).status_code == 413
    assert (await ops.post("/ops/prices", content=b"&".join([b"a=1"] * 5000))).status_code == 400
    assert (await ops.post("/ops/prices", content=b"name=\xff\xfe")).status_code == 400


async def test_nothing_in_a_name_is_code(store: OpsStore, ops: httpx.AsyncClient) -> None:
    record(store, HOSTILE, HOSTILE)
    await ops.post("/ops/prices", data=FORM | {"name": HOSTILE, "provider": HOSTILE})
    (made,) = store.prices.own()
    for path in ("/ops/prices", f"/ops/prices/{made.id}", f"/ops/prices/new?model={HOSTILE}"):
        answer = await ops.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
