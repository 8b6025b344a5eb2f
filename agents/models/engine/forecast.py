"""What a request that stands in line can expect."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from agents.models.engine.generation import Generation
from agents.models.engine.lanes import shared_beginning
from agents.models.engine.pace import Pace, Work
from agents.models.engine.requests import Pass

_GOLDEN = 0.618034
"""Its multiples, without what is before the point, are spread evenly, however many there are."""


class Forecast:
    """How long requests will wait, from what the model was seen to do. Not thread-safe."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._pace = Pace()
        self._read: deque[Sequence[int]] = deque(maxlen=2 * lanes)
        """The prompts that were answered last."""

    def known_tokens(self, prompt: Sequence[int], before: Collection[Generation]) -> int:
        """How much of a prompt the model will have read when its turn comes, after those before it."""
        read = (*(other.prompt for other in before), *self._read)
        return max((shared_beginning(prompt, other) for other in read), default=0)

    def wait_s(self, running: Collection[Generation], ahead: Collection[Generation]) -> float:
        """Seconds until a request has a lane. The unknown lengths of answers are taken to differ as past ones did."""
        works = [self._work(other, (place + 0.5) / len(running)) for place, other in enumerate(running)]
        lined = [self._work(other, (0.5 + place * _GOLDEN) % 1) for place, other in enumerate(ahead)]
        return self._pace.wait_s(works, lined, self._lanes)

    def note_pass(self, event: Pass, running: Collection[Generation]) -> None:
        """Learn from a pass, whose portion was of the prompts that came first."""
        self._pace.note_pass(event.read, event.said, event.seconds)
        left = event.read
        for generation in running:
            its = 0 if generation.said else min(left, generation.unread)
            generation.read_tokens += its
            left -= its

    def note_answer(self, generation: Generation) -> None:
        """Learn from an answer that is over, also where its reader broke it off."""
        self._pace.note_answer(len(generation.said), generation.sampling.max_tokens)
        self._read.append(generation.prompt[: generation.read_tokens])

    def _work(self, generation: Generation, luck: float) -> Work:
        unsaid = self._pace.unsaid(len(generation.said), generation.sampling.max_tokens, luck)
        return Work(0 if generation.said else generation.unread, unsaid)
