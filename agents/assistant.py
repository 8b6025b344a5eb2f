"""The assistant: runs turns, one at a time per thread, and streams what they show."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import cast
from weakref import WeakValueDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langsmith import Client, trace, tracing_context
from langsmith.run_trees import RunTree

from agents.errors import DeadlineExceeded, RailsUnavailable, SearchUnavailable, TurnError
from agents.graph import build_graph
from agents.record import keep, root_metadata, root_outputs, settle
from agents.state import Parts, Turn
from agents.turn import Asker, Delta, Evidence, Finished, Message, TurnEvent, TurnRequest, TurnResult
from rails import RailFailed
from retrieval.errors import RetrievalError

log = logging.getLogger(__name__)

STOPPED = "*Stopped.*"
FLUSH_TIMEOUT_S = 1.0
_Item = TurnEvent | BaseException | None


class Assistant:
    """Answers questions. Build it with its parts; close it when the process ends.

    `traces` is a LangSmith client; without one, turns are not traced. `on_ended` is told of each turn that was begun,
    however it ended, and who asked.
    """

    def __init__(
        self,
        parts: Parts,
        checkpointer: BaseCheckpointSaver,
        *,
        traces: Client | None = None,
        project: str = "parley",
        root_name: str = "turn",
        on_ended: Callable[[Asker, TurnResult], None] = lambda asker, result: None,
    ) -> None:
        self._parts = parts
        self._graph = build_graph(checkpointer)
        self._traces = traces
        self._project = project
        self._root_name = root_name
        self._on_ended = on_ended
        self._threads: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, request: TurnRequest) -> TurnResult:
        """Run a turn to its end. Raises `TurnError`."""
        async with aclosing(self.stream(request)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.result
        raise TurnError()

    async def stream(self, request: TurnRequest) -> AsyncGenerator[TurnEvent, None]:
        """Run a turn and yield its events as they happen; closing the iterator stops the turn.

        The turn runs in a task of its own: the tracing context stays inside it, and a reader that goes away
        cancels it at the token it has reached. Raises `TurnError`.
        """
        events: asyncio.Queue[_Item] = asyncio.Queue()
        task = asyncio.create_task(self._run(request, events), name=f"turn {request.turn_id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            while (item := await events.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            task.cancel()
            # Not `await task`: a reader that is cancelled again and again would cancel the turn's last steps with it.
            await asyncio.wait({task})

    async def forget(self, thread_id: str) -> None:
        """Delete what the assistant remembers of a thread."""
        await self._graph.checkpointer.adelete_thread(thread_id)  # type: ignore[union-attr]

    async def _run(self, request: TurnRequest, events: asyncio.Queue[_Item]) -> None:
        """One whole turn, ending the queue with None or with the error that the reader is to see."""
        try:
            async with self._threads.setdefault(request.thread_id, asyncio.Lock()):
                result = await self._traced(request, events)
            await events.put(Finished(result=result))
            await events.put(None)
        except TurnError as error:
            await events.put(error)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("turn %s failed", request.turn_id)
            failed = TurnError(f"Something went wrong on our side. Turn {request.turn_id} has the details in /ops.")
            failed.__cause__ = error
            await events.put(failed)

    async def _traced(self, request: TurnRequest, events: asyncio.Queue[_Item]) -> TurnResult:
        """The turn inside its root run. The run is closed with the turn's record however the turn ends."""
        turn = self._begin(request)
        metadata = {"thread_id": request.thread_id, "user_hash": request.asker.user_hash, "ls_method": "turn"}
        # Not `async with`: a reader that hangs up while it enters would leave a run without an end.
        with (
            tracing_context(enabled=self._traces is not None, client=self._traces, project_name=self._project),
            trace(
                self._root_name,
                run_type="chain",
                run_id=request.turn_id,
                client=self._traces,
                project_name=self._project,
                metadata=metadata,
            ) as run,
        ):
            ended_by = await self._ended_by(turn, events)
            self._record(run, turn)
        if ended_by is not None:
            raise ended_by
        await self._flush()
        return turn.result

    async def _ended_by(self, turn: Turn, events: asyncio.Queue[_Item]) -> BaseException | None:
        """Run the turn to its end, and give back what ended it early.

        It is not raised here: the root run would take its stack trace for the turn's error.
        """
        try:
            await self._through_stages(turn, events)
        except TurnError as error:
            turn.result.error = {"code": error.code, "message": error.message}
            return error
        except asyncio.CancelledError as error:
            await asyncio.shield(self._stop(turn))
            return error
        except Exception as error:
            turn.result.error = {"code": TurnError.code, "message": type(error).__name__}
            return error
        finally:
            settle(turn)
            keep(turn)
            self._on_ended(turn.request.asker, turn.result)
        return None

    def _record(self, run: RunTree, turn: Turn) -> None:
        """Write the turn's record into its root run."""
        run.inputs = {"question": turn.result.question}
        run.add_metadata(root_metadata(turn))
        run.end(outputs=root_outputs(turn.result), error=_error_line(turn.result))
        if self._traces is not None:
            # The question was not known when the run was posted: the rails had not yet redacted it.
            run.patch(exclude_inputs=False)

    async def _flush(self) -> None:
        """Have the finished turn's trace on disk before the turn is reported: the client holds it for half a second."""
        if self._traces is not None:
            await asyncio.to_thread(self._traces.flush, FLUSH_TIMEOUT_S)

    def _begin(self, request: TurnRequest) -> Turn:
        result = TurnResult(turn_id=request.turn_id, thread_id=request.thread_id, status="failed", question="", text="")
        return Turn(request=request, parts=self._parts, result=result, started=self._parts.clock())

    async def _through_stages(self, turn: Turn, events: asyncio.Queue[_Item]) -> None:
        """Run the graph and pass on what its stages write."""
        try:
            async with asyncio.timeout(self._parts.settings.timeout_s):
                async for event in self._graph.astream(
                    {}, self._config(turn), context=turn, stream_mode="custom", durability="exit"
                ):
                    if isinstance(event, Evidence | Delta):
                        turn.result.text += event.text
                    if isinstance(event, Delta):
                        turn.said.append(event.text)
                    await events.put(cast(TurnEvent, event))
        except TimeoutError as error:
            raise DeadlineExceeded() from error
        except RetrievalError as error:
            raise SearchUnavailable() from error
        except RailFailed as error:
            raise RailsUnavailable() from error

    async def _stop(self, turn: Turn) -> None:
        """Keep what a stopped turn had shown, so that the next one in the thread knows of it."""
        turn.result.status = "stopped"
        if not turn.result.question:
            return
        said = f"{turn.result.text}\n\n{STOPPED}".strip()
        messages = [
            Message(role="user", content=turn.result.question),
            Message(role="assistant", content=said),
        ]
        await self._graph.aupdate_state(
            self._config(turn), {"messages": [m.model_dump() for m in messages]}, as_node="record"
        )

    def _config(self, turn: Turn) -> RunnableConfig:
        return {"configurable": {"thread_id": turn.request.thread_id}, "run_name": "graph"}


def _error_line(result: TurnResult) -> str | None:
    """What the trace says of a turn that failed."""
    return f"{result.error['code']}: {result.error['message']}" if result.error else None
