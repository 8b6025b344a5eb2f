"""Every form of the operator pages stands behind the check of where a request comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute

from app.auth.middleware import SessionMiddleware
from app.auth.sessions import Sessions
from app.auth.settings import AuthSettings
from app.auth.users import Accounts
from app.ops.store import OpsStore
from app.ops.views import Check, OpsState, build_ops
from app.secret import Secret

HOME = "http://ops.example"
ID = "7e6a0a7c-0b0f-4b0e-8d3b-3f7f8d0f5a11"


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[TestClient]:
    async def checks() -> list[Check]:
        return []

    store = OpsStore.open(tmp_path / "ops")
    accounts = Accounts.open(tmp_path / "chat.db", AuthSettings())
    app = FastAPI()
    app.include_router(build_ops(OpsState(store, {}, checks, clock=lambda: datetime.now(UTC))))
    app.add_middleware(SessionMiddleware, sessions=Sessions(accounts, Secret.load(tmp_path / "secret")))
    with TestClient(app, base_url=HOME, follow_redirects=False) as client:
        yield client
    accounts.close()
    store.close()


def forms(routes: Sequence[BaseRoute]) -> Iterator[str]:
    """The addresses of all forms, those of included routers too."""
    for route in routes:
        if included := getattr(route, "original_router", None):
            yield from forms(included.routes)
        elif "POST" in (getattr(route, "methods", None) or ()):
            yield route.path  # type: ignore[attr-defined]


def test_a_form_that_another_site_sends_is_refused(pages: TestClient) -> None:
    addresses = list(forms(pages.app.routes))
    assert len(addresses) > 15
    for path in addresses:
        address = path.format_map(dict.fromkeys(_names(path), ID))
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert pages.post(address, data={"name": "x"}, headers=headers).status_code == 403, path
        assert pages.post(address, data={}, headers={"Origin": HOME}).status_code != 403, path


def _names(path: str) -> list[str]:
    return [part.split("}")[0] for part in path.split("{")[1:]]
