"""Delivers what waits in the spool, in order, for as long as it takes."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import requests

from app.tracing.spool import Spool, Unreadable, WriteRequest

log = logging.getLogger(__name__)

IDLE_POLL_S = 2.0
"""Between looks at what other processes have spooled; this one's own requests wake the drainer."""
FIRST_BACKOFF_S = 0.25
MAX_BACKOFF_S = 5.0
MAX_RETRY_AFTER_S = 60.0
TIMEOUT_S = (3.0, 30.0)
"""To connect, and to wait for an answer."""
PATIENCE = 10
"""Times that the sink may answer 500 to one request before it is set aside and no longer holds up the rest."""

ALREADY_THERE = 409
UNWILLING = frozenset({401, 403, 408, 425, 429})
"""The sink refuses for now, or refuses everything until its key is put right: the request itself is sound."""


class SinkUnavailable(Exception):
    """The sink cannot take requests now."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Drainer:
    """A thread that sends spooled requests to the sink. Of several processes on one spool, one sends at a time."""

    def __init__(self, spool: Spool, endpoint: str, session: requests.Session) -> None:
        """`session` carries the credentials."""
        self._spool = spool
        self._endpoint = endpoint
        self._session = session
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._sink_known = False
        self._server_errors: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="trace-drainer", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the spool now, unless the sink is being waited for."""
        self._wake.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the request under way; what is left stays on disk."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._drain()
                failures = 0
                self._wake.wait(IDLE_POLL_S)
            except SinkUnavailable as problem:
                self._note(problem, failures)
                self._stopping.wait(problem.retry_after_s or min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2**failures))
                failures = min(failures + 1, 10)
            except Exception:  # a full disk, say; the thread must outlive it
                log.exception("delivering traces failed; they stay in the outbox")
                self._stopping.wait(MAX_BACKOFF_S)

    def _drain(self) -> None:
        with self._spool.exclusive() as is_ours:
            files = self._spool.waiting() if is_ours else []
            if files and not self._sink_known:
                self._recognise_sink()
            for file in files:
                if self._stopping.is_set():
                    return
                self._deliver(file)

    def _deliver(self, file: Path) -> None:
        try:
            request = self._spool.load(file)
        except Unreadable as error:
            self._spool.reject(file, str(error))
            return
        refusal = self._send(request, file.name)
        if refusal is None:
            self._spool.remove(file)
        else:
            log.warning("the trace sink refused %s: %s", file.name, refusal.partition("\n")[0])
            self._spool.reject(file, refusal)

    def _send(self, request: WriteRequest, name: str) -> str | None:
        """Returns why the sink will never take the request; None once it has it. Raises `SinkUnavailable`."""
        response = self._request(request.method, request.path, data=request.body, headers=request.headers)
        if response.status_code < 300 or response.status_code == ALREADY_THERE:
            return None
        if self._may_yet_succeed(response.status_code, name):
            raise SinkUnavailable(f"it answered {response.status_code}", _retry_after_s(response))
        return f"{response.status_code}\n{response.text[:2000]}"

    def _may_yet_succeed(self, status: int, name: str) -> bool:
        if status == 500:
            self._server_errors[name] += 1
            return self._server_errors[name] < PATIENCE
        return status > 500 or status < 400 or status in UNWILLING

    def _recognise_sink(self) -> None:
        """Make sure that a LangSmith API answers at the endpoint, not another program on the same port."""
        response = self._request("GET", "/info", headers={})
        try:
            self._sink_known = "version" in response.json()
        except (ValueError, TypeError):
            self._sink_known = False
        if not self._sink_known:
            raise SinkUnavailable(f"no LangSmith API answers there ({response.status_code})")

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            return self._session.request(
                method, self._endpoint + path, timeout=TIMEOUT_S, allow_redirects=False, **options
            )
        except requests.RequestException as error:
            raise SinkUnavailable(type(error).__name__) from error

    def _note(self, problem: SinkUnavailable, failures: int) -> None:
        self._sink_known = False
        if failures == 1:  # not for the first, which any restart causes
            log.warning("the trace sink %s is unavailable (%s); traces wait on disk", self._endpoint, problem)


def _retry_after_s(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return min(float(value), MAX_RETRY_AFTER_S) if value.isdigit() else None
