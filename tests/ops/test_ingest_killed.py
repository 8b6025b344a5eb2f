"""SIGKILL while a client sends: what was acknowledged is there afterwards, and nothing is there by half."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from langsmith import Client
from requests import Response
from urllib3 import Retry

PROJECT = "written under fire"
WRITERS = 4
KILLS = 12
RUNS_IN_A_TRACE = 3
FILES_READ = 50


class Writers:
    """Threads that trace as fast as they can, and remember which runs the API has acknowledged."""

    def __init__(self, client: Client) -> None:
        self.acknowledged: set[UUID] = set()
        self._client = client
        self._sending = threading.local()
        self._enough = threading.Event()
        self._heard_more = threading.Event()
        client.session.hooks["response"].append(self._heard)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write until the block ends."""
        threads = [threading.Thread(target=self._write) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._enough.set()
            for thread in threads:
                thread.join(timeout=30)

    def wait_for_more(self) -> None:
        """Wait until another trace is acknowledged."""
        self._heard_more.clear()
        assert self._heard_more.wait(60)

    def _write(self) -> None:
        while not self._enough.is_set():
            runs = trace()
            self._sending.run_ids = {UUID(run["id"]) for run in runs}
            self._client.multipart_ingest(create=runs)

    def _heard(self, response: Response, *_: Any, **__: Any) -> None:
        if response.status_code == 202:
            self.acknowledged |= self._sending.run_ids
            self._heard_more.set()


def trace() -> list[dict[str, Any]]:
    """A root and its children, each with everything that a finished run has, and a file at the root."""
    now, root_id = datetime.now(UTC), str(uuid4())
    order = f"{now:%Y%m%dT%H%M%S%f}Z"
    root = run(root_id, root_id, f"{order}{root_id}", now)
    children = []
    for child_id in (str(uuid4()) for _ in range(RUNS_IN_A_TRACE - 1)):
        place = f"{root['dotted_order']}.{order}{child_id}"
        children.append(run(child_id, root_id, place, now) | {"parent_run_id": root_id})
    return [root | {"attachments": {"id": ("text/plain", root_id.encode())}}, *children]


def run(run_id: str, trace_id: str, dotted_order: str, now: datetime) -> dict[str, Any]:
    """One finished run, which says its own id in both its sides."""
    return {
        "id": run_id,
        "trace_id": trace_id,
        "dotted_order": dotted_order,
        "name": "written",
        "run_type": "chain",
        "start_time": now.isoformat(),
        "end_time": now.isoformat(),
        "inputs": {"id": run_id, "text": "in " * 500},
        "outputs": {"id": run_id, "text": "out " * 500},
        "session_name": PROJECT,
    }


@pytest.mark.intake_process
def test_no_acknowledged_run_is_lost_and_none_is_half_written(api: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="langsmith")  # the client complains about every kill
    moments = random.Random(7)
    # Without retries the writers do not wait for the API to come back, and most of the kills hit a request.
    client = Client(api_url=api.url, api_key=api.key, auto_batch_tracing=False, retry_config=Retry(total=0))
    writers = Writers(client)
    with writers.writing():
        for _ in range(KILLS):
            writers.wait_for_more()
            time.sleep(moments.uniform(0, 0.5))
            api.restart()
        time.sleep(0.2)
    api.restart()
    found = {one.id: one for one in client.list_runs(project_name=PROJECT)}
    assert len(writers.acknowledged) >= KILLS * RUNS_IN_A_TRACE
    assert writers.acknowledged - found.keys() == set()
    for run_id, one in found.items():
        assert (one.inputs or {})["id"] == (one.outputs or {})["id"] == str(run_id)
        assert one.status == "success"
    assert set(Counter(one.trace_id for one in found.values()).values()) == {RUNS_IN_A_TRACE}
    for root in [one for one in found.values() if one.parent_run_id is None][:FILES_READ]:
        assert client.read_run(root.id).attachments["id"]["reader"].read() == str(root.id).encode()
