"""Settings of answering: the `[answering]` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AnsweringSettings(BaseModel):
    """How much is quoted, and when the documents count as not answering.

    Of a report that the question names, twice as many passages are considered, and four times as many sentences quoted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    passages: int = Field(default=5, ge=1)
    """Best passages whose sentences are considered."""
    candidates: int = Field(default=12, ge=1)
    """Sentences that the encoder compares with the question; each costs about 6 ms on two cores."""
    max_sentences: int = Field(default=2, ge=1)
    """Sentences quoted at most."""
    model_sentences: int = Field(default=1, ge=0)
    """Sentences of the model shown at most, below the quotes; a larger model may have more to say."""
    own_words: float = Field(default=0.1, ge=0, le=1)
    """Share of its sentence's telling words that may be in neither quotes nor question; more suits a larger model."""
    max_chars: int = Field(default=900, ge=100)
    """Characters quoted at most; a longer sentence is cut."""
    score_gap: float = Field(default=0.7, ge=0)
    """A sentence that scores this much below the best one is not quoted."""
    abstain_below: float = Field(default=0.2, ge=0, le=1)
    """Say that the documents don't answer where the likelihood that they do is lower; 0.5 refuses far more."""
    nearest_from: float = Field(default=0.2, ge=-1, le=1)
    """Similarity from which a passage is shown as near to a question that the documents don't answer."""

    def for_reports(self) -> AnsweringSettings:
        """The same for a question asked of a whole report."""
        factors = {"passages": 2, "max_sentences": 4, "max_chars": 3}
        return self.model_copy(update={name: factor * getattr(self, name) for name, factor in factors.items()})
