"""A model that is left alone is seen by operators, and does not make Parley unready."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from agents.models.scripted import ScriptedChat
from agents.turn import Attempt, TurnResult
from app.api.health import health_router
from app.bootstrap import Parley, build_parley
from app.settings import Settings
from retrieval.embedding import HashingEmbedder


@pytest.fixture
def parley(tmp_path: Path) -> Iterator[Parley]:
    """Ready, with a release that holds nothing."""
    settings = Settings(data_dir=tmp_path / "data", models={"large": {"name": "scripted", "breaker_failures": 1}})
    parley = build_parley(settings, model=ScriptedChat(), embedder=HashingEmbedder())
    with parley.corpus.draft() as draft:
        draft.publish()
    parley.warm.set()
    yield parley
    parley._close_blocking()


@pytest_asyncio.fixture
async def http(parley: Parley) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(health_router(parley))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_an_open_circuit_is_shown_and_leaves_parley_ready(parley: Parley, http: httpx.AsyncClient) -> None:
    assert not any("circuit" in name for name in (await http.get("/readyz")).json()["checks"])
    parley.models.breaker("large").failed()
    ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    check = ready.json()["checks"]["circuit of model large"]
    assert check["ok"] is False
    assert check["detail"].startswith("fails; left alone for ")
    metrics = (await http.get("/metrics")).text
    assert 'parley_model_circuit_open{model="large"} 1.0' in metrics
    assert 'parley_model_circuit_open{model="default"} 0.0' in metrics


async def test_attempts_are_counted_by_model_and_outcome(parley: Parley, http: httpx.AsyncClient) -> None:
    attempts = [Attempt(model="large", outcome="model_busy"), Attempt(model="small", outcome="answered")]
    result = TurnResult(turn_id=uuid4(), thread_id="t", status="answered", question="Q?", text="A.", attempts=attempts)
    parley.metrics.observe(result)
    parley.metrics.observe(result)
    metrics = (await http.get("/metrics")).text
    assert 'parley_model_attempts_total{model="large",outcome="model_busy"} 2.0' in metrics
    assert 'parley_model_attempts_total{model="small",outcome="answered"} 2.0' in metrics
