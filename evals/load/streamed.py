"""One question to the product's HTTP API, and what of its answer came when."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

NO_END = "no_end"
"""Stands for an error's code where a stream breaks off without a word."""


@dataclass
class Heard:
    """An answer as it came over the wire."""

    evidence_s: float | None = None
    """From the question to the first quoted passage."""
    words_s: float | None = None
    """From the question to the first words that a model phrased, checked and shown."""
    figures: dict[str, Any] = field(default_factory=dict)
    """The turn's own, which come last; empty where it failed."""
    error: str = ""
    """The code of what came in place of an answer."""
    retry_after_s: float | None = None
    refusals: int = 0
    """Times that it was told to come back later, and did."""


async def ask_patiently(client: httpx.AsyncClient, key: str, question: str) -> Heard:
    """Ask, and where the answer is to come back later, ask again then."""
    refusals = 0
    while (heard := await ask(client, key, question)).retry_after_s:
        refusals += 1
        await asyncio.sleep(heard.retry_after_s or 0)
    return replace(heard, refusals=refusals)


async def ask(client: httpx.AsyncClient, key: str, question: str, *, thread_id: str | None = None) -> Heard:
    """Ask and listen to the end. A caller that is cancelled hangs up."""
    body = {"messages": [{"role": "user", "content": question}], "stream": True, "thread_id": thread_id}
    began, heard = time.perf_counter(), Heard()
    headers = {"Authorization": f"Bearer {key}"}
    async with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        if answer.status_code != 200:
            return _refused(answer, json.loads(await answer.aread()))
        async for event in _events(answer):
            _hear(heard, event, time.perf_counter() - began)
    if not heard.figures:
        heard.error = heard.error or NO_END
    return heard


def _refused(answer: httpx.Response, body: dict[str, Any]) -> Heard:
    wait = answer.headers.get("Retry-After")
    return Heard(error=body["error"]["code"], retry_after_s=float(wait) if wait else None)


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def _hear(heard: Heard, event: dict[str, Any], now_s: float) -> None:
    """Note what one event adds."""
    if "error" in event:
        heard.error = event["error"]["code"]
        return
    about = event.get("parley", {})
    if "run_id" in about:
        heard.figures = about
    elif event["choices"] and event["choices"][0]["delta"].get("content"):
        if "citations" in about:
            heard.evidence_s = heard.evidence_s or now_s
        else:
            heard.words_s = heard.words_s or now_s
