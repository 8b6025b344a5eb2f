"""What is spent and left of each budget?"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.ops.budgets import Kind, Spending
from app.ops.views.addresses import BASE
from app.ops.views.render import page
from app.ops.views.state import OpsState

_HEADINGS: dict[Kind, str] = {"team": "Teams", "experiment": "Experiments", "user": "Users"}
MOST = 100
"""Budgets of a kind that are shown."""


def build_budgets(state: OpsState) -> APIRouter:
    """`/budgets`."""
    router = APIRouter(prefix=f"{BASE}/budgets")

    @router.get("", response_class=HTMLResponse)
    def budgets() -> HTMLResponse:
        return page("budgets.html", {"groups": grouped(state.budgets())})

    return router


def grouped(spendings: Sequence[Spending]) -> list[tuple[str, list[Spending]]]:
    """The budgets under their headings, those that are nearest to their end first."""
    by_share = sorted(spendings, key=lambda one: (-one.share, one.payer))
    found = [(heading, [one for one in by_share if one.kind == kind][:MOST]) for kind, heading in _HEADINGS.items()]
    return [(heading, ones) for heading, ones in found if ones]
