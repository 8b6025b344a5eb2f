"""What the model has read already, and where: so that no prompt's beginning is computed twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from agents.models.engine.llama import Llama

WORTH_COPYING = 32
"""Tokens from which copying them is quicker than computing them."""


@dataclass(eq=False)
class Lane:
    """One request's place in the model."""

    number: int
    tokens: list[int] = field(default_factory=list)
    """What it holds."""


class Lanes:
    """Lends lanes to requests, each holding as much of the prompt's beginning as any lane or copy knows.

    A lane keeps what it holds when it is given back. Where it is needed for something else, a copy of that stays in
    memory, up to `copy_bytes` for all; those used least recently go first.
    """

    def __init__(self, llama: Llama, count: int, *, copy_bytes: int) -> None:
        self._llama = llama
        self._idle = [Lane(number) for number in range(count)]
        """The one used least recently first."""
        self._busy: list[Lane] = []
        self._copies: OrderedDict[tuple[int, ...], bytes] = OrderedDict()
        self._copy_bytes = copy_bytes

    @property
    def any_idle(self) -> bool:
        """Whether a request can have one."""
        return bool(self._idle)

    def take(self, prompt: Sequence[int]) -> Lane:
        """A lane for a prompt. It never holds all of it: the last token must be computed to know what follows."""
        wanted = list(prompt[:-1])
        begun = [lane for lane in self._idle if lane.tokens == wanted[: len(lane.tokens)]]
        lane = max(begun, key=lambda lane: len(lane.tokens)) if begun else self._vacated()
        shared, read = max(self._known(wanted), key=lambda known: known[0], default=(0, bytes))
        if shared >= len(lane.tokens) + WORTH_COPYING:
            lane.tokens = wanted[:shared] if self._llama.restore(lane.number, read()) else []
        self._llama.keep(lane.number, len(lane.tokens))
        self._idle.remove(lane)
        self._busy.append(lane)
        return lane

    def give_back(self, lane: Lane) -> None:
        """Let others have the lane; what it holds stays."""
        self._busy.remove(lane)
        self._idle.append(lane)

    def _known(self, wanted: list[int]) -> Iterator[tuple[int, Callable[[], bytes]]]:
        """How much of a beginning each other place holds, and how to read it."""
        for lane in [*self._busy, *self._idle]:
            yield shared_beginning(lane.tokens, wanted), partial(self._llama.save, lane.number)
        for tokens in self._copies:
            yield shared_beginning(tokens, wanted), partial(self._used, tokens)

    def _used(self, tokens: tuple[int, ...]) -> bytes:
        self._copies.move_to_end(tokens)
        return self._copies[tokens]

    def _vacated(self) -> Lane:
        """The idle lane used least recently, emptied into a copy."""
        lane = self._idle[0]
        self._copies[tuple(lane.tokens)] = self._llama.save(lane.number)
        while sum(map(len, self._copies.values())) > self._copy_bytes:
            self._copies.popitem(last=False)
        lane.tokens = []
        return lane


def shared_beginning(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences have in common from the start."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
