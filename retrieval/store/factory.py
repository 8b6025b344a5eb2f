"""Which engine holds the passages."""

from __future__ import annotations

from pathlib import Path

from retrieval.settings import RetrievalSettings
from retrieval.store.base import Compression, Stores


def build_stores(settings: RetrievalSettings, folder: Path, *, owner: str) -> Stores:
    """Qdrant Edge in `folder`, or the server at `settings.url`, where `owner` marks the collection as this corpus's."""
    compression = Compression(settings.quantization, settings.oversampling)
    if settings.url:
        from retrieval.store.server import ServerStores

        return ServerStores.connect(settings, owner, compression)
    from retrieval.store.edge import EdgeStores

    return EdgeStores(folder, settings.optimize_above, compression)
