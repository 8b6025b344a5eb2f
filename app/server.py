"""One ASGI app: the chat at /, the ops pages at /ops, the LangSmith API, the OpenAI-compatible API, health."""

from __future__ import annotations

import hmac
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from langsmith import uuid7

from agents.turn import Asker
from app.api.documents import documents_router
from app.api.health import health_checks, health_router
from app.api.openai import openai_router
from app.auth.middleware import SessionMiddleware
from app.auth.sessions import Sessions, current_account
from app.auth.signin import signin_router
from app.auth.users import OPS_ROLES, Account
from app.bootstrap import Parley, ops_api_key
from app.ops.langsmith import Authorize, authorize_by, by_workspace_key, langsmith_app
from app.ops.store import OpsStore
from app.ops.views import OpsState, build_deep_links, build_ops, build_public
from app.ops.views.state import NOBODY
from app.security import SecurityHeaders

ROOT = Path(__file__).parent.parent


def build_app(parley: Parley) -> FastAPI:
    """The whole web application over one Parley; its lifespan starts and closes the parts."""
    sessions = Sessions(parley.accounts, parley.secret)
    app = FastAPI(title="Parley", lifespan=_lifespan, docs_url=None, redoc_url=None)
    app.state.parley = parley
    app.include_router(health_router(parley))
    app.include_router(signin_router(sessions))
    app.include_router(documents_router(parley.corpus, sessions, parley.release_of))
    app.include_router(openai_router(lambda: parley.assistant, _bearer(parley, sessions), uuid7))
    _add_ops(app, parley, sessions)
    _mount_chat(app, parley, sessions)
    app.add_middleware(SessionMiddleware, sessions=sessions, origins=[parley.settings.url])
    app.add_middleware(SecurityHeaders)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    await app.state.parley.start()
    try:
        yield
    finally:
        await app.state.chat.close()
        await app.state.parley.close()


def _add_ops(app: FastAPI, parley: Parley, sessions: Sessions) -> None:
    """The ops pages and the LangSmith API, for analysts and admins."""
    state = OpsState(
        store=parley.store,
        experiments=parley.settings.experiments,
        checks=lambda: health_checks(parley),
        clock=lambda: datetime.now(UTC),
        outbox_depth=parley.outbox.depth,
        stale=parley.evidence,
        budgets=parley.budgets.spending,
        who=_name,
    )
    analysts = [Depends(sessions.require_role(*OPS_ROLES))]
    app.include_router(build_ops(state), dependencies=analysts)
    app.include_router(build_deep_links(state), dependencies=analysts)
    app.include_router(build_public(parley.workspaces.stores))
    app.mount("/langsmith", langsmith_app(_ops_key(parley), parley.settings.ops, workspaces=parley.workspaces.stores))


def _name(request: Request) -> str:
    account = current_account(request)
    return account.name if account else NOBODY


def _mount_chat(app: FastAPI, parley: Parley, sessions: Sessions) -> None:
    """Chainlit at /. It is configured by environment, which must be set before it is imported."""
    os.environ["CHAINLIT_APP_ROOT"] = str(ROOT)
    os.environ["CHAINLIT_AUTH_SECRET"] = sessions.signing_key
    from chainlit.utils import mount_chainlit

    from app.chat import wiring
    from app.chat.elements import elements_router

    app.state.chat = wiring.connect(parley, sessions).data
    app.include_router(elements_router(app.state.chat, sessions))
    mount_chainlit(app=app, target=str(ROOT / "app" / "main.py"), path="/")


def _bearer(parley: Parley, sessions: Sessions) -> Callable[..., Awaitable[Asker]]:
    """Authentication of the OpenAI-compatible API: a key from `parley keys create`."""

    async def authenticate(account: Account = Depends(sessions.require_key)) -> Asker:  # noqa: B008
        return parley.asker(account)

    return authenticate


def _ops_key(parley: Parley) -> Authorize:
    """Authentication of the LangSmith API: this deployment's own key, an analyst's API key, or a workspace's key."""
    own_key = ops_api_key(parley.secret)

    def own(key: str) -> OpsStore | None:
        return parley.store if hmac.compare_digest(key.encode(), own_key.encode()) else None

    def analysts(key: str) -> OpsStore | None:
        account = parley.accounts.verify_key(key)
        return parley.store if account and account.role in OPS_ROLES else None

    return authorize_by(
        own,
        analysts,
        by_workspace_key(parley.workspaces),
        hint="Send an x-api-key made by `parley keys create` for an analyst or admin, or by `parley ops keys create`.",
    )
