"""How do two traces differ? Side by side: what was answered, how long it took, what it cost, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.ops.store import OpsStore, Run
from app.ops.turns import Turn, turn_with_id
from app.ops.views.addresses import BASE
from app.ops.views.formats import pretty
from app.ops.views.render import not_found, page
from app.ops.views.state import OpsState
from app.ops.views.turns import uuid_or_none
from app.ops.views.words import Piece, differences

MAX_STEPS = 150
"""Of each trace, so many steps are compared."""
MAX_CHARS = 20_000
"""Of each text, so much is compared."""
_FACTS = {
    "outcome": "Ended",
    "experiment": "Experiment",
    "variant": "Arm",
    "model": "Model",
    "prompt_version": "Prompt",
    "corpus_release": "Corpus release",
}


@dataclass(frozen=True)
class Side:
    """One of the two traces."""

    id: UUID
    turn: Turn | None
    runs: list[Run]

    @property
    def root(self) -> Run:
        """The first run that is known."""
        return self.runs[0]


@dataclass(frozen=True)
class Pair:
    """A step of one trace and what stands in its place in the other; None where nothing does."""

    a: Run | None
    b: Run | None
    depth: int
    inputs: list[Piece]
    outputs: list[Piece]

    @property
    def name(self) -> str:
        """What the step is called."""
        run = self.a or self.b
        return run.name if run else ""

    @property
    def differs(self) -> bool:
        """Whether something else went in or came out."""
        return any(piece.kind != "same" for piece in (*self.inputs, *self.outputs))


@dataclass(frozen=True)
class Diff:
    """Two traces side by side."""

    a: Side
    b: Side
    facts: list[tuple[str, str, str]]
    """What was recorded of both and is not the same: name, one, other."""
    question: list[Piece]
    answer: list[Piece]
    pairs: list[Pair]
    is_cut: bool


def build_diff(state: OpsState) -> APIRouter:
    """`/diff?a=…&b=…`, or `/diff?run=…&run=…` as the ticks of a list send it."""
    router = APIRouter(prefix=BASE)

    @router.get("/diff", response_class=HTMLResponse)
    def diff(request: Request) -> HTMLResponse:
        params = request.query_params
        ids = params.getlist("run") or [params.get("a", ""), params.get("b", "")]
        if len(ids) != 2:
            return page("diff_which.html", {"ticked": len(ids)}, status=422)
        sides = [side_of(state.store, known) if (known := uuid_or_none(text.strip())) else None for text in ids]
        if sides[0] is None or sides[1] is None:
            return not_found("trace with this id to compare")
        return page("diff.html", {"diff": diff_of(sides[0], sides[1])})

    return router


def side_of(store: OpsStore, run_id: UUID) -> Side | None:
    """The trace that the run belongs to, or None where it is not known."""
    known = store.runs.many([run_id])
    trace_id = known[0].trace_id if known else run_id
    runs = store.runs.trace(trace_id, limit=MAX_STEPS + 1)
    with store.read() as db:
        return Side(trace_id, turn_with_id(db, trace_id), runs) if runs else None


def diff_of(a: Side, b: Side) -> Diff:
    """The two, aligned."""
    return Diff(
        a=a,
        b=b,
        facts=_facts(a.turn, b.turn),
        question=differences(*(_asked(side)[:MAX_CHARS] for side in (a, b))),
        answer=differences(*(_answered(side)[:MAX_CHARS] for side in (a, b))),
        pairs=[_pair(ours, theirs, depth) for ours, theirs, depth in aligned(a.runs[:MAX_STEPS], b.runs[:MAX_STEPS])],
        is_cut=max(len(a.runs), len(b.runs)) > MAX_STEPS,
    )


def aligned(a: Sequence[Run], b: Sequence[Run]) -> list[tuple[Run | None, Run | None, int]]:
    """Steps of the same name and depth in the same order stand side by side; the others stand alone."""
    ours, theirs = [(_depth(run), run.name) for run in a], [(_depth(run), run.name) for run in b]
    rows: list[tuple[Run | None, Run | None, int]] = []
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(a[a_from:a_to], b[b_from:b_to], strict=True)
            rows += [(one, other, _depth(one)) for one, other in pairs]
        else:
            rows += [(run, None, _depth(run)) for run in a[a_from:a_to]]
            rows += [(None, run, _depth(run)) for run in b[b_from:b_to]]
    return rows


def _depth(run: Run) -> int:
    return min(run.dotted_order.count("."), 12)


def _pair(a: Run | None, b: Run | None, depth: int) -> Pair:
    ins = (_written(a and a.inputs), _written(b and b.inputs))
    outs = (_written(_came_out(a)), _written(_came_out(b)))
    return Pair(a, b, depth, differences(*ins), differences(*outs))


def _came_out(run: Run | None) -> Any:
    return run and (run.error or run.outputs)


def _written(value: Any) -> str:
    return pretty(value)[:MAX_CHARS] if value else ""


def _asked(side: Side) -> str:
    return (side.turn and side.turn.question) or _written(side.root.inputs)


def _answered(side: Side) -> str:
    return (side.turn and (side.turn.answer or side.turn.error)) or _written(_came_out(side.root))


def _facts(a: Turn | None, b: Turn | None) -> list[tuple[str, str, str]]:
    ours: Mapping[str, Any] = vars(a) if a else {}
    theirs: Mapping[str, Any] = vars(b) if b else {}
    return [
        (label, ours.get(name) or "–", theirs.get(name) or "–")
        for name, label in _FACTS.items()
        if ours.get(name) != theirs.get(name)
    ]
