"""How a turn is bounded."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TurnSettings(BaseModel):
    """Limits and defaults of one turn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_question_chars: int = Field(default=4000, ge=1)
    """Longer questions are refused, and stay in the user's box."""
    turns_per_minute: int = Field(default=30, ge=1)
    """How many turns one user may start in any sixty seconds."""
    history_messages: int = Field(default=20, ge=0)
    """How many earlier messages of the thread a turn recalls."""
    history_chars: int = Field(default=16_000, ge=0)
    """How much text of them at most; the oldest go first, and the reader is told."""
    timeout_s: float = Field(default=120.0, gt=0)
    """A turn that takes longer is ended, and says so."""
    prompt: str = "answer@1"
    """A file of `agents/prompts/` as NAME@VERSION, or what is pinned of the prompt hub as hub:NAME:TAG."""
