"""Where threads lay down what they have made, until it is taken."""

from __future__ import annotations

import threading
from collections import deque

from ingest.stages import Step


class Shelf:
    """Steps between the threads that make them and the one that takes them; bounded by their weight in bytes."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._givers = 0
        self._steps: deque[Step] = deque()
        self._weight = 0
        self._open = True
        self._failure: BaseException | None = None
        self._changed = threading.Condition()

    @property
    def empty(self) -> bool:
        """Whether nothing lies there at the moment."""
        return not self._steps

    def enter(self) -> None:
        """Say that there is one more giver, who is waited for."""
        with self._changed:
            self._givers += 1

    def put(self, step: Step) -> bool:
        """Lay a step down, after a wait while the shelf is full; False where nothing is taken any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._weight < self._room or not self._open)
            if self._open:
                self._steps.append(step)
                self._weight += step.weight
                self._changed.notify_all()
            return self._open

    def take(self, passages: int) -> list[Step]:
        """What lies there, up to about so many passages, after a wait while that is nothing; empty at the end.

        Raises what a giver has left with.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._steps or not self._givers or self._failure)
            if self._failure:
                raise self._failure
            taken: list[Step] = []
            while self._steps and passages > 0:
                step = self._steps.popleft()
                self._weight -= step.weight
                passages -= max(1, step.report.passages)
                taken.append(step)
            self._changed.notify_all()
            return taken

    def leave(self, failure: BaseException | None = None) -> None:
        """Say that a giver has nothing more to give."""
        with self._changed:
            self._givers -= 1
            self._failure = self._failure or failure
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
