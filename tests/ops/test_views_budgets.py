"""The page of budgets: what it shows, in which order, and that names are no code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
from fastapi import FastAPI
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from app.ops.budgets import Spending
from app.ops.store import OpsStore
from app.ops.views import Check, OpsState, build_ops

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


async def shown(tmp_path: Path, *budgets: Spending) -> HTMLParser:
    async def checks() -> list[Check]:
        return []

    store = OpsStore.open(tmp_path / "ops")
    app = FastAPI()
    app.include_router(build_ops(OpsState(store, {}, checks, clock=lambda: NOW, budgets=lambda: budgets)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ops") as client:
        answer = await client.get("/ops/budgets")
    store.close()
    assert answer.status_code == 200, answer.text
    return HTMLParser(answer.text)


def rows(html: HTMLParser) -> list[str]:
    return [" ".join(row.text(separator=" ").split()) for row in html.css("tbody tr")]


def team(name: str, usd: float) -> Spending:
    return Spending("team", name, "month", NOW, usd=usd, usd_limit=10.0, tokens=0, tokens_limit=None)


async def test_budgets_stand_under_their_kind_and_the_one_nearest_to_its_end_first(tmp_path: Path) -> None:
    user = Spending("user", "c0ffee" * 10, "day", NOW, usd=0.0, usd_limit=None, tokens=50, tokens_limit=1000)
    html = await shown(tmp_path, team("calm", 1.0), user, team("busy", 9.0))
    assert [heading.text() for heading in html.css("h2")] == ["Teams", "Users"]
    first, second, third = rows(html)
    assert first.startswith("busy 90")
    assert "$9.00 of $10.00" in first
    assert second.startswith("calm 10")
    assert "50 of 1,000" in third
    assert "c0ffee" * 10 not in html.html


async def test_names_of_teams_are_no_code(tmp_path: Path) -> None:
    html = await shown(tmp_path, team("<script>alert(1)</script>", 1.0))
    assert "<script>alert(1)" not in html.html
    assert rows(html)[0].startswith("<script>alert(1)</script>")


async def test_without_budgets_the_page_says_how_to_set_one(tmp_path: Path) -> None:
    assert "[budgets]" in (await shown(tmp_path)).css_first(".empty").text()
