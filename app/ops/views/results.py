"""How did each experiment on a dataset go? All of them as a table, and one of them run by run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.ops.store import NotFound, OpsStore, Run
from app.ops.store.datasets.experiment_models import Comparison, ResultsQuery
from app.ops.store.datasets.experiment_table import ExperimentRow, experiment_rows
from app.ops.store.datasets.models import Dataset, Example
from app.ops.store.datasets.score_board import ExampleKey, ScoreBoard, read_score_board
from app.ops.store.datasets.scores import Scores
from app.ops.views.addresses import BASE, dataset_url, results_url
from app.ops.views.answers import PageRoute
from app.ops.views.figures import Dot, dots
from app.ops.views.lists import Listed, asked, listed, page_number
from app.ops.views.render import page
from app.ops.views.state import OpsState

PER_PAGE = 50
EXPERIMENTS = 20
COMPARISONS = 20


@dataclass(frozen=True)
class Chart:
    """One key of feedback over the experiments of the page, oldest first."""

    key: str
    keys: list[str]
    rows: list[ExperimentRow]
    """Those that have a score of it."""
    dots: list[Dot]
    low: float
    high: float


@dataclass(frozen=True)
class Result:
    """What an experiment made of one example, one run of it."""

    example: Example
    run: Run
    scores: Scores


@dataclass(frozen=True)
class ResultsPage:
    """The runs of one experiment that an address asks for."""

    dataset: Dataset
    experiment: ExperimentRow
    results: Listed[Result]
    keys: list[str]
    show: str
    key: str
    below: str


def build_results(state: OpsState) -> APIRouter:
    """`/datasets/{id}/experiments` and the page of one of them."""
    router = APIRouter(prefix=f"{BASE}/datasets/{{dataset_id}}/experiments", route_class=PageRoute)
    store = state.store

    @router.get("", response_class=HTMLResponse)
    def experiments(dataset_id: UUID, request: Request) -> HTMLResponse:
        number = page_number(request.query_params)
        dataset = store.datasets.get(dataset_id)
        offset = (number - 1) * EXPERIMENTS
        with store.read() as db:
            rows = experiment_rows(db, dataset_id, limit=EXPERIMENTS, offset=offset)
        shown = listed(rows, dataset.session_count, number, EXPERIMENTS, lambda to: _experiments_url(dataset_id, to))
        values = {
            "dataset": dataset,
            "list": shown,
            "keys": _keys(rows),
            "chart": chart(rows, asked(request.query_params, "chart")),
            "comparisons": _comparisons(store, dataset_id),
        }
        return page("dataset_experiments.html", values)

    @router.get("/{project_id}", response_class=HTMLResponse)
    def experiment(dataset_id: UUID, project_id: UUID, request: Request) -> HTMLResponse:
        shown = results_page(store, dataset_id, project_id, request)
        return page("dataset_experiment.html", {"shown": shown, "dataset": shown.dataset})

    return router


def chart(rows: Sequence[ExperimentRow], key: str) -> Chart | None:
    """The key that was asked for, or the first one; None where there is nothing to see."""
    keys = _keys(rows)
    key = key if key in keys else next(iter(keys), "")
    scored = [one for one in reversed(rows) if key in one.scores]
    if len(scored) < 2:
        return None
    means = [one.scores[key].mean for one in scored]
    low, high = (0.0, 1.0) if min(means) >= 0 and max(means) <= 1 else (min(means), max(means))
    return Chart(key, keys, scored, dots(means, low, high, 160), low, high)


def results_page(store: OpsStore, dataset_id: UUID, project_id: UUID, request: Request) -> ResultsPage:
    """The page that the address asks for. Raises NotFound."""
    params = request.query_params
    show, key, below = (asked(params, name) for name in ("show", "key", "below"))
    number = page_number(params)
    with store.read() as db:
        rows = experiment_rows(db, dataset_id, ids=[project_id])
        board = read_score_board(db, dataset_id, [project_id])
    if not rows:
        raise NotFound("There is no experiment of this id on this dataset.")
    wanted = _wanted(board, project_id, show, key, below)
    on_page = [UUID(str(one)) for one in wanted[(number - 1) * PER_PAGE : number * PER_PAGE]]

    def url(to: int | None) -> str:
        return results_url(dataset_id, project_id, show=show, key=key, below=below, page=to)

    return ResultsPage(
        dataset=store.datasets.get(dataset_id),
        experiment=rows[0],
        results=listed(_results(store, dataset_id, project_id, on_page), len(wanted), number, PER_PAGE, url),
        keys=sorted(board.scores),
        show=show,
        key=key,
        below=below,
    )


def _wanted(board: ScoreBoard, project_id: UUID, show: str, key: str, below: str) -> list[ExampleKey]:
    """The examples that the filter lets through; scored ones from the lowest."""
    found = [one for one in board.order if one in board.failed[project_id]] if show == "errors" else board.order
    if key not in board.scores:
        return found
    scores, limit = board.of(key, project_id), _number(below)
    return sorted((one for one in found if one in scores and scores[one] < limit), key=lambda one: scores[one])


def _results(store: OpsStore, dataset_id: UUID, project_id: UUID, example_ids: list[UUID]) -> list[Result]:
    if not example_ids:
        return []
    wanted = ResultsQuery(dataset_id=dataset_id, project_ids=[project_id], example_ids=example_ids)
    found = {one.example.id: one for one in store.experiments.results(wanted)}
    return [
        Result(found[one].example, run, found[one].scores.get(run.id, {}))
        for one in example_ids
        if one in found
        for run in found[one].runs
    ]


def _comparisons(store: OpsStore, dataset_id: UUID) -> list[Comparison]:
    return store.comparisons.find(dataset_id, limit=COMPARISONS)


def _keys(rows: Sequence[ExperimentRow]) -> list[str]:
    return sorted({key for one in rows for key in one.scores})


def _number(text: str) -> float:
    """Infinity where the text is no number."""
    try:
        number = float(text)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(number) else number


def _experiments_url(dataset_id: UUID, page: int | None) -> str:
    return dataset_url(dataset_id, "experiments", page=page)
