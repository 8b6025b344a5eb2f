"""The load itself: users against a server, the engine killed in the first third of the time, then quiet."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from evals.load.served import api_keys, serving
from evals.load.streamed import ask
from evals.questions import docs_cases
from evals.setup import ingest_docs, trial_settings
from evals.soak.inside import Inside
from evals.soak.report import Course
from evals.soak.users import User

HASTE = {
    "PARLEY_MODEL__FIRST_TOKEN_TIMEOUT_S": "10",
    "PARLEY_MODEL__TIMEOUT_S": "20",
    "PARLEY_MODEL__QUEUE_LIMIT": "3",
    "PARLEY_MODEL__BREAKER_FAILURES": "50",
    "PARLEY_TURN__TURNS_PER_MINUTE": "100000",
    "PARLEY_CACHE__ENTRIES": "50",
    "PARLEY_MODEL__CONTEXT_TOKENS": "2048",
    "PARLEY_MODEL__PREFIX_BYTES": str(16 << 20),
}
"""Limits that the load reaches now and then, and caches that are soon full: what grows later is a leak."""
KILL_EVERY_S = 180.0
FIRST_KILL_S = 15.0
QUIET_S = 180
"""For the last turns to end."""
SETTLED_S = 15.0
"""For threads that come and go with work."""
FIRST_QUESTION = "Where does everything lie that Parley writes?"
LAST_QUESTION = "What is the largest file that may be ingested?"
TRIES = 3


async def run(folder: Path, seconds: float, users: int, seed: int, on_second: Callable[[], object]) -> Course:
    """Load the product for so long and wait until it is at rest. Raises RuntimeError where it does not start."""
    settings = trial_settings(folder)
    await asyncio.to_thread(ingest_docs, settings)
    keys, [analyst] = api_keys(settings, users), api_keys(settings, 1, role="analyst")
    window = folder / "inside.jsonl"
    with serving(folder, HASTE, ["-m", "evals.soak.server", str(window)]) as served:
        async with httpx.AsyncClient(base_url=served.url, timeout=300, trust_env=False) as client:
            await ask(client, keys[0], FIRST_QUESTION)
            begun = len(_seen(window))
            ends, kills = await _load(client, keys, seconds, seed, window, on_second)
            under_load = _seen(window)[begun:]
            await _at_rest(window)
            answers = await _answers(client, analyst)
            await asyncio.sleep(SETTLED_S)
            pending = await _pending(client, analyst)
            return Course(
                inside=under_load,
                rest=_seen(window)[-1],
                ends=ends,
                kills=kills,
                pending=pending,
                answers_after=answers,
            )


async def _load(
    client: httpx.AsyncClient,
    keys: list[str],
    seconds: float,
    seed: int,
    window: Path,
    on_second: Callable[[], object],
) -> tuple[Counter[str], int]:
    """How turns ended, and how often the engine was killed."""
    questions = [case.question for case in docs_cases()] + ["Hello!", "Tell me something about elephants."]
    ends: Counter[str] = Counter()
    over = asyncio.Event()
    people = [
        User(client, key, f"thread-{number}", questions, random.Random(f"{seed} {number}"))  # noqa: S311
        for number, key in enumerate(keys)
    ]
    asking = [asyncio.create_task(user.go_on(over, ends)) for user in people]
    kills = await _kill_now_and_then(seconds, window, on_second)
    over.set()
    await asyncio.gather(*asking)
    return ends, kills


async def _kill_now_and_then(seconds: float, window: Path, on_second: Callable[[], object]) -> int:
    """In the first third only, so that the memory of the last one is that of a process whose caches are full."""
    kills, due_s = 0, FIRST_KILL_S
    for second in range(round(seconds)):
        await asyncio.sleep(1)
        on_second()
        if due_s <= second < seconds / 3:
            kills += _killed(_seen(window)[-1].engine_pid)
            due_s += KILL_EVERY_S
    return kills


def _killed(pid: int) -> bool:
    """Whether there was such a process; 0 means none here, but to the system the whole group of the caller."""
    with suppress(ProcessLookupError):
        if pid:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


async def _at_rest(window: Path) -> None:
    """Wait until nothing is under way, but not for ever: what never ends is to be reported."""
    for _ in range(QUIET_S):
        now = _seen(window)[-1]
        if not now.turns and not now.waiting and not now.under_way:
            return
        await asyncio.sleep(1)


async def _answers(client: httpx.AsyncClient, key: str) -> bool:
    """Whether the model says something to a question that nobody has asked; on a slow machine, at one of some tries."""
    for _ in range(TRIES):
        if (await ask(client, key, LAST_QUESTION)).figures.get("first_token_s"):
            return True
    return False


async def _pending(client: httpx.AsyncClient, analyst: str) -> int:
    """Turns that have begun and, by the ops store, not ended."""
    query: dict[str, Any] = {"is_root": True, "filter": 'eq(status, "pending")', "limit": 100}
    answer = await client.post("/langsmith/runs/query", json=query, headers={"x-api-key": analyst})
    answer.raise_for_status()
    return len(answer.json()["runs"])


def _seen(window: Path) -> list[Inside]:
    """What the server has written so far; a line that is being written is left for later."""
    lines = window.read_text(encoding="utf-8").split("\n")[:-1]
    return [Inside.model_validate_json(line) for line in lines]
