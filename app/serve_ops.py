"""Starts the ops layer alone, and says how programs and people reach it."""

from __future__ import annotations

import gc
import logging

import uvicorn
from rich.console import Console

from app.listening import is_loopback, refuse_taken_port
from app.ops.server import OpsParts, build_ops_app
from app.ops.store.workspaces import Workspaces
from app.ops.views.addresses import BASE
from app.ops_store import open_workspaces
from app.secret import Secret
from app.settings import Settings


def serve_ops(settings: Settings, out: Console) -> None:
    """Serve until interrupted. Raises `PortTaken`."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    refuse_taken_port(settings.server.host, settings.server.port)
    workspaces = open_workspaces(settings)
    parts = OpsParts(
        workspaces=workspaces,
        settings=settings.ops,
        signing_key=Secret.load(settings.data_dir / "secret").derive("ops sessions"),
        origins=(settings.url,),
        experiments=settings.experiments,
    )
    app = build_ops_app(parts)
    _announce(settings, workspaces, app.state.signins.create_link_token(), out)
    gc.freeze()  # what is loaded by now stays: no collection need walk through it again
    try:
        uvicorn.run(
            app,
            host=settings.server.host,
            port=settings.server.port,
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
    finally:
        workspaces.close()


def _announce(settings: Settings, workspaces: Workspaces, link_token: str, out: Console) -> None:
    def say(line: str) -> None:
        out.print(line, highlight=False, soft_wrap=True)

    url = settings.url
    say(f"\n[bold]Parley operations[/bold] are at {url}{BASE}")
    if workspaces.api_keys():
        say(f"  Programs send their traces to LANGSMITH_ENDPOINT={url} with a key from `parley ops keys create`.")
    else:
        key = workspaces.create_key(workspaces.default.workspace, "first")
        say("  Programs send their traces here with these variables; the key is shown only now:")
        say(f"    export LANGSMITH_ENDPOINT={url}")
        say(f"    export LANGSMITH_API_KEY={key}")
        say("  LANGSMITH_TRACING=true switches tracing on in a LangChain program.")
    if is_loopback(settings.server.host):
        say(f"  Sign in with one click (works once): {url}/signin?token={link_token}")
    say("  Ctrl-C stops it\n")
