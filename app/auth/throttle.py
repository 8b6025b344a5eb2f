"""A limit on attempts in a sliding window, in memory."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from datetime import datetime

from app.auth.errors import TooManyAttempts

SWEEP_ABOVE = 10_000


class Throttle:
    """At most `limit` attempts per key in `window_s` seconds; thread-safe."""

    def __init__(self, limit: int, window_s: float, now: Callable[[], datetime]) -> None:
        self._limit = limit
        self._window_s = window_s
        self._now = now
        self._attempts: dict[Hashable, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def admit(self, key: Hashable) -> None:
        """Count an attempt. Raises `TooManyAttempts`, and counts nothing, where the key has used its share."""
        now_s = self._now().timestamp()
        with self._lock:
            attempts = self._recent(key, now_s)
            if len(attempts) >= self._limit:
                raise TooManyAttempts(attempts[0] + self._window_s - now_s)
            attempts.append(now_s)
            if len(self._attempts) > SWEEP_ABOVE:
                self._sweep(now_s)

    def forgive(self, key: Hashable) -> None:
        """Take the key's last attempt back: it was no failure."""
        with self._lock:
            if self._attempts[key]:
                self._attempts[key].pop()

    def _recent(self, key: Hashable, now_s: float) -> deque[float]:
        attempts = self._attempts[key]
        while attempts and attempts[0] <= now_s - self._window_s:
            attempts.popleft()
        return attempts

    def _sweep(self, now_s: float) -> None:
        for key in list(self._attempts):
            if not self._recent(key, now_s):
                del self._attempts[key]
