"""Which experiment did better, and on which examples? Two to four of them side by side, against one baseline."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from app.ops.experiments.side_by_side import Preference, Standing, preference, preferred, standing
from app.ops.store import OpsStore, Run
from app.ops.store.datasets.experiment_models import Comparison, ExampleResults, ResultsQuery
from app.ops.store.datasets.experiment_table import ExperimentRow, experiment_rows
from app.ops.store.datasets.models import Dataset, Example
from app.ops.store.datasets.score_board import ExampleKey, ScoreBoard, read_score_board
from app.ops.store.datasets.scores import Scores
from app.ops.views.addresses import BASE
from app.ops.views.answers import PageRoute, see
from app.ops.views.comparison_query import AGAINST, MOST, SHOWS, Query, read_query
from app.ops.views.formats import pretty
from app.ops.views.lists import Listed, listed
from app.ops.views.render import page
from app.ops.views.state import OpsState
from app.ops.views.words import Piece, differences

PER_PAGE = 10
MAX_CHARS = 20_000
"""Of each output, so much is shown and compared."""


@dataclass(frozen=True)
class Answer:
    """What one experiment made of one example."""

    experiment: UUID
    runs: list[Run]
    scores: Scores
    """Of its runs; for the first one where there are several."""
    marks: dict[str, str]
    """By key: better, worse or same as the baseline."""
    text: str
    pieces: list[Piece]
    """Its output against what it is compared with; empty where it is shown as it is."""
    is_preferred: bool


@dataclass(frozen=True)
class Row:
    """One example and what the experiments made of it."""

    example: Example
    answers: list[Answer]


@dataclass(frozen=True)
class SideBySide:
    """The whole page."""

    dataset: Dataset
    experiments: list[ExperimentRow]
    """The baseline first."""
    standings: dict[str, list[Standing]]
    """By key: the other experiments against the baseline."""
    lower: set[str]
    """Keys of which a lower score is better."""
    preferences: list[Preference]
    comparison: Comparison | None
    rows: Listed[Row]


def build_comparison(state: OpsState) -> APIRouter:
    """`/datasets/{id}/compare`."""
    router = APIRouter(prefix=BASE, route_class=PageRoute)

    @router.get("/datasets/{dataset_id}/compare", response_model=None)
    def compare(dataset_id: UUID, request: Request) -> Response:
        dataset = state.store.datasets.get(dataset_id)
        query = read_query(dataset_id, request)
        if not 2 <= len(query.ids) <= MOST:
            return _choose(state.store, dataset, query)
        shown = side_by_side(state.store, dataset, query)
        if len(shown.experiments) != len(query.ids):
            return see(query.url(selectedSessions=",".join(str(one.project.id) for one in shown.experiments)))
        return page("comparison.html", {"shown": shown, "query": query, "shows": SHOWS, "againsts": AGAINST})

    return router


def side_by_side(store: OpsStore, dataset: Dataset, query: Query) -> SideBySide:
    """Everything on the page."""
    with store.read() as db:
        found = {one.project.id: one for one in experiment_rows(db, dataset.id, ids=query.ids)}
        ids = [one for one in query.ids if one in found]
        board = read_score_board(db, dataset.id, ids)
        judged = read_score_board(db, dataset.id, ids, query.comparison_id) if query.comparison_id else None
    lower = _lower_is_better(store, board.scores) ^ set(query.turned_keys)
    standings = {
        key: [standing(board, key, ids[0], one, lower_is_better=key in lower) for one in ids[1:]]
        for key in sorted(board.scores)
    }
    wanted = _wanted(query, board, standings)
    on_page = wanted[(query.page - 1) * PER_PAGE : query.page * PER_PAGE]
    rows = _rows(store, query, ids, standings, on_page, judged)
    return SideBySide(
        dataset=dataset,
        experiments=[found[one] for one in ids],
        standings=standings,
        lower=lower,
        preferences=[preference(judged, key, ids) for key in sorted(judged.scores)] if judged else [],
        comparison=_comparison(store, dataset.id, query.comparison_id),
        rows=listed(rows, len(wanted), query.page, PER_PAGE, lambda to: query.url(page=to)),
    )


def _lower_is_better(store: OpsStore, keys: Collection[str]) -> set[str]:
    return {one.feedback_key for one in store.feedback_configs.find(keys=keys) if one.is_lower_score_better}


def _wanted(query: Query, board: ScoreBoard, standings: Mapping[str, Sequence[Standing]]) -> list[ExampleKey]:
    """The examples that the filter lets through."""
    if query.show == "all":
        return board.order
    if query.show == "errors":
        chosen = frozenset[ExampleKey]().union(*board.failed.values())
    else:
        some = [one for key, of_key in standings.items() if query.key in ("", key) for one in of_key]
        chosen = frozenset[ExampleKey]().union(*(getattr(one, query.show) for one in some))
    return [one for one in board.order if one in chosen]


def _rows(
    store: OpsStore,
    query: Query,
    ids: Sequence[UUID],
    standings: Mapping[str, Sequence[Standing]],
    on_page: Sequence[ExampleKey],
    judged: ScoreBoard | None,
) -> list[Row]:
    example_ids = [UUID(str(one)) for one in on_page]
    asked_for = ResultsQuery(
        dataset_id=query.dataset_id, project_ids=[*ids], example_ids=example_ids, comparison_id=query.comparison_id
    )
    results = {one.example.id: one for one in store.experiments.results(asked_for)} if ids and example_ids else {}
    return [
        Row(results[one].example, _answers(query, ids, standings, results[one], raw, _winner(judged, ids, raw)))
        for one, raw in zip(example_ids, on_page, strict=True)
        if one in results
    ]


def _answers(
    query: Query,
    ids: Sequence[UUID],
    standings: Mapping[str, Sequence[Standing]],
    result: ExampleResults,
    raw: ExampleKey,
    winner: UUID | None,
) -> list[Answer]:
    by_experiment = {one: [run for run in result.runs if run.project_id == one] for one in ids}
    baseline = by_experiment[ids[0]]
    answers = []
    for position, one in enumerate(ids):
        runs = by_experiment[one]
        output = runs[0].outputs if runs else None
        other = _other(query.against, result.example, baseline, is_baseline=position == 0)
        text, wanted = comparable(output, other), comparable(other, output)
        answers.append(
            Answer(
                experiment=one,
                runs=runs,
                scores=result.scores.get(runs[0].id, {}) if runs else {},
                marks=_marks(standings, position - 1, raw) if position else {},
                text=text,
                pieces=differences(wanted, text) if text and wanted not in ("", text) else [],
                is_preferred=one == winner,
            )
        )
    return answers


def _other(against: str, example: Example, baseline: Sequence[Run], *, is_baseline: bool) -> Any:
    """What an output is compared with; None for nothing."""
    if against == "reference":
        return example.outputs
    return baseline[0].outputs if against == "baseline" and baseline and not is_baseline else None


def _marks(standings: Mapping[str, Sequence[Standing]], place: int, raw: ExampleKey) -> dict[str, str]:
    return {
        key: "better" if raw in of_key[place].better else "worse" if raw in of_key[place].worse else "same"
        for key, of_key in standings.items()
    }


def _winner(judged: ScoreBoard | None, ids: Sequence[UUID], raw: ExampleKey) -> UUID | None:
    """Of the first key that decides it."""
    if judged is None:
        return None
    return next((one for key in sorted(judged.scores) if (one := preferred(judged, key, ids, raw))), None)


def _comparison(store: OpsStore, dataset_id: UUID, comparison_id: UUID | None) -> Comparison | None:
    return next(iter(store.comparisons.find(dataset_id, ids=[comparison_id])), None) if comparison_id else None


def _choose(store: OpsStore, dataset: Dataset, query: Query) -> HTMLResponse:
    projects = store.projects.find(reference_dataset_ids=[dataset.id])[:200]
    return page("choose_experiments.html", {"dataset": dataset, "projects": projects, "query": query, "most": MOST})


def comparable(value: Any, other: Any) -> str:
    """What of a value is compared with another: the fields that both have, a lone one without its name."""
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        value = {key: value[key] for key in value if key in other} or value
    if isinstance(value, Mapping) and len(value) == 1:
        (value,) = value.values()
    return "" if value is None else pretty(value)[:MAX_CHARS]
