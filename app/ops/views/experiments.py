"""Which way of answering is better? Experiments, and the arms of one side by side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.ops.experiments.report import report
from app.ops.experiments.settings import Arm, Experiment
from app.ops.experiments.verdict import broken_split, findings
from app.ops.turns import ROOT_NAME
from app.ops.views.addresses import BASE
from app.ops.views.render import not_found, page
from app.ops.views.state import OpsState


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
    def experiment(name: str) -> HTMLResponse:
        configured = state.experiments.get(name)
        with state.store.read() as db:
            shown = report(db, name, configured)
        if configured is None and not shown.arms:
            return not_found("experiment of this name")
        values = {"report": shown, "findings": findings(shown), "broken": broken_split(shown)}
        differs = {arm.name: _own_settings(arm) for arm in configured.arms} if configured else {}
        return page("experiment.html", values | {"differs": differs})

    return router


def listed(state: OpsState) -> list[Listed]:
    """Configured experiments in their order, then those that only traces remember."""
    with state.store.read() as db:
        seen = {row["name"]: row for row in db.execute(_SEEN, [ROOT_NAME])}
    names = [*state.experiments, *(name for name in seen if name not in state.experiments)]
    return [
        Listed(
            name=name,
            experiment=state.experiments.get(name),
            turns=seen[name]["turns"] if name in seen else 0,
            users=seen[name]["users"] if name in seen else 0,
            last=datetime.fromisoformat(seen[name]["last"]) if name in seen else None,
        )
        for name in names
    ]


def _own_settings(arm: Arm) -> list[str]:
    """What this arm does in its own way, as lines."""
    own = arm.model_dump(exclude={"name", "weight"}, exclude_none=True)
    return [f"{key.replace('_', ' ')}: {value}" for key, value in own.items()]


_SEEN = """
    SELECT CAST(json_extract(extra, '$.metadata.experiment') AS TEXT) AS name, COUNT(*) AS turns,
        COUNT(DISTINCT json_extract(extra, '$.metadata.user_hash')) AS users, MAX(start_time) AS last
    FROM runs
    WHERE parent_run_id IS NULL AND name = ? AND json_extract(extra, '$.metadata.experiment') IS NOT NULL
        AND json_extract(extra, '$.metadata.variant') IS NOT NULL
    GROUP BY 1 ORDER BY last DESC LIMIT 200
"""
