"""Where traces go."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class TracingSettings(BaseModel):
    """The sink of traces and feedback."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """URL of a LangSmith API; empty keeps everything in the embedded ops store."""
    api_key: SecretStr = SecretStr("")
    """Key for that API."""
    project: str = "parley"
    """Project under which runs are recorded."""
    max_outbox_bytes: int = Field(default=500_000_000, gt=0)
    """Disk space for what waits for the sink; when it is used up, new traces are dropped and the log says so."""
