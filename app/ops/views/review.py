"""What do people say about it? One item of a queue at a time, worked from the keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.ops.store import NotFound, OpsStore, Run, RunQuery, StoreError
from app.ops.store.datasets.models import ExampleQuery
from app.ops.store.models import FeedbackFields
from app.ops.store.queues.models import Item, ItemQuery, Queue, Review
from app.ops.views.addresses import BASE, queue_url
from app.ops.views.answers import Form, PageRoute, see
from app.ops.views.json_fields import explained
from app.ops.views.lists import asked
from app.ops.views.queues import Progress, progress
from app.ops.views.render import page
from app.ops.views.rubric import MOST_KEYS, NOTE, Answer, Question, questions, read_answers
from app.ops.views.state import OpsState
from app.ops.views.turns import uuid_or_none

TALK = 20
"""Of a thread, so many turns are shown."""
SAID = {"done": "Saved.", "skipped": "Skipped: it comes again at the end.", "undone": "Taken back; answer it again."}


@dataclass(frozen=True)
class ReviewPage:
    """One item to look at."""

    queue: Queue
    progress: Progress
    item: Item | None
    """None where nothing waits for the reviewer."""
    runs: list[Run]
    """The run, or the turns of the thread."""
    expected: dict[UUID, dict[str, Any] | None]
    """By example: what should have been answered."""
    questions: list[Question]
    last: UUID | None
    """The item before it, which can be taken back."""
    said: str
    form: dict[str, str]
    problem: str = ""


def build_review(state: OpsState) -> APIRouter:
    """`/queues/{id}/review` and its three verbs: done, skip, undo."""
    router = APIRouter(prefix=f"{BASE}/queues/{{queue_id}}", route_class=PageRoute)
    store = state.store

    @router.get("/review", response_class=HTMLResponse)
    def review(queue_id: UUID, request: Request) -> HTMLResponse:
        params = request.query_params
        item_id, last = (uuid_or_none(asked(params, name)) for name in ("item", "last"))
        shown = review_page(store, queue_id, state.who(request), item_id, last, SAID.get(asked(params, "said"), ""))
        if shown.item and shown.queue.enable_reservations:
            store.queues.items.review(shown.item.id, Review(status="viewed"), reviewer=state.who(request))
        return _shown(shown)

    @router.post("/done", response_model=None)
    def done(queue_id: UUID, request: Request, form: Form) -> Response:
        who = state.who(request)
        item = store.queues.board(queue_id, who).get(_item(form))
        try:
            answers = read_answers(questions(store, store.queues.get(queue_id)), form)
            _give(store, item, who, answers, form.get("comment"))
        except (ValueError, StoreError) as error:
            shown = review_page(store, queue_id, who, item.id, None, "", dict(form), explained(error))
            return _shown(shown)
        store.queues.items.review(item.id, Review(status="completed"), reviewer=who)
        return see(queue_url(queue_id, "review", last=item.id, said="done"))

    @router.post("/skip")
    def skip(queue_id: UUID, request: Request, form: Form) -> RedirectResponse:
        item = store.queues.board(queue_id, who := state.who(request)).get(_item(form))
        to_the_end = Review(status=None, override_added_at=state.clock())
        store.queues.items.review(item.id, to_the_end, reviewer=who)
        return see(queue_url(queue_id, "review", last=item.id, said="skipped"))

    @router.post("/undo")
    def undo(queue_id: UUID, request: Request, form: Form) -> RedirectResponse:
        item = store.queues.board(queue_id, who := state.who(request)).get(_item(form))
        _take_back(store, item, who, questions(store, store.queues.get(queue_id)))
        store.queues.items.review(item.id, Review(status=None, override_added_at=None), reviewer=who)
        return see(queue_url(queue_id, "review", item=item.id, said="undone"))

    return router


def review_page(
    store: OpsStore,
    queue_id: UUID,
    who: str,
    item_id: UUID | None,
    last: UUID | None,
    said: str,
    form: dict[str, str] | None = None,
    problem: str = "",
) -> ReviewPage:
    """The item that is asked for, or the next that waits for this reviewer. Raises NotFound."""
    queue, board = store.queues.get(queue_id), store.queues.board(queue_id, who)
    waiting = board.find(ItemQuery(section="needs_my_review"), limit=1)
    item = board.get(item_id) if item_id else next(iter(waiting), None)
    runs = _runs(store, item) if item else []
    return ReviewPage(
        queue=queue,
        progress=progress(store, queue, who),
        item=item,
        runs=runs,
        expected=_expected(store, runs),
        questions=questions(store, queue),
        last=last,
        said=said,
        form=form or {},
        problem=problem,
    )


def _runs(store: OpsStore, item: Item) -> list[Run]:
    if item.run_id:
        return store.runs.many([item.run_id])
    wanted = RunQuery(project_ids=[item.project_id], thread_id=item.thread_id, is_root=True, limit=TALK)
    return store.runs.query(wanted).runs[::-1]


def _expected(store: OpsStore, runs: Sequence[Run]) -> dict[UUID, dict[str, Any] | None]:
    ids = [run.reference_example_id for run in runs if run.reference_example_id]
    return {one.id: one.outputs for one in store.examples.find(ExampleQuery(ids=ids))} if ids else {}


def _give(store: OpsStore, item: Item, who: str, answers: list[Answer], comment: str | None) -> None:
    """Store what a reviewer said; saying it again replaces it."""
    runs = _runs(store, item)
    if not runs:
        raise NotFound("The run has been deleted. Skip this item, or take it out of the queue.")
    source = {"type": "app", "metadata": {"reviewer": who, "annotation_queue_id": str(item.queue_id)}}
    spoken = [FeedbackFields(key=one.key, score=one.score, value=one.value, run_id=runs[-1].id) for one in answers]
    if comment:
        spoken.append(FeedbackFields(key=NOTE, comment=comment, run_id=runs[-1].id))
    for one in spoken:
        store.feedback_configs.check(one.key, one.score)
    for one in spoken:
        told = {"id": _feedback_id(item, who, one.key), "feedback_source": source, "session_id": item.project_id}
        store.feedback.add(one.model_copy(update=told))


def _take_back(store: OpsStore, item: Item, who: str, asked_about: list[Question]) -> None:
    for key in {*(question.key for question in asked_about), NOTE}:
        try:
            store.feedback.delete(_feedback_id(item, who, key))
        except NotFound:  # this key had no answer
            continue


def _feedback_id(item: Item, who: str, key: str) -> UUID:
    """The same for the same reviewer, item and key: an answer that is given again replaces the first."""
    return uuid5(item.id, f"{who}\n{key}")


def _item(form: Form) -> UUID:
    item_id = uuid_or_none(form.get("item", ""))
    if item_id is None:
        raise NotFound("The form names no item of the queue.")
    return item_id


def _shown(shown: ReviewPage) -> HTMLResponse:
    values = {"shown": shown, "queue": shown.queue, "most_keys": MOST_KEYS}
    return page("review.html", values, status=422 if shown.problem else 200)
