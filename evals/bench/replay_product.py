"""Fifty users of the whole product over its HTTP API: questions about the sample documents, at recorded moments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import httpx
from rich.progress import Progress

from evals.bench.figures import Figure, Skipped, Target, quantile
from evals.bench.replay import AT_ONCE, NO_TRACE, USERS
from evals.load.arrivals import Arrival, paced, recorded
from evals.load.replay import replay, saturated_s
from evals.load.served import api_keys, serving
from evals.load.streamed import Heard, ask_patiently
from evals.questions import docs_cases
from evals.setup import ingest_docs, trial_settings

LOAD = 0.8
"""Share of what the product can answer that is offered to it."""
ENVIRONMENT = {"PARLEY_CACHE__ENTRIES": "0"}
"""The questions are few and come again: each is to be answered anew."""


def measure(folder: Path, progress: Progress, *, requests: int = 120, sample: int = 16) -> list[Figure]:
    """Learn how many questions a second the product answers, and offer most of that. Sizes are the product's own."""
    arrivals = recorded(requests, USERS)
    if not arrivals:
        raise Skipped(NO_TRACE)
    settings = trial_settings(folder)
    ingest_docs(settings)
    keys = {f"user-{number}": key for number, key in enumerate(api_keys(settings, USERS))}
    with serving(folder, ENVIRONMENT) as served:
        return asyncio.run(_measure(served.url, keys, arrivals, sample, progress))


async def _measure(
    url: str, keys: dict[str, str], arrivals: Sequence[Arrival], sample: int, progress: Progress
) -> list[Figure]:
    task = progress.add_task(f"{USERS} users of the product", total=len(arrivals))
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=httpx.Limits(), trust_env=False) as client:
        ask = _asking(client, keys)
        each_s = await saturated_s(arrivals[:sample], ask, AT_ONCE) / sample
        offered = paced(arrivals, each_s * len(arrivals) / LOAD)
        heard = await replay(offered, ask, lambda: progress.advance(task))
    return list(_figures(heard, LOAD / each_s))


def _asking(client: httpx.AsyncClient, keys: dict[str, str]) -> Callable[[Arrival], Awaitable[Heard]]:
    questions, numbers = [case.question for case in docs_cases()], count()

    async def ask(arrival: Arrival) -> Heard:
        question = questions[next(numbers) % len(questions)]
        return await ask_patiently(client, keys[arrival.user], question)

    return ask


def _figures(heard: Sequence[Heard], per_s: float) -> Iterator[Figure]:
    crowd = f"{USERS} users of the product, {LOAD:.0%} of capacity"
    errors = [one.error for one in heard if one.error]
    yield Figure(
        f"{crowd}: errors", "", len(errors), target=Target("parley", "≤", 0), note=", ".join(sorted(set(errors)))
    )
    refused = sum(one.refusals > 0 for one in heard)
    yield Figure(f"{crowd}: told to come back, and did", "", refused, note=f"{per_s:.2f} questions/s offered")
    quoted = [one.figures["error"]["code"] for one in heard if one.figures.get("error")]
    yield Figure(f"{crowd}: answered by quotes alone", "", len(quoted), note=", ".join(sorted(set(quoted))))
    evidence = [1000 * one.evidence_s for one in heard if one.evidence_s]
    yield Figure(f"{crowd}: quoted evidence, p95", "ms", quantile(evidence, 0.95), note=f"of {len(evidence)} answers")
    first = [one.figures["first_token_s"] for one in heard if one.figures.get("first_token_s")]
    yield Figure(f"{crowd}: first generated word, p95", "s", quantile(first, 0.95), note=f"of {len(first)} answers")
