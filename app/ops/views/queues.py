"""What should people look at? Annotation queues: how far each one is, and what goes into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.ops.store import NotFound, OpsStore, Run, StoreError
from app.ops.store.queues.models import Item, ItemFields, ItemQuery, Queue, QueueFields, RubricItem
from app.ops.views.addresses import BASE, queue_url
from app.ops.views.answers import Form, PageRoute, see
from app.ops.views.collecting import MOST_RUNS
from app.ops.views.json_fields import explained
from app.ops.views.lists import Listed, listed, page_number
from app.ops.views.render import page
from app.ops.views.rubric import questions
from app.ops.views.state import OpsState
from app.ops.views.turns import uuid_or_none

PER_PAGE = 50
QUEUES = 200


@dataclass(frozen=True)
class Progress:
    """One queue and how far it is."""

    queue: Queue
    total: int
    done: int
    mine: int
    """How many wait for the visitor."""

    @property
    def share(self) -> float:
        """Of its items, the part that is done."""
        return self.done / self.total if self.total else 0.0


@dataclass(frozen=True)
class Entry:
    """One item of a queue, with the run that it is about; None where that is a thread."""

    item: Item
    run: Run | None


def build_queues(state: OpsState) -> APIRouter:
    """`/queues`, one queue, and the forms that make and fill them."""
    router = APIRouter(prefix=f"{BASE}/queues", route_class=PageRoute)
    store = state.store

    @router.get("", response_class=HTMLResponse)
    def queues(request: Request) -> HTMLResponse:
        return _list_page(store, state.who(request), {})

    @router.post("", response_model=None)
    def create(request: Request, form: Form) -> Response:
        try:
            made = store.queues.create(queue_fields(form))
        except (ValueError, StoreError) as error:
            return _list_page(store, state.who(request), dict(form), explained(error))
        return see(queue_url(made.id))

    @router.get("/add", response_class=HTMLResponse)
    def add_form(request: Request) -> HTMLResponse:
        return _add_page(store, request.query_params.getlist("run"))

    @router.post("/add", response_model=None)
    def add(form: Form) -> Response:
        runs = form.getlist("run")
        if "save" not in form:
            return _add_page(store, runs)
        try:
            queue_id = _chosen(store, form)
            store.queues.items.add(queue_id, [ItemFields(run_id=run.id) for run in _runs(store, runs)])
        except (ValueError, StoreError) as error:
            return _add_page(store, runs, explained(error))
        return see(queue_url(queue_id))

    @router.get("/{queue_id}", response_class=HTMLResponse)
    def queue(queue_id: UUID, request: Request) -> HTMLResponse:
        who, number = state.who(request), page_number(request.query_params)
        shown = store.queues.get(queue_id)
        entries = queue_entries(store, shown, who, number)
        values = {"queue": shown, "progress": progress(store, shown, who), "list": entries}
        return page("queue.html", values | {"questions": questions(store, shown)})

    router.include_router(_removing(store))
    return router


def _removing(store: OpsStore) -> APIRouter:
    router = APIRouter(route_class=PageRoute)

    @router.post("/{queue_id}/remove")
    def remove(queue_id: UUID, form: Form) -> RedirectResponse:
        store.queues.items.remove(queue_id, [one for text in form.getlist("item") if (one := uuid_or_none(text))])
        return see(queue_url(queue_id))

    @router.post("/{queue_id}/delete")
    def delete(queue_id: UUID) -> RedirectResponse:
        store.queues.delete(queue_id)
        return see(f"{BASE}/queues")

    return router


def progress(store: OpsStore, queue: Queue, who: str) -> Progress:
    """How far the queue is, and what of it waits for this reviewer."""
    board = store.queues.board(queue.id, who)
    done = board.count(ItemQuery(archived=True))
    return Progress(queue, done + queue.total_runs, done, board.count(ItemQuery(section="needs_my_review")))


def queue_entries(store: OpsStore, queue: Queue, who: str, number: int) -> Listed[Entry]:
    """One page of its items, in their order."""
    board = store.queues.board(queue.id, who)
    items = board.find(limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
    runs = {run.id: run for run in store.runs.many([item.run_id for item in items if item.run_id])}
    entries = [Entry(item, runs.get(item.run_id) if item.run_id else None) for item in items]
    return listed(entries, board.count(), number, PER_PAGE, lambda to: queue_url(queue.id, page=to))


def queue_fields(form: Form) -> QueueFields:
    """The queue that a form describes. Raises ValueError with a sentence."""
    rubric = [_rubric_item(line) for line in form.get("rubric", "").splitlines() if line.strip()]
    keys = [item.feedback_key for item in rubric]
    if len(set(keys)) < len(keys):
        raise ValueError("Two lines of the rubric have the same name.")
    if "name" not in form:
        raise ValueError("The queue needs a name.")
    return QueueFields(
        name=form["name"],
        description=form.get("description"),
        rubric_instructions=form.get("instructions"),
        rubric_items=rubric,
        num_reviewers_per_item=int(reviewers) if (reviewers := form.get("reviewers", "1")).isdecimal() else 1,
    )


def _rubric_item(line: str) -> RubricItem:
    """`name: worst, …, best`; without answers it is a yes or no."""
    key, _, answers = line.partition(":")
    labels = [label for part in answers.split(",") if (label := part.strip())]
    if len(labels) == 1:
        raise ValueError(f"“{key.strip()[:60]}” needs at least two answers to choose from, or none at all.")
    scores = {str(score): label for score, label in enumerate(labels)}
    return RubricItem(feedback_key=key.strip(), score_descriptions=scores or None, is_required=True)


def _list_page(store: OpsStore, who: str, form: dict[str, str], problem: str = "") -> HTMLResponse:
    shown = [progress(store, queue, who) for queue in store.queues.find(limit=QUEUES)]
    return page("queues.html", {"queues": shown, "form": form, "problem": problem}, status=422 if problem else 200)


def _add_page(store: OpsStore, ids: Sequence[str], problem: str = "") -> HTMLResponse:
    values = {"runs": _runs(store, ids), "queues": store.queues.find(limit=QUEUES), "problem": problem}
    return page("add_to_queue.html", values, status=422 if problem else 200)


def _runs(store: OpsStore, ids: Sequence[str]) -> list[Run]:
    """Raises NotFound where none is left."""
    wanted = [one for text in ids[:MOST_RUNS] if (one := uuid_or_none(text))]
    if found := store.runs.many(wanted):
        return found
    raise NotFound("Tick at least one trace that is still there, and try again.")


def _chosen(store: OpsStore, form: Form) -> UUID:
    if name := form.get("name"):
        return store.queues.create(QueueFields(name=name)).id
    if chosen := uuid_or_none(form.get("queue", "")):
        return chosen
    raise ValueError("Choose a queue, or write the name of a new one.")
