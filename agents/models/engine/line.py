"""Who is next: fair among users, not among requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Waits(Protocol):
    """What stands in line."""

    @property
    def user(self) -> str:
        """Whose it is."""

    @property
    def cost(self) -> float:
        """How much work it is, in any unit."""


_Item = TypeVar("_Item", bound=Waits)


class Line(Generic[_Item]):
    """Start-time fair queueing: next is the user who has been given least, first come first served among their own.

    Who comes anew stands behind everybody's next item: nobody saves up a claim, and nobody's place gets worse, but for
    further items of the same user. Not thread-safe.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Item]] = {}
        self._given: dict[str, float] = {}
        self._now = 0.0
        """What the user served last had been given before."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[_Item]:
        """Everybody in the order in which they are served if nobody else comes."""
        waiting = {user: deque(items) for user, items in self._waiting.items()}
        given = dict(self._given)
        while waiting:
            yield _take(waiting, given)[1]

    def put(self, item: _Item) -> None:
        """Stand in line."""
        if item.user not in self._waiting:
            last = max((self._given[user] for user in self._waiting), default=self._now)
            self._given[item.user] = max(self._given.get(item.user, 0.0), last)
            self._waiting[item.user] = deque()
        self._waiting[item.user].append(item)

    def pop(self) -> _Item:
        """Serve the next."""
        self._now, item = _take(self._waiting, self._given)
        self._given = {user: sum_ for user, sum_ in self._given.items() if user in self._waiting or sum_ > self._now}
        return item

    def remove(self, item: _Item) -> bool:
        """Leave the line; whether it stood there."""
        queue = self._waiting.get(item.user, deque())
        if item not in queue:
            return False
        queue.remove(item)
        if not queue:
            del self._waiting[item.user]
        return True


def _take(waiting: dict[str, deque[_Item]], given: dict[str, float]) -> tuple[float, _Item]:
    """The next one out of line, and what its user had been given before."""
    user = min(waiting, key=lambda user: given[user])
    before, item = given[user], waiting[user].popleft()
    given[user] += item.cost
    if not waiting[user]:
        del waiting[user]
    return before, item
