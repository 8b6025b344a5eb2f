"""A measured figure, and how two sides of one are taken fairly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

Side = TypeVar("Side")


class Skipped(Exception):
    """A bench lacks what it needs; says what to do."""


@dataclass(frozen=True)
class Target:
    """What a figure should reach: Parley's own value, or its ratio to the raw engine's."""

    of: Literal["parley", "ratio"]
    bound: Literal["≤", "≥"]
    limit: float

    def __str__(self) -> str:
        return f"{'ratio ' if self.of == 'ratio' else ''}{self.bound} {number(self.limit)}"


@dataclass(frozen=True)
class Figure:
    """One row of the report."""

    what: str
    unit: str
    parley: float
    raw: float | None = None
    against: str = ""
    """The raw engine, in words."""
    target: Target | None = None
    note: str = ""
    """What the reader must know, such as why the raw engine was not measured."""

    @property
    def ratio(self) -> float | None:
        """Parley's value over the raw engine's."""
        return self.parley / self.raw if self.raw else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        value = self.parley if self.target.of == "parley" else self.ratio
        if value is None:
            return None
        return value <= self.target.limit if self.target.bound == "≤" else value >= self.target.limit

    def as_json(self) -> dict[str, Any]:
        """The row for programs."""
        target = str(self.target) if self.target else None
        own = {"what": self.what, "unit": self.unit, "parley": self.parley, "raw": self.raw, "against": self.against}
        return {**own, "ratio": self.ratio, "target": target, "met": self.met, "note": self.note}


def number(value: float | None) -> str:
    """Three digits at least, and none that say nothing."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    return float(np.quantile(values, share))


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return quantile(values, 0.5)


def alternately(sides: Sequence[Side], repetitions: int) -> list[tuple[int, Side]]:
    """Each side once per repetition, in an order that turns round each time, so that what drifts hits all alike."""
    return [(turn, side) for turn in range(repetitions) for side in (sides if turn % 2 == 0 else sides[::-1])]
