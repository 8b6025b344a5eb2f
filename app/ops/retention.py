"""Once an hour, what is older than it should be kept is deleted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from app.ops.store import OpsStore

log = logging.getLogger(__name__)

FIRST_AFTER_S = 60.0
INTERVAL_S = 3600.0


class Sweeper:
    """A thread that sweeps every workspace."""

    def __init__(
        self, stores: Callable[[], Iterable[OpsStore]], keep_days: int, *, first_after_s: float = FIRST_AFTER_S
    ) -> None:
        self._stores = stores
        self._keep_days = keep_days
        self._first_after_s = first_after_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ops-sweeper", daemon=True)

    def start(self) -> None:
        """Begin to look at the clock."""
        self._thread.start()

    def close(self) -> None:
        """End; a sweep that is under way is waited for a little, and begins again where it was left."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        pause_s = self._first_after_s
        while not self._ending.wait(pause_s):
            pause_s = INTERVAL_S
            self._sweep()

    def _sweep(self) -> None:
        try:
            for store in self._stores():
                swept = store.retention.sweep(self._keep_days)
                if swept.runs:
                    log.info("%s: %d old traces deleted", store.workspace.name, swept.traces)
        except Exception:  # a server that is down, say; the next hour may be better
            log.exception("deleting old traces failed; it is tried again in an hour")
