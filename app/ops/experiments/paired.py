"""The difference between two ways of doing the same things, each thing done both ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.ops.experiments.statistics import Z95, Interval

_T95 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
"""Student's t for a two-sided 95 % interval with 1 to 10 degrees of freedom."""


@dataclass(frozen=True)
class Difference:
    """What changed, on average over all pairs."""

    pairs: int
    mean: float
    interval: Interval | None
    """95 %, by the paired t; None where fewer than two pairs, or no spread between them, allow none."""

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no difference out."""
        return self.interval is not None and not self.interval.low <= 0 <= self.interval.high


def paired_difference(differences: Sequence[float]) -> Difference | None:
    """The mean of differences, one for each pair; None where there are none."""
    pairs = len(differences)
    if not pairs:
        return None
    mean = math.fsum(differences) / pairs
    squares = math.fsum((one - mean) ** 2 for one in differences)
    if pairs == 1 or math.isclose(squares, 0, abs_tol=1e-18):
        return Difference(pairs, mean, None)
    margin = t95(pairs - 1) * math.sqrt(squares / (pairs - 1) / pairs)
    return Difference(pairs, mean, Interval(mean - margin, mean + margin))


def t95(degrees: int) -> float:
    """Student's t for a two-sided 95 % interval; beyond the table by Fisher's expansion, exact to 0.0002."""
    if degrees <= len(_T95):
        return _T95[degrees - 1]
    z, n = Z95, degrees
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
