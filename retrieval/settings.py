"""Settings of retrieval: the `[retrieval]` section."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from retrieval.terms import Language

Precision = Literal["auto", "fp32", "int8"]


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
    """What the collections on the Qdrant server are called; each index has one, and its number is added."""
    encoder: str = Field("all-MiniLM-L6-v2", min_length=1)
    """Sentence encoder: the packaged `all-MiniLM-L6-v2`, a folder that sentence-transformers can load, or a hub id."""
    encoder_languages: tuple[Language, ...] = ("english",)
    """Languages that the encoder knows; questions in others go more by words. Empty where it knows them all."""
    allow_hub: bool = False
    """Whether an encoder or a reranker that is named by its hub id may be downloaded."""
    language: Literal["auto", Language] = "auto"
    """Language of stemming and stop words in the word search; `auto` takes each passage in its own."""
    limit: int = Field(8, ge=1, le=1000)
    """Passages that a search returns."""
    candidates: int = Field(50, ge=1, le=1000)
    """Passages that each of the two searches, by meaning and by words, hands to fusion."""
    dense_weight: float = Field(0.5, ge=0, le=1)
    """Share of meaning, against words, in the fused score."""
    reranker: str = ""
    """Cross-encoder that reads the best passages once more: a folder or a hub id; empty for none."""
    rerank_candidates: int = Field(20, ge=1, le=1000)
    """Passages that the cross-encoder reads, if the search returns no more than that."""
    rerank_timeout_s: float = Field(2.0, gt=0)
    """How long the cross-encoder may take; the order stays as it was where it takes longer."""
    neighbours: int = Field(0, ge=0, le=10)
    """Passages before and after each one found, of the same section, that a search adds behind those found."""
    precision: Precision = "auto"
    """What the encoder calculates in; `auto` is int8 where the processor is faster with it and the vectors agree."""
    batch_characters: int = Field(0, ge=0)
    """Characters that the encoder reads at once; 0 for what is fast: 4,096 on a CPU, and 65,536 on a GPU."""
    keep_releases: int = Field(5, ge=1)
    """Newest releases that a new one keeps, itself included; the one that it was built on is kept too."""
    optimize_above: int = Field(20_000, ge=0)
    """Passages from which a draft builds the graph index before it is published; below, a scan is as fast."""
    quantization: Literal["none", "scalar", "binary"] = "none"
    """Compression of the vectors that the graph index searches: `scalar` to a quarter, `binary` to a 32nd."""
    oversampling: float = Field(4.0, ge=1)
    """How many times as many compressed candidates are compared again in full, so that little is missed."""
