"""How good a ranking is, against documents that people have judged.

A judgement is a grade: 0 or less is not relevant, and more is more relevant. Every measure lies between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

Grades = Mapping[str, int]
"""The judgements of one query, by document; a document that is not named is not relevant."""


def ndcg(ranked: Sequence[str], grades: Grades, depth: int) -> float:
    """Gain of the first `depth` documents, less the further down they stand, as a share of the best order's."""
    ideal = _discounted(sorted((_gain(grade) for grade in grades.values()), reverse=True)[:depth])
    return _discounted(_gain(grades.get(name, 0)) for name in ranked[:depth]) / ideal if ideal else 0.0


def recall(ranked: Sequence[str], grades: Grades, depth: int) -> float:
    """Share of the relevant documents that stand among the first `depth`."""
    wanted = relevant(grades)
    return len(wanted.intersection(ranked[:depth])) / len(wanted) if wanted else 0.0


def reciprocal_rank(ranked: Sequence[str], grades: Grades, depth: int) -> float:
    """One over the place of the first relevant document; 0 where none stands among the first `depth`."""
    wanted = relevant(grades)
    return next((1 / place for place, name in enumerate(ranked[:depth], start=1) if name in wanted), 0.0)


def relevant(grades: Grades) -> set[str]:
    """The documents that answer the query."""
    return {name for name, grade in grades.items() if grade > 0}


def _gain(grade: int) -> int:
    return max(grade, 0)


def _discounted(gains: Iterable[int]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, start=1))
