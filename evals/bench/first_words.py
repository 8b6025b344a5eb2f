"""One user of the whole product on the sample documents: when the quotes are on the stream, and when the words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
from rich.progress import Progress

from evals.bench.figures import Figure, Target, median, quantile
from evals.load.served import api_keys, serving
from evals.load.streamed import Heard, ask
from evals.questions import docs_cases
from evals.setup import ingest_docs, trial_settings


def measure(folder: Path, progress: Progress, *, questions: int = 20) -> list[Figure]:
    """Different questions, one after the other, over the HTTP API; only those that a model went on to answer count."""
    settings = trial_settings(folder)
    ingest_docs(settings)
    [key] = api_keys(settings, 1)
    asked = [case.question for case in docs_cases() if case.answers][:questions]
    with serving(folder, {}) as served:
        heard = asyncio.run(_ask_all(served.url, key, asked, progress))
    return _figures([one for one in heard if one.evidence_s and one.figures.get("first_token_s")])


async def _ask_all(url: str, key: str, questions: Sequence[str], progress: Progress) -> list[Heard]:
    async with httpx.AsyncClient(base_url=url, timeout=600, trust_env=False) as client:
        await ask(client, key, "Where does everything lie that is written?")  # the first turn of a server fills caches
        return [await ask(client, key, question) for question in progress.track(questions, description="one user")]


def _figures(heard: Sequence[Heard]) -> list[Figure]:
    evidence_ms = [1000 * (one.evidence_s or 0) for one in heard]
    token_s = [one.figures["first_token_s"] for one in heard]
    shown_s = [one.words_s for one in heard if one.words_s]
    early = [1000 * token > quotes for token, quotes in zip(token_s, evidence_ms, strict=True)]
    rows = [
        Figure(
            "quoted evidence on the stream, p95", "ms", quantile(evidence_ms, 0.95), target=Target("parley", "≤", 500)
        ),
        Figure(
            "answers quoted before the model's first word",
            "%",
            100 * sum(early) / len(early),
            target=Target("parley", "≥", 100),
        ),
        Figure("first generated word, p50", "s", median(token_s), target=Target("parley", "≤", 3)),
    ]
    if shown_s:
        note = f"{len(shown_s)} of {len(heard)} answers had a sentence that the passages support"
        rows.append(Figure("first generated sentence, checked and shown, p50", "s", median(shown_s), note=note))
    return rows
