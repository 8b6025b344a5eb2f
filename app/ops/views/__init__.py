"""The operator pages: one file for each question that an operator asks."""

from __future__ import annotations

from app.ops.views.links import build_deep_links
from app.ops.views.ops import build_ops
from app.ops.views.shared import build_public
from app.ops.views.state import Check, OpsState

__all__ = ["Check", "OpsState", "build_deep_links", "build_ops", "build_public"]
