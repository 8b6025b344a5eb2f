"""How values read on a page: short, with units, and a dash where nothing is known."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

NONE = "–"


def duration(seconds: float | None) -> str:
    """`85 ms`, `2.4 s`, `1 min 12 s`, `3 h 5 min`, `4 days`."""
    if seconds is None:
        return NONE
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} days"


def usd(amount: float | None) -> str:
    """Dollars with cents, or two significant digits where that would read as nothing."""
    if amount is None:
        return NONE
    if amount == 0 or abs(amount) >= 0.995:
        return f"${amount:,.2f}"
    digits = max(2, 1 - math.floor(math.log10(abs(amount))))
    return f"${amount:.{min(digits, 10)}f}"


def count(number: float | None) -> str:
    """A whole number with thousands set apart."""
    return NONE if number is None else f"{number:,.0f}"


def many(number: int, noun: str) -> str:
    """A number with its noun: `1 turn`, `2 turns`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def number(value: float | None) -> str:
    """A score: at most three decimals, and none that say nothing."""
    if value is None:
        return NONE
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1e6 else f"{value:.3g}"


def signed(value: float | None) -> str:
    """A difference: `+0.12`, `−0.3`, `0`."""
    if value is None:
        return NONE
    text = number(abs(value))
    return text if text == "0" else f"{'+' if value > 0 else '−'}{text}"


def percent(share: float | None) -> str:
    """A share of one as per cent; one decimal below ten."""
    if share is None:
        return NONE
    return f"{share:.1%}" if 0 < share < 0.0995 else f"{share:.0%}"


def size(size_bytes: float) -> str:
    """Bytes in the unit that reads best."""
    for unit in ("B", "kB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} GB"


def clock_time(moment: datetime) -> str:
    """A moment as `2026-11-22 08:03`, in its own zone."""
    return f"{moment:%Y-%m-%d %H:%M}"


def ago(moment: datetime, now: datetime) -> str:
    """How long before `now`, in one unit."""
    seconds = (now - moment).total_seconds()
    if seconds < 5:
        return "just now"
    for unit, length_s in (("day", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= 2 * length_s or unit == "s":
            break
    number = int(seconds // length_s)
    return f"{many(number, unit) if unit == 'day' else f'{number} {unit}'} ago"


def excerpt(text: str | None, length: int) -> str:
    """The beginning of a text on one line."""
    line = " ".join((text or "")[: 4 * length].split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def pretty(value: Any) -> str:
    """A recorded value for reading: text as it is, anything else as indented JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)
