"""What the ops layer itself can be told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class OpsSettings(BaseModel):
    """The embedded store of traces and feedback."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    upload_limit_bytes: int = Field(default=20 * 1024 * 1024, gt=0)
    """The largest request body that the LangSmith API takes, as it was sent."""
    expanded_limit_bytes: int = Field(default=100 * 1024 * 1024, gt=0)
    """The largest request body that the LangSmith API takes, after decompression."""
