"""Which way of answering is better? Experiments, and the arms of one side by side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select

from app.ops.experiments.report import report
from app.ops.experiments.settings import Arm, Experiment
from app.ops.experiments.verdict import broken_split, findings
from app.ops.store.tables import turns
from app.ops.turns import ROOT_NAME
from app.ops.views.addresses import BASE
from app.ops.views.render import not_found, page
from app.ops.views.state import OpsState

MAX_LISTED = 200


@dataclass(frozen=True)
class Listed:
    """One experiment of the list, configured or only recorded."""

    name: str
    experiment: Experiment | None
    turns: int
    users: int
    last: datetime | None

    @property
    def state(self) -> str:
        """What happens with it now."""
        if self.experiment is None:
            return "removed"
        return "running" if self.experiment.enabled else "stopped"


def build_experiments(state: OpsState) -> APIRouter:
    """`/experiments` and `/experiments/{name}`."""
    router = APIRouter(prefix=BASE)

    @router.get("/experiments", response_class=HTMLResponse)
    def experiments() -> HTMLResponse:
        return page("experiments.html", {"experiments": listed(state), "now": state.clock()})

    @router.get("/experiments/{name:path}", response_class=HTMLResponse)
    def experiment(name: str, request: Request) -> HTMLResponse:
        configured = state.experiments.get(name)
        only_new = "new" in request.query_params
        with state.store.read() as db:
            shown = report(db, name, configured, only_new_answers=only_new)
        if configured is None and not shown.arms:
            return not_found("experiment of this name")
        values = {"report": shown, "findings": findings(shown), "broken": broken_split(shown), "only_new": only_new}
        differs = {arm.name: _own_settings(arm) for arm in configured.arms} if configured else {}
        return page("experiment.html", values | {"differs": differs})

    return router


def listed(state: OpsState) -> list[Listed]:
    """Configured experiments in their order, then those that only traces remember."""
    with state.store.read() as db:
        seen = {row.experiment: row for row in db.execute(_recorded())}
    names = [*state.experiments, *(name for name in seen if name not in state.experiments)]
    return [
        Listed(
            name=name,
            experiment=state.experiments.get(name),
            turns=seen[name].turns if name in seen else 0,
            users=seen[name].users if name in seen else 0,
            last=seen[name].last if name in seen else None,
        )
        for name in names
    ]


def _own_settings(arm: Arm) -> list[str]:
    """What this arm does in its own way, as lines."""
    own = arm.model_dump(exclude={"name", "weight"}, exclude_none=True)
    return [f"{key.replace('_', ' ')}: {value}" for key, value in own.items()]


def _recorded() -> Any:
    """What turns say of experiments, the latest first."""
    last = func.max(turns.c.started).label("last")
    users = func.count(turns.c.user_hash.distinct()).label("users")
    wanted = select(turns.c.experiment, func.count().label("turns"), users, last)
    named = (turns.c.name == ROOT_NAME, turns.c.experiment.is_not(None), turns.c.variant.is_not(None))
    return wanted.where(*named).group_by(turns.c.experiment).order_by(last.desc()).limit(MAX_LISTED)
