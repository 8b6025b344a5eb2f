"""The LangSmith wire API over the store."""

from __future__ import annotations

from app.ops.langsmith.access import authorize_by, by_workspace_key
from app.ops.langsmith.app import Authorize, langsmith_app

__all__ = ["Authorize", "authorize_by", "by_workspace_key", "langsmith_app"]
