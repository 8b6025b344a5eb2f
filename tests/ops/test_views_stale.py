"""The pages of answers whose sources have changed: what they list, in which order, and what they lead to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from app.ops.stale import NothingStale, StaleAnswer, StaleDocument, Staleness
from app.ops.store import OpsStore
from app.ops.views import Check, OpsState, build_ops

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
Browse = Callable[[Staleness], AbstractAsyncContextManager[httpx.AsyncClient]]


@dataclass
class Known:
    """Documents and answers that a test says have changed."""

    stale: list[tuple[StaleDocument, list[StaleAnswer]]] = field(default_factory=list)

    def document_count(self) -> int:
        return len(self.stale)

    def documents(self, *, limit: int, offset: int) -> Sequence[StaleDocument]:
        return [document for document, _ in self.stale[offset : offset + limit]]

    def document(self, document_id: str) -> StaleDocument | None:
        return next((document for document, _ in self.stale if document.id == document_id), None)

    def answers(self, document_id: str, *, limit: int, offset: int) -> Sequence[StaleAnswer]:
        return next(answers for document, answers in self.stale if document.id == document_id)[offset : offset + limit]


def changed(name: str, answers: int = 1, *, gone: bool = False) -> tuple[StaleDocument, list[StaleAnswer]]:
    asked = [
        StaleAnswer(f"turn-{n}", f"th/{n}", f"Question {n}?", NOW - timedelta(minutes=n), release=1)
        for n in range(answers)
    ]
    return StaleDocument(id=f"{name}-id", name=name, gone=gone, since=7, answers=answers), asked


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """The pages over what is known."""

    async def checks() -> list[Check]:
        return []

    @asynccontextmanager
    async def opened(stale: Staleness) -> AsyncIterator[httpx.AsyncClient]:
        store = OpsStore.open(tmp_path / "ops")
        app = FastAPI()
        app.include_router(build_ops(OpsState(store, {}, checks, clock=lambda: NOW, stale=stale)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ops") as client:
            yield client
        store.close()

    return opened


async def seen(client: httpx.AsyncClient, path: str, status: int = 200) -> HTMLParser:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return HTMLParser(answer.text)


def rows(html: HTMLParser) -> list[str]:
    return [" ".join(row.text(separator=" ").split()) for row in html.css("tbody tr")]


def links(html: HTMLParser, within: str) -> list[str | None]:
    return [link.attributes.get("href") for link in html.css(f"{within} a")]


async def test_documents_are_listed_with_how_many_answers_rest_on_them(browse: Browse) -> None:
    async with browse(Known([changed("leave.pdf", 1200), changed("old.md", 2, gone=True)])) as client:
        html = await seen(client, "/ops/stale")
    assert rows(html) == ["leave.pdf changed 7 1,200", "old.md removed 7 2"]
    assert links(html, "tbody") == ["/ops/stale/leave.pdf-id", "/ops/stale/old.md-id"]
    here = html.css_first('nav [aria-current="page"]')
    assert here is not None
    assert here.attributes.get("href") == "/ops/stale"


async def test_a_document_shows_its_answers_and_leads_to_their_turns_and_threads(browse: Browse) -> None:
    async with browse(Known([changed("leave.pdf", 2)])) as client:
        html = await seen(client, "/ops/stale/leave.pdf-id")
    assert [row.split("?")[0] for row in rows(html)] == ["Question 0", "Question 1"]
    assert links(html, "tbody tr:first-child") == ["/ops/turns/turn-0", "/ops/threads/th%2F0"]
    assert html.css("time")[0].attributes.get("datetime") == NOW.isoformat()
    assert "Changed in release 7; 2 answers on the earlier text." in html.text()


async def test_long_lists_are_paged(browse: Browse) -> None:
    async with browse(Known([changed("leave.pdf", 51), *(changed(f"{n}.md") for n in range(50))])) as client:
        for path in ("/ops/stale", "/ops/stale/leave.pdf-id"):
            first, second = await seen(client, path), await seen(client, f"{path}?page=2")
            assert (len(rows(first)), len(rows(second))) == (50, 1)
            assert links(first, ".pages") == [f"{path}?page=2"]
            assert links(second, ".pages") == [path]
            for nonsense in ("0", "-1", "x", "9" * 30):
                assert len(rows(await seen(client, f"{path}?page={nonsense}"))) == 50
            assert "The list ends before this page" in (await seen(client, f"{path}?page=9")).text()


async def test_without_changes_the_page_says_what_would_stand_here(browse: Browse) -> None:
    for nothing in (Known(), NothingStale()):
        async with browse(nothing) as client:
            html = await seen(client, "/ops/stale")
            assert "Every answer rests on what the documents say now" in html.text()
            assert "no changed document of this id" in (await seen(client, "/ops/stale/unknown", 404)).text()


async def test_names_and_questions_are_no_code(browse: Browse) -> None:
    document = StaleDocument('"><b>', HOSTILE, gone=False, since=2, answers=1)
    async with browse(Known([(document, [StaleAnswer(HOSTILE, HOSTILE, HOSTILE, NOW, 1)])])) as client:
        listing = await client.get("/ops/stale")
        (address,) = links(HTMLParser(listing.text), "tbody")
        one = await client.get(address or "")
    for answer in (listing, one):
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
