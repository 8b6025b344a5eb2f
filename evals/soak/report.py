"""What half an hour has shown: checks that hold or don't, and curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evals.soak.inside import Inside
from evals.soak.users import UNKNOWN

FLAT = 0.05
"""Share by which memory may grow over the last third of the time, when caches are full."""
POOLS = ("asyncio", "AnyIO worker thread", "ThreadPoolExecutor")
"""Threads that come with work and go without it, up to a bound."""
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60


@dataclass(frozen=True)
class Check:
    """Something that must hold at the end."""

    what: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class Course:
    """All that was seen."""

    inside: Sequence[Inside]
    """Once a second under load."""
    rest: Inside
    """After the last turn."""
    ends: Counter[str]
    kills: int
    pending: int
    """Turns that the ops store takes for running."""
    answers_after: bool
    """Whether the model answered another question at the end."""


def checks(course: Course) -> list[Check]:
    """What must hold, and whether it does."""
    return [_ends(course), _idle(course), _threads(course), _restarts(course), *_memory(course)]


def _ends(course: Course) -> Check:
    unknown = {end: count for end, count in course.ends.items() if end.startswith(UNKNOWN)}
    detail = f"{course.ends.total()} turns; {course.pending} without an end in the ops store"
    detail += "".join(f"; {count} {end}" for end, count in unknown.items())
    return Check("every turn ended in a known way", not unknown and not course.pending, detail)


def _idle(course: Course) -> Check:
    rest = course.rest
    holds = rest.waiting == rest.under_way == rest.turns == 0 and course.answers_after
    detail = f"{rest.waiting} in line, {rest.under_way} with a lane, {rest.turns} turns"
    return Check("nothing is stuck", holds, f"{detail}; the model {'answers' if course.answers_after else 'is mute'}")


def _threads(course: Course) -> Check:
    """Beside pools, the same threads as when the load began."""
    before, after = (
        Counter({name: count for name, count in one.threads.items() if name not in POOLS})
        for one in (course.inside[0], course.rest)
    )
    lost, gained = before - after, after - before
    detail = f"{sum(course.rest.threads.values())} threads"
    detail += f"; lost {dict(lost)}" if lost else ""
    detail += f"; gained {dict(gained)}" if gained else ""
    return Check("no thread was lost or left over", not lost and not gained, detail)


def _restarts(course: Course) -> Check:
    processes = len({one.engine_pid for one in [*course.inside, course.rest]} - {0})
    detail = f"killed {course.kills} times, {processes} processes in all"
    return Check("the engine came back after each kill", processes == course.kills + 1, detail)


def _memory(course: Course) -> Iterator[Check]:
    late = course.inside[2 * len(course.inside) // 3 :]
    for name, take in CURVES.items():
        sizes = [take(one) for one in late]
        slope = slope_per_s([one.at for one in late], sizes)
        grew = slope * (late[-1].at - late[0].at) / max(1.0, float(np.mean(sizes)))
        detail = f"{slope * 3600:+.1f} MiB an hour in the last third, {grew:+.1%} of {np.mean(sizes):.0f} MiB"
        yield Check(f"memory is flat: {name}", grew <= FLAT, detail)


CURVES: dict[str, Callable[[Inside], float]] = {
    "server": lambda one: one.server_mib,
    "engine": lambda one: one.engine_mib,
    "other processes": lambda one: one.others_mib,
}


def slope_per_s(moments: Sequence[float], values: Sequence[float]) -> float:
    """Of the straight line that fits best."""
    if len(moments) < 2:
        return 0.0
    return float(np.polyfit(np.subtract(moments, moments[0]), values, 1)[0])


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """The course of a value in a line of text, from its least to its most."""
    columns = [float(np.mean(part)) for part in np.array_split(np.asarray(values), min(width, len(values)))]
    least, most = min(columns), max(columns)
    steps = (round((value - least) / ((most - least) or 1) * (len(_BARS) - 1)) for value in columns)
    return "".join(_BARS[step] for step in steps)
