"""Memory and start of the real server, beside a process that holds the three raw engines and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from rich.progress import Progress

from evals.bench.figures import Figure
from evals.load.served import api_keys, running, serving, wait_until
from evals.questions import docs_cases
from evals.setup import ingest_docs, trial_settings

PATIENT = {
    "PARLEY_MODEL__MAX_TOKENS": "48",
    "PARLEY_MODEL__TIMEOUT_S": "600",
    "PARLEY_MODEL__FIRST_TOKEN_TIMEOUT_S": "600",
    "PARLEY_TURN__TIMEOUT_S": "600",
}
"""Turns wait for each other here, and the machine may be slow: none is to be cut off."""
AGAINST = "encoder, llama.cpp and Edge alone"


def measure(folder: Path, progress: Progress, *, turns: int = 8) -> list[Figure]:
    """Start the server twice, since the first start compiles and fills caches; measure the second."""
    settings = trial_settings(folder)
    ingest_docs(settings)
    [key] = api_keys(settings, 1)
    task = progress.add_task("memory", total=4)
    with serving(folder, PATIENT):
        progress.advance(task)
    with _engines(folder) as (process, raw_start_s):
        raw_mib = _rss_mib(process)
        progress.advance(task)
    with serving(folder, PATIENT) as served:
        rest_mib = _rss_mib(served.process)
        progress.advance(task)
        peak_mib = _peak_mib(served.process, lambda: _ask_at_once(served.url, key, turns))
        progress.advance(task)
    return [
        Figure("resident memory at rest", "MiB", rest_mib, raw_mib, AGAINST),
        Figure(f"resident memory, peak of {turns} turns at once", "MiB", peak_mib, raw_mib, AGAINST),
        Figure("from start to ready, second start", "s", served.start_s, raw_start_s, AGAINST),
    ]


@contextmanager
def _engines(folder: Path) -> Iterator[tuple[psutil.Process, float]]:
    """The raw engines over the same index, and the seconds until they were loaded."""
    log = folder / "engines.log"
    with running(["-m", "evals.bench.engines", str(folder)], os.environ, log) as process:
        yield process, wait_until(lambda: "ready" in log.read_text(), process, log)


def _ask_at_once(url: str, key: str, turns: int) -> None:
    """Ask as many questions at the same time; raises where one is not answered."""
    with ThreadPoolExecutor(turns) as pool:
        questions = [docs_cases()[number % len(docs_cases())].question for number in range(turns)]
        for answer in pool.map(lambda question: _ask(url, key, question), questions):
            answer.raise_for_status()


def _ask(url: str, key: str, question: str) -> httpx.Response:
    body = {"model": "parley", "messages": [{"role": "user", "content": question}]}
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=900, trust_env=False)


def _peak_mib(process: psutil.Process, work: Callable[[], None]) -> float:
    """The most that the process and its children held while `work` ran."""
    with ThreadPoolExecutor(1) as pool:
        done, peak = pool.submit(work), 0.0
        while not done.done():
            peak = max(peak, _rss_mib(process))
            time.sleep(0.1)
        done.result()
    return peak


def _rss_mib(process: psutil.Process) -> float:
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / 2**20
