"""What a client asks before it begins: what this server can do, and whose it is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from app.ops.langsmith.request import Store, limits
from app.ops.store.models import DEFAULT_PROJECT

_SPOKEN_VERSION = "0.18.15"
"""The LangSmith server whose protocol this is: clients take features from it."""


router = APIRouter()
"""Open to all: a client that fails to read it falls back to slow, blocking calls for its whole life."""
workspace_router = APIRouter()


@router.get("/info")
def info(request: Request) -> dict[str, Any]:
    """What this server can do."""
    return {
        "version": _SPOKEN_VERSION,
        "license_expiration_time": None,
        "batch_ingest_config": {
            "use_multipart_endpoint": True,
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 4,
            "scale_down_nempty_trigger": 4,
            "size_limit": 100,
            "size_limit_bytes": limits(request).upload_limit_bytes,
        },
        "instance_flags": {
            "zstd_compression_enabled": True,
            "ch_query_enabled": True,
            "sdb_query_enabled": True,
            "dataset_examples_multipart_enabled": True,
            "examples_multipart_enabled": True,
        },
    }


@workspace_router.get("/settings")
def workspace(store: Store) -> dict[str, Any]:
    """Whose store it is."""
    (default,) = store.projects.find(name=DEFAULT_PROJECT)
    return {
        "id": str(store.workspace.id),
        "display_name": store.workspace.name,
        "created_at": default.created_at.isoformat(),
        "tenant_handle": store.workspace.name,
    }
