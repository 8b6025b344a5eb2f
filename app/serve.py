"""Starts the web server and says where to click."""

from __future__ import annotations

import gc
import logging
from datetime import timedelta

import uvicorn
from rich.console import Console

from app.bootstrap import Parley, build_parley
from app.listening import is_loopback, refuse_taken_port
from app.server import build_app
from app.settings import Settings

SIGNIN_LINK_LIFE = timedelta(minutes=30)


def serve(settings: Settings, out: Console) -> None:
    """Serve until interrupted. Raises `PortTaken`."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("chainlit").addFilter(_is_news)
    refuse_taken_port(settings.server.host, settings.server.port)
    parley = build_parley(settings)
    app = build_app(parley)
    _announce(parley, out)  # last: the link must work when it is clicked
    gc.freeze()  # what is loaded by now stays: no collection need walk through it again
    uvicorn.run(
        app,
        host=settings.server.host,
        port=settings.server.port,
        log_level="warning",
        timeout_graceful_shutdown=5,
        ws_max_size=1 << 20,
    )


def _is_news(record: logging.LogRecord) -> bool:
    """Not that the page about Parley is there in one language only, which Chainlit would say at each visit."""
    return not record.getMessage().startswith("Translated markdown file")


def _announce(parley: Parley, out: Console) -> None:
    url = parley.settings.url
    password = parley.accounts.ensure_admin()
    out.print(f"\n[bold]Parley[/bold] is at {url}", highlight=False)
    if password:
        out.print(
            f"  First start: user [bold]admin[/bold], password [bold]{password}[/bold] (shown only now)",
            highlight=False,
        )
    admins = parley.accounts.admins()
    if admins and is_loopback(parley.settings.server.host):
        token = parley.accounts.create_signin_link(admins[0].name, SIGNIN_LINK_LIFE)
        out.print(f"  Sign in with one click (works once): {url}/signin?token={token}", highlight=False, soft_wrap=True)
    out.print(f"  Ops pages: {url}/ops    API: {url}/v1    Ctrl-C stops it\n", highlight=False)
