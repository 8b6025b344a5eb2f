"""What happened in this turn? One trace: question, answer, evidence, judgements, and every step in time."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection, select

from app.ops.store import Feedback, NotFound, OpsStore, Project, Run
from app.ops.store.tables import examples, turns
from app.ops.turns import Turn, TurnFilter, find_turns, turn_with_id, turns_numbered
from app.ops.views import recorded
from app.ops.views.addresses import BASE, turn_url
from app.ops.views.messages import Message, answered, asked
from app.ops.views.render import not_found, page
from app.ops.views.shared import shared_link
from app.ops.views.state import OpsState
from app.ops.views.steps import Step, Tree, errors_of, read_tree, unfold
from app.ops.views.turns import uuid_or_none

MAX_RETRIEVERS = 20
MAX_JUDGED = 1000
NEIGHBOURS = 15
TWINS = 5


@dataclass(frozen=True)
class Trace:
    """Everything that the page of one trace shows."""

    id: UUID
    root: Run
    """The first run that is known, where the root itself has not arrived."""
    turn: Turn | None
    """None where the root itself has not arrived."""
    project: Project | None
    tree: Tree
    errors: list[tuple[Step, str]]
    """The steps that failed, each with its message."""
    asked: list[Message]
    """What went in and out, where it is a conversation and no chat turn."""
    replied: list[Message]
    answer: list[tuple[str, int | None]]
    """In pieces: text, and the number where the text is the mark of a citation."""
    citations: list[recorded.Citation]
    evidence: list[recorded.Evidence]
    verdicts: list[recorded.Verdict]
    attempts: list[recorded.Attempt]
    """The models that were asked for its words, in their order."""
    route: str
    """The rule that chose the first of them."""
    stages: list[tuple[str, float]]
    """In their order, with seconds."""
    feedback: list[Feedback]
    thread: list[Turn]
    """The turns of its conversation around it, oldest first, itself included."""
    dataset_id: UUID | None
    """Of the example that the trace answers, where it is one of an experiment on a dataset."""
    twins: list[Turn]
    """The same question at other times, or answered by another arm."""

    @property
    def before(self) -> Turn | None:
        """The turn before it in its conversation."""
        earlier = [one for one in self.thread if self.turn and one.started < self.turn.started]
        return earlier[-1] if earlier else None


def build_trace(state: OpsState) -> APIRouter:
    """`/turns/{run_id}`."""
    router = APIRouter(prefix=BASE)

    @router.get("/turns/{run_id}", response_model=None)
    def trace(run_id: str, request: Request) -> Response:
        wanted = uuid_or_none(run_id)
        found = read_trace(state.store, wanted) if wanted else None
        if found:
            token = state.store.shares.tokens([found.id]).get(found.id)
            share = shared_link(request, token, "r")
            return page("trace.html", {"trace": found, "now": state.clock(), "trace_id": found.id, "share": share})
        children = state.store.runs.many([wanted]) if wanted else []
        if children:
            return RedirectResponse(f"{turn_url(children[0].trace_id)}#run-{wanted}", status_code=303)
        return not_found("turn with this id")

    return router


def read_trace(store: OpsStore, trace_id: UUID) -> Trace | None:
    """The trace, or None where nothing of it is known."""
    with store.read() as db:
        tree = read_tree(db, trace_id)
        if tree is None:
            return None
        turn = turn_with_id(db, trace_id)
        errors = errors_of(db, tree.failed())
        thread = _around(db, turn) if turn else []
        twins = _twins(db, turn) if turn else []
    unfold(tree.tops)
    root = store.runs.get(trace_id if trace_id in tree.steps else next(iter(tree.steps)))
    cited = recorded.citations(root)
    is_chat = bool(turn and turn.question and (turn.answer or not root.outputs))
    return Trace(
        id=trace_id,
        root=root,
        turn=turn,
        project=_project(store, root),
        tree=tree,
        errors=errors,
        asked=[] if is_chat else asked(root.inputs),
        replied=[] if is_chat else answered(root.outputs),
        answer=recorded.pieces((turn and turn.answer) or "", cited),
        citations=cited,
        evidence=recorded.evidence(_retrievers(store, tree), cited),
        verdicts=recorded.verdicts(root),
        attempts=recorded.attempts(root),
        route=recorded.route(root),
        stages=recorded.stages(root),
        feedback=store.feedback.find(run_ids=list(tree.steps)[:MAX_JUDGED], limit=100),
        thread=thread,
        dataset_id=_dataset_id(store, root),
        twins=twins,
    )


def _retrievers(store: OpsStore, tree: Tree) -> list[Run]:
    found = [step.id for step in tree.steps.values() if step.run_type == "retriever"]
    return store.runs.many(found[:MAX_RETRIEVERS])


def _project(store: OpsStore, root: Run) -> Project | None:
    try:
        return store.projects.get(root.project_id)
    except NotFound:
        return None


def _dataset_id(store: OpsStore, root: Run) -> UUID | None:
    if root.reference_example_id is None:
        return None
    with store.read() as db:
        return db.scalar(select(examples.c.dataset_id).where(examples.c.id == root.reference_example_id).limit(1))


def _around(db: Connection, turn: Turn) -> list[Turn]:
    """The turns before and after it in its conversation, itself among them."""
    if turn.thread_id is None:
        return []
    talk = select(turns.c.num).where(turns.c.thread_id == turn.thread_id)
    before = talk.where(turns.c.started <= turn.started).order_by(turns.c.started.desc()).limit(NEIGHBOURS)
    after = talk.where(turns.c.started > turn.started).order_by(turns.c.started).limit(NEIGHBOURS)
    return turns_numbered(db, [*reversed(db.scalars(before).all()), *db.scalars(after).all()])


def _twins(db: Connection, turn: Turn) -> list[Turn]:
    """Other turns with the same question."""
    if not turn.question:
        return []
    same = find_turns(db, TurnFilter(question=turn.question, everything=True), limit=TWINS + 1)
    return [twin for twin in same if twin.id != turn.id][:TWINS]
