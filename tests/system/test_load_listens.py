"""What the load tests hear of a real server's stream."""

from __future__ import annotations

import httpx

from evals.load.streamed import Heard, ask, ask_patiently

CARRY_OVER = "How many days of unused leave may be carried over?"


async def heard_of(served, question: str) -> Heard:
    async with httpx.AsyncClient(base_url=served.url, timeout=300) as client:
        return await ask_patiently(client, served.key(), question)


async def test_quotes_are_heard_when_they_come_and_figures_at_the_end(served) -> None:
    heard = await heard_of(served, CARRY_OVER)
    assert heard.evidence_s is not None
    assert (heard.figures["status"], heard.error, heard.refusals) == ("answered", "", 0)


async def test_words_are_not_taken_for_quotes(served) -> None:
    heard = await heard_of(served, "Hello!")
    assert heard.words_s is not None
    assert heard.evidence_s is None
    assert heard.figures["status"] == "chatted"


async def test_a_refusal_is_heard_with_its_code(served) -> None:
    async with httpx.AsyncClient(base_url=served.url, timeout=300) as client:
        heard = await ask(client, "no key of anybody", CARRY_OVER)
    assert heard.error == "invalid_api_key"
    assert heard.figures == {}
