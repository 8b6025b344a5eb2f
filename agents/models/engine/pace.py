"""How long a request will wait: what is ahead of it, at the pace that the model has shown."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

from pydantic import BaseModel

_NEWEST = 0.2
"""Share of the newest observation in an average."""


class Pace(BaseModel):
    """Seconds for each token, over the last passes. They begin with what two cores take for the default model."""

    read_s: float = 0.006
    """To read one token of a prompt."""
    say_s: float = 0.012
    """To say one token, where several answers share a pass."""
    said: float = 0.5
    """Tokens that an answer has, as a share of those that it may have."""

    def note_pass(self, read: int, said: int, seconds: float) -> None:
        """Learn from a pass; one that both read and said says nothing about either."""
        if read and not said:
            self.read_s = _average(self.read_s, seconds / read)
        if said and not read:
            self.say_s = _average(self.say_s, seconds / said)

    def note_answer(self, said: int, allowed: int) -> None:
        """Learn from an answer that has ended."""
        self.said = _average(self.said, said / allowed)

    def work_s(self, unread: int, said: int, allowed: int) -> float:
        """What is left of a request, alone on the model."""
        return unread * self.read_s + max(1.0, allowed * self.said - said) * self.say_s


def wait_s(running: Iterable[float], ahead: Iterable[float], lanes: int) -> float:
    """Seconds until a request has a lane: `running` share the model evenly, and those `ahead` have the next lanes.

    Both are seconds of work that are left, the latter in their order.
    """
    left, waited = sorted(running), 0.0
    for work in [*ahead, None]:
        if len(left) >= lanes:
            least = left.pop(0)
            waited += least * lanes
            left = [other - least for other in left]
        if work is not None:
            insort(left, work)
    return waited


def _average(before: float, newest: float) -> float:
    return before + _NEWEST * (newest - before)
