"""The whole product, light: `python light_server.py`, with the public fakes for the encoder and the model.

Settings come by the environment, as everywhere.
"""

from __future__ import annotations

from app.environment import prepare_environment

prepare_environment()

import uvicorn  # noqa: E402

from agents.models.scripted import ScriptedChat  # noqa: E402
from app.bootstrap import build_parley  # noqa: E402
from app.server import build_app  # noqa: E402
from app.settings import load_settings  # noqa: E402
from retrieval.embedding import HashingEmbedder  # noqa: E402

if __name__ == "__main__":
    settings = load_settings()
    app = build_app(build_parley(settings, model=ScriptedChat(), embedder=HashingEmbedder()))
    uvicorn.run(app, host="127.0.0.1", port=settings.server.port, log_level="warning")
