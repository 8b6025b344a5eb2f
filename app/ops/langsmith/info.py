"""What a client asks before it begins: what this server can do, and whose it is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.ops.langsmith.wire import TENANT_ID
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore
from app.ops.store.models import DEFAULT_PROJECT

_SPOKEN_VERSION = "0.18.15"
"""The LangSmith server whose protocol this is: clients take features from it."""


def info_routes(settings: OpsSettings) -> APIRouter:
    """GET /info, open to all: a client that fails to read it falls back to slow, blocking calls for its whole life."""
    router = APIRouter()

    @router.get("/info")
    def info() -> dict[str, Any]:
        return {
            "version": _SPOKEN_VERSION,
            "license_expiration_time": None,
            "batch_ingest_config": {
                "use_multipart_endpoint": True,
                "scale_up_qsize_trigger": 1000,
                "scale_up_nthreads_limit": 4,
                "scale_down_nempty_trigger": 4,
                "size_limit": 100,
                "size_limit_bytes": settings.upload_limit_bytes,
            },
            "instance_flags": {
                "zstd_compression_enabled": True,
                "ch_query_enabled": True,
                # Runs are served in v2 as well, but threads and traces are not, so v2 is not promised whole.
                "sdb_query_enabled": False,
                "dataset_examples_multipart_enabled": False,
                "examples_multipart_enabled": False,
            },
        }

    return router


def workspace_routes(store: OpsStore) -> APIRouter:
    """GET /settings: the one workspace there is."""
    router = APIRouter()

    @router.get("/settings")
    def workspace() -> dict[str, Any]:
        (default,) = store.projects(DEFAULT_PROJECT)
        return {
            "id": str(TENANT_ID),
            "display_name": "Parley",
            "created_at": default.created_at.isoformat(),
            "tenant_handle": None,
        }

    return router
