"""What happened in this turn? One trace: question, answer, evidence, judgements, and every step in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from app.ops.store import Feedback, Run
from app.ops.turns import Turn, TurnFilter, read_turns
from app.ops.views import recorded
from app.ops.views.addresses import BASE, turn_url
from app.ops.views.figures import WIDTH, Bar, span
from app.ops.views.render import not_found, page
from app.ops.views.state import OpsState

MAX_STEPS = 500
MAX_DEPTH = 12
NEIGHBOURS = 30
TWINS = 5


@dataclass(frozen=True)
class Step:
    """One run of the trace, placed in the waterfall."""

    run: Run
    depth: int
    start_s: float
    """From the start of the trace."""
    bar: Bar
    first_token_x: float | None
    """Where in the picture the first token came."""


@dataclass(frozen=True)
class Trace:
    """Everything that the page of one trace shows."""

    id: UUID
    root: Run
    """The first run that is known, where the root itself has not arrived."""
    turn: Turn | None
    """None where the root itself has not arrived."""
    steps: list[Step]
    more_steps: int
    answer: list[tuple[str, int | None]]
    """In pieces: text, and the number where the text is the mark of a citation."""
    citations: list[recorded.Citation]
    evidence: list[recorded.Evidence]
    verdicts: list[recorded.Verdict]
    stages: list[tuple[str, float]]
    """In their order, with seconds."""
    feedback: list[Feedback]
    thread: list[Turn]
    """The turns of its conversation, oldest first, itself included."""
    twins: list[Turn]
    """The same question at other times, or answered by another arm."""


def build_trace(state: OpsState) -> APIRouter:
    """`/turns/{run_id}`."""
    router = APIRouter(prefix=BASE)

    @router.get("/turns/{run_id}", response_model=None)
    def trace(run_id: str) -> Response:
        wanted = _uuid(run_id)
        found = read_trace(state, wanted) if wanted else None
        if found:
            return page("trace.html", {"trace": found, "now": state.clock()})
        child = state.store.run(wanted) if wanted else None
        if child:
            return RedirectResponse(f"{turn_url(child.trace_id)}#run-{child.id}", status_code=303)
        return not_found("turn with this id")

    return router


def read_trace(state: OpsState, trace_id: UUID) -> Trace | None:
    """The trace, or None where nothing of it is known."""
    runs = state.store.trace(trace_id)
    if not runs:
        return None
    root = next((run for run in runs if run.id == trace_id), runs[0])
    turn, thread, twins = _turns(state, trace_id)
    cited = recorded.citations(root)
    return Trace(
        id=trace_id,
        root=root,
        turn=turn,
        steps=_steps(runs[:MAX_STEPS]),
        more_steps=max(0, len(runs) - MAX_STEPS),
        answer=recorded.pieces((turn and turn.answer) or "", cited),
        citations=cited,
        evidence=recorded.evidence(runs, cited),
        verdicts=recorded.verdicts(root),
        stages=recorded.stages(root),
        feedback=state.store.feedback(run_ids=[run.id for run in runs], limit=100),
        thread=thread,
        twins=twins,
    )


def _turns(state: OpsState, trace_id: UUID) -> tuple[Turn | None, list[Turn], list[Turn]]:
    """The turn itself, its conversation, and other turns with the same question."""
    with state.store.read() as db:
        itself = TurnFilter(run=str(trace_id), everything=True)
        turn = next(read_turns(db, itself, texts=True), None)
        if turn is None:
            return None, [], []
        thread = TurnFilter(thread=turn.thread_id)
        twins = TurnFilter(question=turn.question)
        talk = read_turns(db, thread, sort="oldest", limit=NEIGHBOURS, texts=True) if turn.thread_id else ()
        same = read_turns(db, twins, limit=TWINS + 1) if turn.question else ()
        return turn, list(talk), [twin for twin in same if twin.id != turn.id][:TWINS]


def _steps(runs: Sequence[Run]) -> list[Step]:
    start = min(run.start_time for run in runs)
    total_s = max(((run.end_time or run.start_time) - start).total_seconds() for run in runs)
    depths: dict[UUID | None, int] = {}
    steps = []
    for run in runs:
        depths[run.id] = depths.get(run.parent_run_id, -1) + 1
        start_s = (run.start_time - start).total_seconds()
        bar = span(start_s, ((run.end_time or run.start_time) - run.start_time).total_seconds(), total_s)
        steps.append(Step(run, min(depths[run.id], MAX_DEPTH), start_s, bar, _first_token_x(run, start, total_s)))
    return steps


def _first_token_x(run: Run, start: datetime, total_s: float) -> float | None:
    if run.first_token_time is None or not total_s:
        return None
    x = (run.first_token_time - start).total_seconds() / total_s * WIDTH
    return round(x, 2) if 0 <= x <= WIDTH else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
