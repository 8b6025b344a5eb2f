"""What the ops layer itself can be told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

_SCHEMES = ("postgresql://", "postgresql+psycopg://", "postgres://")


class OpsSettings(BaseModel):
    """The embedded store of traces and feedback."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    upload_limit_bytes: int = Field(default=20 * 1024 * 1024, gt=0)
    """The largest request body that the LangSmith API takes, as it was sent."""
    expanded_limit_bytes: int = Field(default=100 * 1024 * 1024, gt=0)
    """The largest request body that the LangSmith API takes, after decompression."""
    keep_days: int = Field(default=0, ge=0, le=36_500)
    """Days that traces are kept, where their project says nothing else; 0 keeps them for ever."""


class DatabaseSettings(BaseModel):
    """Where the ops store keeps its rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr = SecretStr("")
    """`postgresql://user:password@host/database` moves the ops store there; empty keeps it in SQLite files."""

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not url.get_secret_value().startswith(_SCHEMES):
            raise ValueError("must be empty or begin with postgresql://")
        return url
