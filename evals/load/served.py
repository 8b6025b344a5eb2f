"""The whole product as a server in a process of its own, with the sample documents in its corpus."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

import httpx
import psutil

from app.auth.users import Accounts, Role
from app.settings import Settings
from evals.setup import ROOT, free_port

START_TIMEOUT_S = 300
SERVE = ("-m", "app.cli", "run")


@dataclass(frozen=True)
class Served:
    """A server that is ready."""

    url: str
    process: psutil.Process
    start_s: float
    """From the start of its process until it was ready."""


def api_keys(settings: Settings, users: int, role: Role = "user") -> list[str]:
    """The keys of so many new users."""
    with closing(Accounts.open(settings.data_dir / "chat.db", settings.auth)) as accounts:
        made = [accounts.create(f"{role}-{number}", token_urlsafe(16), role) for number in range(users)]
        return [accounts.create_key(account.name, "evals") for account in made]


@contextmanager
def serving(folder: Path, environment: Mapping[str, str], arguments: Sequence[str] = SERVE) -> Iterator[Served]:
    """The product on a data folder. Raises RuntimeError where it doesn't get ready."""
    port, log = free_port(), folder / "server.log"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LANGSMITH_")}
    own = {"PARLEY_DATA_DIR": str(folder), "HOST": "127.0.0.1", "PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with running(arguments, {**inherited, **environment, **own}, log) as process:
        yield Served(url, process, wait_until(lambda: _is_ready(url), process, log))


@contextmanager
def running(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[psutil.Process]:
    """A process of this interpreter, ended with the block."""
    with log.open("w") as output:
        process = psutil.Popen(  # on this project's own modules
            [sys.executable, *arguments], cwd=ROOT, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except psutil.TimeoutExpired:
                process.kill()


def wait_until(is_ready: Callable[[], bool], process: psutil.Process, log: Path) -> float:
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
