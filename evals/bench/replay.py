"""Fifty users on the engine, as a chat service recorded them: refusals, waits beside what was promised, fairness."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path

from rich.progress import Progress

from agents.models.local import LlamaChat
from agents.models.settings import ModelSettings
from evals.bench.figures import Figure, Skipped, Target, quantile
from evals.load.arrivals import Arrival, every_nth, paced, recorded
from evals.load.engine import EngineUsers
from evals.load.replay import FLOOR_S, Fared, replay, saturated_s

USERS = 50
SAMPLE = 4
"""Every so manieth request, by size, is computed beforehand to learn how long all of them take."""
AT_ONCE = 8
LIGHT_LOAD = 0.3
PATIENCE_S = 600.0
NO_TRACE = "the trace is not there: put azure_llm_trace into shared/data beside the project"
ONE_LINE = "first come, first served"
CROWD = f"{USERS} users at capacity"

Ask = Callable[[Arrival], Awaitable[Fared]]


def measure(
    folder: Path, progress: Progress, *, requests: int = 120, light: int = 16, greedy: int = 12
) -> list[Figure]:
    """Learn the capacity and offer all of it, then little of it with and without somebody who always asks.

    Last, all of it once more where nobody knows how long an answer will be.
    """
    arrivals = recorded(requests, USERS)
    if not arrivals:
        raise Skipped(NO_TRACE)
    task = progress.add_task(f"{USERS} users", total=2 * len(arrivals) + 3 * light)

    def ended() -> None:
        progress.advance(task)

    with _chat() as chat:
        figures = asyncio.run(_named(EngineUsers(chat).ask, arrivals, light, greedy, ended))
    with _chat() as chat:
        figures.append(asyncio.run(_unnamed(EngineUsers(chat, max_tokens=chat.max_tokens).ask, arrivals, ended)))
    return figures


@contextmanager
def _chat() -> Iterator[LlamaChat]:
    """A model that has seen no answers yet."""
    settings = ModelSettings(timeout_s=PATIENCE_S, first_token_timeout_s=PATIENCE_S)
    with closing(LlamaChat.build(settings)) as chat:
        chat.warm()
        yield chat


async def _named(
    ask: Ask, arrivals: Sequence[Arrival], light: int, greedy: int, ended: Callable[[], object]
) -> list[Figure]:
    full_s = await _full_s(ask, arrivals)
    few = paced(arrivals[:light], full_s * light / len(arrivals) / LIGHT_LOAD)
    fared = await replay(paced(arrivals, full_s), ask, ended)
    alone = await replay(few, ask, ended)
    async with _greedy(ask, few, greedy):
        fair = await replay(few, ask, ended)
    async with _greedy(_in_one_line(ask), few, greedy):
        in_line = await replay(few, _in_one_line(ask), ended)
    return [*crowd_figures(fared, len(arrivals) / full_s), _greedy_figure(greedy, alone, fair, in_line)]


async def _unnamed(ask: Ask, arrivals: Sequence[Arrival], ended: Callable[[], object]) -> Figure:
    full_s = await _full_s(ask, arrivals)
    return unnamed_figure(await replay(paced(arrivals, full_s), ask, ended))


async def _full_s(ask: Ask, arrivals: Sequence[Arrival]) -> float:
    """The seconds that all take where the engine never rests, reckoned from a sample."""
    sample = every_nth(arrivals, SAMPLE)
    share = sum(one.tokens for one in sample) / sum(one.tokens for one in arrivals)
    return await saturated_s(sample, ask, AT_ONCE) / share


def crowd_figures(fared: Sequence[Fared], per_s: float) -> Iterator[Figure]:
    """How those fared who asked at so many requests a second, and said how long their answers were to be."""
    of = f"of {len(fared)} requests"
    errors = [one.error for one in fared if one.error]
    yield Figure(
        f"{CROWD}: errors", "", len(errors), target=Target("parley", "≤", 0), note=", ".join(sorted(set(errors)))
    )
    refused = sum(one.refusals > 0 for one in fared)
    yield Figure(f"{CROWD}: told to come back, and did", "", refused, note=f"{per_s:.2f} requests/s offered")
    yield Figure(f"{CROWD}: wait in line, p95", "s", quantile([one.waited_s for one in fared], 0.95), note=of)
    yield Figure(f"{CROWD}: time to first token, p95", "s", quantile([one.first_s for one in fared], 0.95), note=of)
    off = offs(fared)
    yield Figure(
        f"{CROWD}: |wait − promised| / promised, p95",
        "",
        quantile(off or [0.0], 0.95),
        target=Target("parley", "≤", 0.25),
        note=f"{len(off)} of {len(fared)} stood in line; a promise below {FLOOR_S:.0f} s counts as {FLOOR_S:.0f} s; "
        "each names the length of its answer",
    )


def unnamed_figure(fared: Sequence[Fared]) -> Figure:
    """What promises are worth where all may be as long, and end when nobody can foresee it."""
    off = offs(fared)
    return Figure(
        f"{CROWD}: |wait − promised| / promised, p95, where answers end unforeseen",
        "",
        quantile(off or [0.0], 0.95),
        note=f"half were off by at most {quantile(off or [0.0], 0.5):.0%}; nobody could foresee these lengths",
    )


def offs(fared: Sequence[Fared]) -> list[float]:
    """By what share of the promise each wait was another one."""
    return [one.off for one in fared if one.off is not None]


def _greedy_figure(greedy: int, alone: Sequence[Fared], fair: Sequence[Fared], in_line: Sequence[Fared]) -> Figure:
    waits = [quantile([one.waited_s for one in fared], 0.95) for fared in (fair, in_line, alone)]
    what = f"light users beside one with {greedy} requests at once: wait, p95"
    return Figure(what, "s", waits[0], waits[1], ONE_LINE, note=f"{waits[2]:.2g} s without that one")


@asynccontextmanager
async def _greedy(ask: Ask, like: Sequence[Arrival], at_once: int) -> AsyncIterator[None]:
    """One more user, of whom so many requests, as large as the others', are always under way."""
    wishes = cycle(replace(arrival, user="greedy") for arrival in like)

    async def for_ever() -> None:
        while True:
            await ask(next(wishes))

    asking = [asyncio.create_task(for_ever()) for _ in range(at_once)]
    try:
        yield
    finally:
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)


def _in_one_line(ask: Ask) -> Ask:
    """As if all were one user."""
    return lambda arrival: ask(replace(arrival, user="all"))
