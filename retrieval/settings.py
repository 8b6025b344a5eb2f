"""Settings of retrieval: the `[retrieval]` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class RetrievalSettings(BaseModel):
    """Where passages are kept, how they are embedded, and how many a search returns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = ""
    """Address of a Qdrant server; empty keeps the passages in the data directory, in an embedded Qdrant Edge."""
    api_key: SecretStr = SecretStr("")
    """Key for the Qdrant server, where it asks for one."""
    timeout_s: float = Field(10.0, gt=0)
    """How long to wait for the Qdrant server."""
    collection: str = Field("parley", min_length=1)
    """Collection to use on the Qdrant server."""
    encoder: str = Field("all-MiniLM-L6-v2", min_length=1)
    """Sentence encoder: the packaged `all-MiniLM-L6-v2`, a folder that sentence-transformers can load, or a hub id."""
    allow_hub: bool = False
    """Whether an encoder that is named by its hub id may be downloaded."""
    language: str = "english"
    """Language of stemming and stop words in the word search."""
    limit: int = Field(8, ge=1, le=1000)
    """Passages that a search returns."""
    candidates: int = Field(50, ge=1, le=1000)
    """Passages that each of the two searches, by meaning and by words, hands to fusion."""
    dense_weight: float = Field(0.5, ge=0, le=1)
    """Share of meaning, against words, in the fused score."""
    batch_size: int = Field(32, ge=1)
    """Passages that the encoder reads at once."""
    keep_releases: int = Field(5, ge=1)
    """Newest releases that a new one keeps, itself included; the one that it was built on is kept too."""
    optimize_above: int = Field(20_000, ge=0)
    """Passages from which a draft builds the graph index before it is published; below, a scan is as fast."""
