"""The LangSmith wire API over the store."""

from __future__ import annotations

from app.ops.langsmith.app import langsmith_app

__all__ = ["langsmith_app"]
