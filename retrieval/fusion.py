"""One order out of two: passages scored by meaning and by words."""

from __future__ import annotations

from collections.abc import Sequence
from math import dist, sqrt
from statistics import fmean

from retrieval.store.base import Found


def fuse(found: Sequence[Found], *, dense_weight: float) -> list[tuple[float, Found]]:
    """All of `found` with their fused scores, 0 to 1, best first.

    A fused score is the weighted sum of both scores, each counted in standard deviations over what was found; 1 is a
    passage that is the best in both. It orders the answers to one question, and says nothing between questions.
    """
    if not found:
        return []
    meaning = _deviations([each.dense for each in found], dense_weight)
    words = _deviations([each.sparse or 0.0 for each in found], 1 - dense_weight)
    best = max(meaning) + max(words) or 1.0
    scores = [(one + other) / best for one, other in zip(meaning, words, strict=True)]
    ranked = zip(scores, found, strict=True)
    return sorted(ranked, key=lambda pair: (-pair[0], pair[1].point))


def _deviations(scores: Sequence[float], weight: float) -> list[float]:
    """How far each score lies above the lowest, in standard deviations, weighted; all 0 where they do not differ."""
    lowest, mean = min(scores), fmean(scores)
    deviation = dist(scores, [mean] * len(scores)) / sqrt(len(scores)) or 1.0
    return [weight * (score - lowest) / deviation for score in scores]
