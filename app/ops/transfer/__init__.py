"""Everything that a workspace holds, as files: out as JSON lines or Parquet, and back in from JSON lines."""

from __future__ import annotations

from app.ops.transfer.export import Transferred, export_store
from app.ops.transfer.load import import_store

__all__ = ["Transferred", "export_store", "import_store"]
