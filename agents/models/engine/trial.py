"""Who made the process crash: after a crash, requests are tried one by one, so that none fails for another's sake."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from agents.models.engine.generation import Generation

_CRASHES = 2
"""Crashes among others that a request may have been part of before it is given up."""


class Trial:
    """The requests that a crash interrupted, in their order. Who says a token is no suspect any more."""

    def __init__(self) -> None:
        self._suspects: deque[Generation] = deque()
        self._tried: Generation | None = None

    def __bool__(self) -> bool:
        return bool(self._suspects)

    def next(self) -> Generation | None:
        """Who is to be tried now; None while another one is."""
        if self._tried or not self._suspects:
            return None
        self._tried = self._suspects[0]
        return self._tried

    def clear(self, generation: Generation) -> None:
        """Suspect a request no longer: it goes on, or is over."""
        if generation in self._suspects:
            self._suspects.remove(generation)
        if self._tried is generation:
            self._tried = None

    def crashed(self, running: Iterable[Generation]) -> list[Generation]:
        """Whom to give up after a crash: the one on trial or, where none was, those it happened to too often."""
        if self._tried:
            return [self._tried]
        guilty = []
        for generation in running:
            generation.crashes += 1
            if generation.crashes == _CRASHES:
                guilty.append(generation)
        return guilty

    def begin(self, running: Iterable[Generation]) -> None:
        """Try these, one by one."""
        self._suspects = deque(running)
        self._tried = None
