"""What a server that runs holds at a moment."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil
from pydantic import BaseModel

from agents.models.engine import Engine

_MIB = 2**20
_NUMBER = re.compile(r"[-_ ]*\d+")


class Inside(BaseModel):
    """What the server holds at a moment."""

    at: float
    """Unix time."""
    server_mib: float
    engine_mib: float
    """0 while its process does not run, as with `engine_pid`."""
    engine_pid: int
    others_mib: float
    """Further processes that the server has started."""
    waiting: int
    """Requests in the engine's line."""
    under_way: int
    """Requests that have a lane."""
    turns: int
    threads: dict[str, int]
    """By name, without numbers."""


def look(engine: Engine, server: psutil.Process, now: Callable[[], float] = time.time) -> Inside:
    """The server as it is; called on its event loop."""
    pid = engine.pid or 0
    sizes = {one.pid: _size_mib(one) for one in server.children(recursive=True)}
    return Inside(
        at=now(),
        server_mib=_size_mib(server),
        engine_mib=sizes.pop(pid, 0.0),
        engine_pid=pid,
        others_mib=sum(sizes.values()),
        waiting=engine.waiting,
        under_way=engine.under_way,
        turns=sum(task.get_name().startswith("turn ") for task in asyncio.all_tasks()),
        threads=Counter(_NUMBER.sub("", thread.name) for thread in threading.enumerate()),
    )


def _size_mib(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        return process.memory_info().rss / _MIB
    return 0.0
