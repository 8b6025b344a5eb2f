"""The product as `parley run` serves it, which also writes down, once a second, how it is inside.

python -m evals.soak.server FILE
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil
import uvicorn

from agents.models.engine import Engine
from app.bootstrap import build_parley
from app.server import build_app
from app.settings import load_settings
from evals.soak.inside import look

EVERY_S = 1.0


async def main(file: Path) -> None:
    """Serve until told to stop."""
    settings = load_settings()
    parley = build_parley(settings)
    app, host, port = build_app(parley), settings.server.host, settings.server.port
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning"))
    watching = asyncio.create_task(_watch(parley.models.get().engine, file))  # type: ignore[attr-defined]
    await server.serve()
    watching.cancel()


async def _watch(engine: Engine, file: Path) -> None:
    process = psutil.Process()
    while True:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(look(engine, process).model_dump_json() + "\n")
        await asyncio.sleep(EVERY_S)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
