"""What both drivers send, and small helpers of the Python one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from langsmith import Client

MATERIAL: dict[str, Any] = json.loads(Path(__file__).parent.with_name("material.json").read_text())


def whole_project(client: Client, project_id: Any, key: str) -> list[float]:
    """How often a project as a whole was judged by the key, and the mean: not every version has the statistics."""
    scores = [one.score for one in client.list_feedback(session=[str(project_id)], feedback_key=[key])]
    return [len(scores), round(mean(scores), 3)]


def refusal(call: Callable[[], Any]) -> int | None:
    """The status that the server refuses the call with, or None where it does not."""
    try:
        call()
    except Exception as error:
        status = re.search(r"(\d{3}) (Client|Server) Error", str(error))
        if status is None:
            raise
        return int(status[1])
    return None


def eventually(read: Callable[[], Any], wanted: Callable[[Any], bool], patience_s: float = 10.0) -> Any:
    """What `read` gives once it is as wanted: the library sends some records from a thread of its own."""
    deadline = time.monotonic() + patience_s
    while not wanted(value := read()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value
