"""Settings of answering: the `[answering]` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AnsweringSettings(BaseModel):
    """How much is quoted, and when the documents count as not answering.

    Of a report that the question names, twice as much is read and quoted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    passages: int = Field(default=5, ge=1)
    """Best passages whose sentences are considered."""
    candidates: int = Field(default=12, ge=1)
    """Sentences that the encoder compares with the question; each costs about 6 ms on two cores."""
    max_sentences: int = Field(default=3, ge=1)
    """Sentences quoted at most."""
    max_chars: int = Field(default=900, ge=100)
    """Characters quoted at most; a longer sentence is cut."""
    score_gap: float = Field(default=0.5, ge=0)
    """A sentence that scores this much below the best one is not quoted."""
    abstain_below: float = Field(default=0.25, ge=0, le=1)
    """Say that the documents don't answer where the likelihood that they do is lower; 0.5 refuses far more."""
    nearest_from: float = Field(default=0.2, ge=-1, le=1)
    """Similarity from which a passage is shown as near to a question that the documents don't answer."""

    def doubled(self) -> AnsweringSettings:
        """The same with twice as much read and quoted."""
        amounts = ("passages", "candidates", "max_sentences", "max_chars")
        return self.model_copy(update={name: 2 * getattr(self, name) for name in amounts})
