"""Memory and start of the real server, beside a process that holds the three raw engines and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from rich.progress import Progress

from app.auth.users import Accounts
from app.settings import Settings
from evals.bench.figures import Figure
from evals.questions import docs_cases
from evals.setup import ROOT, free_port, ingest_docs, trial_settings

START_TIMEOUT_S = 300
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
    key = _api_key(settings)
    task = progress.add_task("memory", total=4)
    with _server(folder):
        progress.advance(task)
    with _engines(folder) as (process, raw_start_s):
        raw_mib = _rss_mib(process)
        progress.advance(task)
    with _server(folder) as (process, start_s, url):
        rest_mib = _rss_mib(process)
        progress.advance(task)
        peak_mib = _peak_mib(process, lambda: _ask_at_once(url, key, turns))
        progress.advance(task)
    return [
        Figure("resident memory at rest", "MiB", rest_mib, raw_mib, AGAINST),
        Figure(f"resident memory, peak of {turns} turns at once", "MiB", peak_mib, raw_mib, AGAINST),
        Figure("from start to ready, second start", "s", start_s, raw_start_s, AGAINST),
    ]


def _api_key(settings: Settings) -> str:
    accounts = Accounts.open(settings.data_dir / "chat.db", settings.auth)
    accounts.ensure_admin()
    key = accounts.create_key("admin", "bench")
    accounts.close()
    return key


@contextmanager
def _server(folder: Path) -> Iterator[tuple[psutil.Process, float, str]]:
    """`parley run`, the seconds until it was ready, and its address."""
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LANGSMITH_")}
    environment = inherited | PATIENT | {"PARLEY_DATA_DIR": str(folder), "HOST": "127.0.0.1", "PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with _process(["-m", "app.cli", "run"], environment, folder / "server.log") as process:
        seconds = _wait_until(lambda: _is_ready(url), process, folder / "server.log")
        yield process, seconds, url


@contextmanager
def _engines(folder: Path) -> Iterator[tuple[psutil.Process, float]]:
    """The raw engines over the same index, and the seconds until they were loaded."""
    log = folder / "engines.log"
    with _process(["-m", "evals.bench.engines", str(folder)], dict(os.environ), log) as process:
        yield process, _wait_until(lambda: "ready" in log.read_text(), process, log)


@contextmanager
def _process(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[psutil.Process]:
    with log.open("w") as output:
        process = psutil.Popen(  # the interpreter that runs this, on this project's own modules
            [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except psutil.TimeoutExpired:
                process.kill()


def _wait_until(is_ready: Callable[[], bool], process: psutil.Process, log: Path) -> float:
    """Seconds since the process began. Raises RuntimeError with what it printed where it doesn't get ready."""
    while not is_ready():
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            raise RuntimeError(f"a process ended early: {log.read_text()[-2000:]}")
        if time.time() - process.create_time() > START_TIMEOUT_S:
            raise RuntimeError(f"a process did not get ready: {log.read_text()[-2000:]}")
        time.sleep(0.1)
    return time.time() - process.create_time()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=10, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


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
