"""Who may start a turn now."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable

from agents.errors import RateLimited

WINDOW_S = 60.0


class RateLimit:
    """A sliding window of turn starts per user, in memory."""

    def __init__(self, turns_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._turns_per_minute = turns_per_minute
        self._clock = clock
        self._starts: dict[str, deque[float]] = defaultdict(deque)

    def take(self, user_hash: str) -> None:
        """Count one start; raises `RateLimited` with the seconds to wait when the window is full."""
        now = self._clock()
        starts = self._starts[user_hash]
        while starts and starts[0] <= now - WINDOW_S:
            starts.popleft()
        if len(starts) >= self._turns_per_minute:
            wait_s = starts[0] + WINDOW_S - now
            raise RateLimited(
                f"You may ask {self._turns_per_minute} questions a minute. Try again in {wait_s:.0f} seconds.",
                retry_after_s=wait_s,
            )
        starts.append(now)
