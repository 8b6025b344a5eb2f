"""What a turn costs beyond model, encoder and search, traced and not, beside bare LangGraph and beside a busy store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypedDict

import uvicorn
from fastapi import FastAPI, Request
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langsmith import uuid7
from rich.progress import Progress

from agents.assistant import Assistant
from agents.turn import Asker, TurnRequest
from app.bootstrap import Parley, build_parley
from app.ops.langsmith import langsmith_app
from app.ops.store import OpsStore
from app.settings import Settings
from app.tracing import Outbox, TracingSettings, build_client
from evals.bench.figures import Figure, Target, alternately, median, quantile
from evals.bench.timed import Stopwatch, TimedChat, TimedEmbedder, timed_corpus
from evals.questions import docs_cases
from evals.setup import free_port, ingest_docs, trial_settings
from retrieval.embedding import build_embedder

STAGES = 10
"""Stages of a turn that looks something up."""
BLOCK = 20
"""Turns of one kind, one after the other."""
EVERY_S = 0.15
"""A turn of a block begins: sooner than a model on the same machine could answer the one before."""
SETTLE_S = 1.0
"""After a block, for what is still on its way into the store."""
WARM_UP_S = 300
AGAINST = f"LangGraph, {STAGES} empty nodes"

Ask = Callable[[str], Awaitable[object]]


def measure(folder: Path, progress: Progress, *, turns: int = 60) -> list[Figure]:
    """Turns on the sample documents, with the model without weights and the real encoder and index."""
    times, beside = asyncio.run(_measure(folder, progress, turns))
    added_ms = median(beside["stored"]) - median(beside["discarded"])
    return [
        Figure(
            f"{name} of a turn without its engines, {side}",
            "ms",
            quantile(times[side], share),
            quantile(times["bare"], share),
            AGAINST,
        )
        for side in ("untraced", "traced")
        for name, share in (("p50", 0.5), ("p95", 0.95))
    ] + [
        Figure(
            "added to a turn, at the median, by the store in its process",
            "ms",
            added_ms,
            against="a sink that keeps nothing",
            target=Target("parley", "≤", 2),
        )
    ]


Times = dict[str, list[float]]
"""Milliseconds outside the engines, by side."""


async def _measure(folder: Path, progress: Progress, turns: int) -> tuple[Times, Times]:
    """Turns on their own, and turns while the traces of those before are sent to a sink."""
    engines = Stopwatch()
    questions = [case.question for case in docs_cases()]
    async with AsyncExitStack() as stack:
        parley = await stack.enter_async_context(_parley(trial_settings(folder), engines))
        untraced = Assistant(parley.parts, await stack.enter_async_context(_checkpoints(folder / "untraced.db")))
        bare = _bare_graph(await stack.enter_async_context(_checkpoints(folder / "bare.db")))
        sides: dict[str, Ask] = {
            "untraced": lambda question: untraced.ask(_request(question)),
            "traced": lambda question: parley.assistant.ask(_request(question)),
            "bare": lambda question: _run(bare, question),
        }
        for ask in sides.values():
            await ask(questions[0])
        times: Times = {name: [] for name in sides}
        for turn, name in progress.track(alternately(list(sides), turns), description="turn overhead"):
            times[name].append(await _timed(sides[name], questions[turn % len(questions)], engines))
            await asyncio.to_thread(parley.traces.flush)
        url = await stack.enter_async_context(_sinks(parley.store))
        sinks: dict[str, Ask] = {}
        for name in ("discarded", "stored"):
            assistant = await stack.enter_async_context(_traced_into(f"{url}/{name}", parley, folder / name))
            sinks[name] = lambda question, assistant=assistant: assistant.ask(_request(question))  # type: ignore[misc]
        beside: Times = {name: [] for name in sinks}
        blocks = max(1, 4 * turns // BLOCK)  # more, as what is looked for is smaller than what turns differ by
        for block, name in progress.track(alternately(list(sinks), blocks), description="turns beside the store"):
            for turn in range(BLOCK):
                question = questions[(block * BLOCK + turn) % len(questions)]
                beside[name].append(await _timed(sinks[name], question, engines))
                await asyncio.sleep(max(0, EVERY_S - beside[name][-1] / 1000))
            await asyncio.sleep(SETTLE_S)
    return times, beside


async def _timed(ask: Ask, question: str, engines: Stopwatch) -> float:
    """Milliseconds of a turn outside its engines."""
    engines.take_s()
    began = time.perf_counter()
    await ask(question)
    return (time.perf_counter() - began - engines.take_s()) * 1000


@asynccontextmanager
async def _sinks(store: OpsStore) -> AsyncIterator[str]:
    """The URL below which this process serves, as the product does, the store, and a sink that keeps nothing."""

    async def authorize(request: Request) -> OpsStore:
        return store

    async def discard(request: Request) -> None:
        await request.body()

    app = FastAPI()
    app.add_api_route("/discarded/runs/multipart", discard, methods=["POST"], status_code=202)
    app.mount("/stored", langsmith_app(authorize))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@asynccontextmanager
async def _traced_into(url: str, parley: Parley, folder: Path) -> AsyncIterator[Assistant]:
    """An assistant like Parley's own, whose traces go to this sink."""
    outbox = Outbox.open(TracingSettings(), folder / "outbox", url)
    traces = build_client(TracingSettings(), outbox)
    async with _checkpoints(folder / "checkpoints.db") as checkpoints:
        yield Assistant(parley.parts, checkpoints, traces=traces, project="bench")
    await asyncio.to_thread(traces.close)
    outbox.close()


@asynccontextmanager
async def _parley(settings: Settings, engines: Stopwatch) -> AsyncIterator[Parley]:
    """A started, warm Parley over the sample documents, with the stopwatch on its engines."""
    embedder = TimedEmbedder(build_embedder(settings.retrieval), engines)
    await asyncio.to_thread(ingest_docs, settings, embedder)
    parley = build_parley(settings, model=TimedChat(stopwatch=engines), embedder=embedder)
    parley.corpus.close()
    parley.parts = replace(parley.parts, corpus=timed_corpus(settings, embedder, engines))
    await parley.start()
    try:
        await asyncio.wait_for(parley.warm.wait(), WARM_UP_S)
        yield parley
    finally:
        await parley.close()


@asynccontextmanager
async def _checkpoints(file: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """Checkpoints kept the way Parley keeps its own."""
    async with AsyncSqliteSaver.from_conn_string(str(file)) as saver:
        await saver.conn.execute("PRAGMA synchronous = NORMAL")
        await saver.setup()
        yield saver


def _request(question: str) -> TurnRequest:
    turn_id = uuid7()
    return TurnRequest(turn_id=turn_id, thread_id=str(turn_id), question=question, asker=Asker(user_hash="bench"))


class _State(TypedDict):
    messages: Annotated[list[str], lambda old, new: old + new]


def _bare_graph(checkpointer: AsyncSqliteSaver) -> CompiledStateGraph:
    """As many nodes as a turn has stages, which do nothing; the first keeps a message."""

    async def first(state: _State) -> _State:
        return {"messages": ["What was asked."]}

    async def empty(state: _State) -> None:
        return None

    graph = StateGraph(_State)
    graph.add_sequence([("first", first), *((f"stage {number}", empty) for number in range(1, STAGES))])
    graph.add_edge(START, "first")
    return graph.compile(checkpointer=checkpointer)


async def _run(graph: CompiledStateGraph, question: str) -> None:
    config: RunnableConfig = {"configurable": {"thread_id": str(uuid7())}}
    async for _ in graph.astream({"messages": [question]}, config, stream_mode="custom", durability="exit"):
        pass
