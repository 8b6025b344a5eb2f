"""Is it alive, is it ready, and which part is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from app.ops.views import Check

if TYPE_CHECKING:
    from app.bootstrap import Parley

OUTBOX_STALE_S = 60.0
NEXT_RELEASE = "next release"
CIRCUIT = "circuit of model"
DISPENSABLE = ("traces", NEXT_RELEASE, CIRCUIT)
"""What answers don't need: without traces, from the release before, and from the quotes alone, they go on."""


async def health_checks(parley: Parley) -> list[Check]:
    """One line for each part: what it is, whether it works, and what to do if it doesn't."""
    trouble = parley.corpus.trouble()
    waiting = [Check(NEXT_RELEASE, False, trouble)] if trouble else []
    return [_models(parley), *_circuits(parley), _corpus(parley), *waiting, _outbox(parley)]


def _models(parley: Parley) -> Check:
    warm = parley.warm.is_set()
    detail = parley.models.name_of(None) if warm else "loading; if this stays, the server's log says why"
    return Check("model", warm, detail)


def _circuits(parley: Parley) -> list[Check]:
    """One line for each model that is left alone, or being tried again; answers go on without it."""
    breakers = parley.models.breakers()
    return [
        Check(f"{CIRCUIT} {name}", False, f"fails; left alone for {breaker.trial_in_s:.0f} s, then tried again")
        for name, breaker in breakers.items()
        if breaker.state != "closed"
    ]


def _corpus(parley: Parley) -> Check:
    release = parley.corpus.release()
    if release.number == 0:
        return Check("corpus", False, "no documents yet; run `parley ingest FOLDER`")
    return Check("corpus", True, f"release {release.number}")  # how much it holds is not everybody's to know


def _outbox(parley: Parley) -> Check:
    depth, age_s = parley.outbox.depth(), parley.outbox.oldest_age_s()
    if age_s > OUTBOX_STALE_S:
        return Check(
            "traces", False, f"{depth} requests wait for {parley.outbox.endpoint}, the oldest for {age_s:.0f} s"
        )
    return Check("traces", True, f"{parley.outbox.endpoint}, {depth} requests waiting")


def health_router(parley: Parley) -> APIRouter:
    """`/healthz` (alive), `/readyz` (able to answer), `/metrics` (Prometheus)."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """Every part that an answer needs is ready; 503 names those that are not."""
        checks = await health_checks(parley)
        ready = all(check.ok for check in checks if not check.name.startswith(DISPENSABLE))
        body = {"ready": ready, "checks": {check.name: {"ok": check.ok, "detail": check.detail} for check in checks}}
        return JSONResponse(body, status_code=200 if ready else 503)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Prometheus exposition."""
        parley.metrics.outbox_depth.set(parley.outbox.depth())
        parley.metrics.kept_answers.set(len(parley.parts.cache))
        for name, breaker in parley.models.breakers().items():
            parley.metrics.circuit_open.labels(name).set(breaker.state != "closed")
        return Response(parley.metrics.render(), media_type="text/plain; version=0.0.4")

    return router
