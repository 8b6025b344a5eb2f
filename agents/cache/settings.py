"""Settings of the answer cache: the `[cache]` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CacheSettings(BaseModel):
    """Which answers are kept, in memory only, for whoever asks the same of the same evidence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entries: int = Field(default=1000, ge=0)
    """Answers kept at most; those that were unused for longest go first. 0 keeps none."""
    max_bytes: int = Field(default=4 << 20, ge=0)
    """Memory that they may take together."""
    ttl_s: float = Field(default=3600.0, gt=0)
    """How long an answer is kept, used or not."""
    rewording: bool = True
    """Whether a question that differs only in courtesies, articles and the place of a phrase counts as the same."""
