"""The one LangSmith client of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from app.tracing.outbox import Outbox
from app.tracing.settings import TracingSettings

if TYPE_CHECKING:
    from langsmith import Client

# Stated instead of asked: a client whose first GET /info fails sends without compression and blocks in
# `create_feedback` for as long as it lives.
SINK: dict[str, Any] = {
    "version": "0.18.15",
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "size_limit": 100,
        "size_limit_bytes": 20_971_520,
        "scale_up_qsize_trigger": 1000,
        "scale_up_nthreads_limit": 4,
        "scale_down_nempty_trigger": 4,
    },
    "instance_flags": {"zstd_compression_enabled": True},
}


def build_client(settings: TracingSettings, outbox: Outbox) -> Client:
    """An ordinary LangSmith client whose writes go through the outbox. Use it explicitly; close it before the outbox.

    It records every turn, whatever sampling the environment asks for, and leaves the environment's values out of runs.
    """
    from langsmith import Client

    session = requests.Session()
    session.trust_env = not outbox.is_embedded
    client = Client(
        api_url=outbox.endpoint,
        api_key=outbox.api_key,
        workspace_id="" if outbox.is_embedded else None,
        session=session,
        info=SINK,
        tracing_sampling_rate=1.0,
        omit_traced_runtime_info=True,
        disable_prompt_cache=True,
    )
    session.mount(outbox.endpoint, outbox.adapter())  # after the client has mounted its own
    return client
