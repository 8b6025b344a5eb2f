"""A circuit breaker: a model that keeps failing is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

Circuit = Literal["closed", "open", "half_open"]


class CircuitBreaker:
    """Counts failures in a row, for all callers of one model.

    After `open_after` of them the circuit is open and nobody calls. When `cooldown_s` have passed it is half open: one
    caller tries, and how that ends decides. Each caller that was let through reports its end, once.
    """

    def __init__(self, open_after: int, cooldown_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._open_after = open_after
        self._cooldown_s = cooldown_s
        self._clock = clock
        self._failures = 0
        self._failed_at = 0.0
        self._trying = False

    @property
    def state(self) -> Circuit:
        """Closed lets everybody through, open nobody, half open one."""
        if self._failures < self._open_after:
            return "closed"
        return "open" if self.trial_in_s > 0 else "half_open"

    @property
    def trial_in_s(self) -> float:
        """Seconds until the next trial, while the circuit is open."""
        return max(0.0, self._failed_at + self._cooldown_s - self._clock())

    def let_through(self) -> bool:
        """Whether the caller may call now."""
        state = self.state
        if state == "open" or (state == "half_open" and self._trying):
            return False
        self._trying = state == "half_open"
        return True

    def succeeded(self) -> None:
        """The model answered, if only to say that it is busy."""
        self._failures, self._trying = 0, False

    def failed(self) -> None:
        """The model did not answer."""
        self._failures += 1
        self._failed_at, self._trying = self._clock(), False

    def gave_up(self) -> None:
        """The caller went away before it knew."""
        self._trying = False
