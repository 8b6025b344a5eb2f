"""Geometry of the small pictures. Templates only write the numbers down as SVG attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 1000
"""Of a picture in its own units; the page stretches it."""


@dataclass(frozen=True)
class Bar:
    """A rectangle in picture units."""

    x: float
    y: float
    width: float
    height: float


def bars(values: Sequence[float], height: float) -> list[Bar]:
    """Columns side by side, the largest as high as the picture; what is not zero stays visible."""
    top = max(values, default=0) or 1
    step = WIDTH / max(len(values), 1)
    heights = [max(height * value / top, height / 25) if value else 0.0 for value in values]
    return [
        Bar(round(number * step + step * 0.1, 2), round(height - tall, 2), round(step * 0.8, 2), round(tall, 2))
        for number, tall in enumerate(heights)
    ]


def span(start_s: float, length_s: float, total_s: float) -> Bar:
    """A stretch of time within `total_s`, never outside the picture and never invisible."""
    scale = WIDTH / total_s if total_s > 0 else 0.0
    width = min(max(length_s * scale, 4.0), WIDTH)
    return Bar(round(min(max(start_s * scale, 0.0), WIDTH - width), 2), 0.0, round(width, 2), 10.0)


@dataclass(frozen=True)
class Dot:
    """A point in picture units."""

    x: float
    y: float


def dots(values: Sequence[float], low: float, high: float, height: float) -> list[Dot]:
    """Values from left to right, between `low` at the bottom and `high` at the top."""
    step, scale = WIDTH / len(values), (high - low) or 1
    inside = height * 0.86
    return [
        Dot(round(step * (number + 0.5), 2), round(height * 0.93 - inside * (value - low) / scale, 2))
        for number, value in enumerate(values)
    ]
