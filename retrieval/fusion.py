"""One order out of two: passages scored by meaning and by words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrieval.store.base import Found


def fuse(found: Sequence[Found], *, dense_weight: float) -> list[tuple[float, Found]]:
    """All of `found` with their fused scores, 0 to 1, best first.

    A fused score is the weighted sum of both scores, each counted in standard deviations over what was found; 1 is a
    passage that is the best in both. It orders the answers to one question, and says nothing between questions.
    """
    if not found:
        return []
    meaning = dense_weight * _deviations([each.dense for each in found])
    words = (1 - dense_weight) * _deviations([each.sparse or 0.0 for each in found])
    best = meaning.max() + words.max() or 1.0
    scores = ((meaning + words) / best).tolist()
    ranked = zip(scores, found, strict=True)
    return sorted(ranked, key=lambda pair: (-pair[0], pair[1].point))


def _deviations(scores: Sequence[float]) -> np.ndarray:
    """How far each score lies above the lowest, in standard deviations; all 0 where they do not differ."""
    above = np.subtract(scores, min(scores))
    return above / (above.std() or 1.0)
