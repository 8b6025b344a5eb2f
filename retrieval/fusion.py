"""One order out of two: passages scored by meaning and by words."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.store.base import Found


def fuse(found: Sequence[Found], *, dense_weight: float, limit: int) -> list[tuple[float, Found]]:
    """The best `limit` of `found` with their fused scores, best first.

    A fused score is the weighted sum of both scores, each stretched to 0..1 over what was found: it orders the
    answers to one question, and says nothing between questions.
    """
    meaning = _stretched([each.dense for each in found])
    words = _stretched([each.sparse or 0.0 for each in found])
    scores = [dense_weight * near + (1 - dense_weight) * match for near, match in zip(meaning, words, strict=True)]
    ranked = zip(scores, found, strict=True)
    return sorted(ranked, key=lambda pair: (-pair[0], str(pair[1].point)))[:limit]


def _stretched(scores: Sequence[float]) -> list[float]:
    """Scores moved and stretched to 0..1; all 0 where they do not differ."""
    if not scores:
        return []
    low, high = min(scores), max(scores)
    return [(score - low) / (high - low) if high > low else 0.0 for score in scores]
