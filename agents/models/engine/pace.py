"""How fast the model has been of late, and what that means for those who wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from agents.models.engine.batching import PORTION_TOKENS
from agents.models.engine.llama import BATCH_TOKENS

_TYPICAL_PASSES = [(512, 0, 0.75), (128, 4, 0.21), (0, 1, 0.012), (0, 4, 0.045)]
"""Tokens read, answers that say a token, and seconds, as for the default model on two cores."""
_TYPICAL_SHARES = (0.25, 0.5, 1.0)
_REMEMBERED_PASSES = 128
_FADING = 0.97
"""What a pass weighs, by the one after it."""
_REMEMBERED_ANSWERS = 64
_NOTHING = 1e-6


@dataclass
class Work:
    """What is left of a request, in tokens."""

    unread: float
    unsaid: float

    @property
    def reads(self) -> bool:
        """Whether some of its prompt is still unread."""
        return self.unread > _NOTHING


class Pace:
    """What passes and answers took of late. Not thread-safe."""

    def __init__(self) -> None:
        self._passes: deque[tuple[int, int, float]] = deque(maxlen=_REMEMBERED_PASSES)
        self._shares: deque[float] = deque(_TYPICAL_SHARES, maxlen=_REMEMBERED_ANSWERS)
        self._costs: np.ndarray | None = None

    def note_pass(self, read: int, said: int, seconds: float) -> None:
        """Learn from a pass that read tokens of prompts and said a token of some answers."""
        self._passes.append((read, said, max(seconds, _NOTHING)))
        self._costs = None

    def note_answer(self, said: int, allowed: int) -> None:
        """Learn from an answer that has ended."""
        self._shares.append(said / allowed)

    def pass_s(self, read: float, said: int) -> float:
        """What a pass takes: something in any case, and something for each token."""
        if self._costs is None:
            self._costs = _costs(np.array(self._passes).reshape(-1, 3))
        return float(self._costs @ (1.0, read, said))

    def unsaid(self, said: int, allowed: int, luck: float) -> float:
        """Tokens that an answer has still to say, if past ones are a guide; `luck` from 0, short, to below 1, long."""
        longer = sorted(share for share in self._shares if share * allowed > said)
        if not longer:
            return max(1.0, (allowed - said) * luck)
        return max(1.0, longer[int(luck * len(longer))] * allowed - said)

    def wait_s(self, running: Iterable[Work], ahead: Iterable[Work], lanes: int) -> float:
        """Seconds until a request has a lane: those `ahead` have the next ones, in their order."""
        under_way, waited = [replace(work) for work in running], 0.0
        for work in [*ahead, None]:
            while len(under_way) >= lanes:
                waited += self._play_on(under_way)
            if work:
                under_way.append(replace(work))
        return waited

    def _play_on(self, under_way: list[Work]) -> float:
        """Go on until a prompt is read or an answer is said; the seconds that this takes."""
        reading = next((work for work in under_way if work.reads), None)
        saying = [work for work in under_way if not work.reads]
        portion = (PORTION_TOKENS if saying else BATCH_TOKENS) if reading else 0
        passes = min([work.unsaid for work in saying] + ([reading.unread / portion] if reading else []))
        if reading:
            reading.unread -= passes * portion
        for work in saying:
            work.unsaid -= passes
        under_way[:] = [work for work in under_way if work.reads or work.unsaid > _NOTHING]
        return passes * self.pass_s(portion, len(saying))


def _costs(seen: np.ndarray) -> np.ndarray:
    """What passes take on this machine; of kinds that were not seen, as much slower than typical as the others."""
    typical = np.array(_TYPICAL_PASSES)
    if not len(seen):
        return _fitted(typical)
    typical[:, 2] *= _slower(seen, _fitted(typical))
    costs = _fitted(np.vstack([typical, seen]))
    # On a busy machine a few passes take long, and the least share off lies near the quickest; a wait is their sum.
    return costs * _slower(seen, costs)


def _slower(passes: np.ndarray, costs: np.ndarray) -> float:
    """How many times as long as by these costs the passes took, the last ones counting most."""
    weights = _weights(passes)
    return float((weights @ passes[:, 2]) / (weights @ (_parts(passes) @ costs)))


def _fitted(passes: np.ndarray) -> np.ndarray:
    """Seconds for a pass, for a token read and for a token said, such that passes are off by the least share."""
    weights = np.sqrt(_weights(passes))
    parts = _parts(passes) / passes[:, 2:]
    costs = np.linalg.lstsq(parts * weights[:, None], weights, rcond=None)[0]
    return np.maximum(costs, _NOTHING)


def _weights(passes: np.ndarray) -> np.ndarray:
    return _FADING ** np.arange(len(passes))[::-1]


def _parts(passes: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(passes)), passes[:, :2]])
