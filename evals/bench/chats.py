"""Eight chats at once on the engine, beside llama-server with eight slots and beside one locked `llama_cpp.Llama`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from joblib import cpu_count
from llama_cpp import Llama
from rich.progress import Progress

from agents.models.files import find_gguf
from agents.models.local import LlamaChat
from agents.models.settings import ModelSettings
from evals.bench.chat_prompts import INSTRUCTIONS, Messages, Prompts
from evals.bench.figures import Figure, Target, alternately, median, quantile
from evals.bench.llama_server import HOW_TO_BUILD, find_llama_server, llama_server, stream

CHATS = 8
LANE_TOKENS = 1024
WARM_UP: list[Messages] = [[{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": "Hello!"}]]
LOCKED = "llama_cpp.Llama behind a lock"

Ask = Callable[[Messages, int], AsyncIterator[str]]


@dataclass(frozen=True)
class Round:
    """All chats of one side, asked at once."""

    total_s: float
    first_s: list[float]
    """Of each chat, from when all were asked to its first word."""
    pieces: int


def measure(
    folder: Path,
    progress: Progress,
    *,
    repetitions: int = 5,
    chats: int = CHATS,
    tokens: int = 48,
    passage_chars: int = 620,
) -> list[Figure]:
    """The same prompts to each side in turns; each repetition has prompts of its own, so that none was read before."""
    threads, prompts = cpu_count(only_physical_cores=True), Prompts(passage_chars)
    with ExitStack() as stack:
        sides: dict[str, Ask] = {"parley": _parley(stack, chats, threads), "locked": _locked(stack, threads)}
        if program := find_llama_server():
            url = stack.enter_context(
                llama_server(
                    program,
                    find_gguf("local"),
                    slots=chats,
                    slot_tokens=LANE_TOKENS,
                    threads=threads,
                    log=folder / "llama-server.log",
                )
            )
            sides["server"] = lambda messages, most: stream(url, messages, most)
        rounds = asyncio.run(_rounds(sides, [prompts.round(chats) for _ in range(repetitions)], tokens, progress))
        followed = asyncio.run(_followed(sides["parley"], [prompts.round(1)[0] for _ in range(repetitions)], tokens))
    return [*_beside_server(rounds, chats), _beside_locked(rounds, chats), _follow_up(followed)]


def _beside_server(rounds: dict[str, list[Round]], chats: int) -> Iterator[Figure]:
    takes: dict[str, tuple[Callable[[Round], float], float | None]] = {
        "total time": (lambda one: one.total_s, 1.05),
        "p50 of the time to first token": (lambda one: median(one.first_s), None),
        "p95 of the time to first token": (lambda one: quantile(one.first_s, 0.95), 1.0),
    }
    for what, (take, most) in takes.items():
        side = {name: median([take(one) for one in ran]) for name, ran in rounds.items()}
        raw = side.get("server")
        yield Figure(
            f"{chats} chats at once, {what}",
            "s",
            side["parley"],
            raw,
            f"llama-server, {chats} slots" if raw else "",
            Target("ratio", "≤", most) if most else None,
            "" if raw else HOW_TO_BUILD,
        )


def _beside_locked(rounds: dict[str, list[Round]], chats: int) -> Figure:
    rate = {name: median([one.pieces / one.total_s for one in ran]) for name, ran in rounds.items()}
    what, target = f"{chats} chats at once, together", Target("ratio", "≥", 1.3)
    return Figure(what, "tokens/s", rate["parley"], rate["locked"], LOCKED, target)


def _follow_up(followed: list[tuple[float, float]]) -> Figure:
    first, then = (median([pair[at] for pair in followed]) for at in (0, 1))
    return Figure(
        "a follow-up's time to first token", "s", then, first, "the first question's", Target("ratio", "≤", 0.4)
    )


async def _rounds(
    sides: dict[str, Ask], prompts: Sequence[list[Messages]], tokens: int, progress: Progress
) -> dict[str, list[Round]]:
    rounds: dict[str, list[Round]] = {name: [] for name in sides}
    for ask in sides.values():
        await _together(ask, WARM_UP, 2)
    for turn, name in progress.track(alternately(list(sides), len(prompts)), description="chats at once"):
        rounds[name].append(await _together(sides[name], prompts[turn], tokens))
    return rounds


async def _together(ask: Ask, prompts: Sequence[Messages], tokens: int) -> Round:
    began = time.perf_counter()
    came = await asyncio.gather(*(_times(ask, messages, tokens, began) for messages in prompts))
    return Round(time.perf_counter() - began, [times[0] for times in came], sum(map(len, came)))


async def _times(ask: Ask, messages: Messages, tokens: int, began: float) -> list[float]:
    """When each piece of an answer came."""
    return [time.perf_counter() - began async for _ in ask(messages, tokens)]


async def _followed(ask: Ask, prompts: Sequence[Messages], tokens: int) -> list[tuple[float, float]]:
    """Seconds to the first word of each chat's first answer, and of its next one."""
    pairs = []
    for messages in prompts:
        first_s, answer = await _answered(ask, messages, tokens)
        said = [{"role": "assistant", "content": answer}, {"role": "user", "content": "What else does it say?"}]
        pairs.append((first_s, (await _answered(ask, [*messages, *said], tokens))[0]))
    return pairs


async def _answered(ask: Ask, messages: Messages, tokens: int) -> tuple[float, str]:
    began, first_s, said = time.perf_counter(), 0.0, ""
    async for piece in ask(messages, tokens):
        first_s = first_s or time.perf_counter() - began
        said += piece
    return first_s, said


def _parley(stack: ExitStack, lanes: int, threads: int) -> Ask:
    settings = ModelSettings(context_tokens=LANE_TOKENS, parallel=lanes, threads=threads, timeout_s=600)
    chat = LlamaChat.build(settings.model_copy(update={"first_token_timeout_s": 600.0}))
    stack.callback(chat.close)

    async def ask(messages: Messages, tokens: int) -> AsyncIterator[str]:
        async for chunk in chat.astream(messages, max_tokens=tokens):
            if chunk.text:
                yield chunk.text

    return ask


def _locked(stack: ExitStack, threads: int) -> Ask:
    """One request after the other, each computed in a thread as a web server would do it."""
    llama = Llama(str(find_gguf("local")), n_ctx=LANE_TOKENS, n_threads=threads, n_threads_batch=threads, verbose=False)
    stack.enter_context(closing(llama))
    lock = asyncio.Lock()

    async def ask(messages: Messages, tokens: int) -> AsyncIterator[str]:
        async with lock:
            chunks: Any = llama.create_chat_completion(
                cast(Any, messages), max_tokens=tokens, temperature=0.0, stream=True
            )
            while chunk := await asyncio.to_thread(next, chunks, None):
                if text := chunk["choices"][0]["delta"].get("content"):
                    yield text

    return ask
