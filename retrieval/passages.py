"""The vocabulary of retrieval: documents, passages, hits."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

EVERYONE = "everyone"
"""The reader group that every signed-in user belongs to."""


class Document(BaseModel):
    """One ingested file: where it came from, what it held, who may read it."""

    model_config = ConfigDict(frozen=True)

    id: str
    """UUID derived from `source`, so that a changed file keeps its identity."""
    source: str
    """Where the file lies: an absolute path, or a URI."""
    name: str
    """What readers see: the path below the ingested folder."""
    title: str
    content_hash: str
    """SHA-256 of the file's bytes, hex."""
    media_type: str
    size_bytes: int
    pages: int | None = None
    pipeline: str = ""
    """What made its passages: the version and the sizes of parsing and splitting. Other ones read the file anew."""
    groups: tuple[str, ...] = (EVERYONE,)
    owner: str = ""
    """Who looks after it and hears of complaints about it; empty where nobody is named."""


class Passage(BaseModel):
    """A piece of a document that can be found, shown and cited on its own."""

    model_config = ConfigDict(frozen=True)

    id: str
    """UUID derived from the document, the position and the text."""
    document_id: str
    document: str
    """The document's `name`."""
    title: str
    page: int | None
    """1-based page, where the format has pages."""
    heading: str
    """The headings above it, outermost first, joined by " > "; empty where there are none."""
    text: str
    position: int
    """Order within the document, from 0."""
    groups: tuple[str, ...] = (EVERYONE,)


class Hit(BaseModel):
    """A passage found for a question, and why."""

    model_config = ConfigDict(frozen=True)

    passage: Passage
    score: float
    """The fused score by which hits are ordered; higher is better."""
    dense: float | None = None
    """Cosine similarity of question and passage; None where only words matched."""
    sparse: float | None = None
    """BM25 score; None where only meaning matched."""


class Release(BaseModel):
    """A published state of the corpus: what every answer of its time was drawn from."""

    model_config = ConfigDict(frozen=True)

    number: int
    """0 is the empty corpus before the first ingest."""
    published_at: str | None = None
    documents: int = 0
    passages: int = 0


class KeptRelease(Release):
    """A release that can be published again, and how it is kept."""

    store: str
    """Name of its passage store."""
    encoder: str
    built_on: int
    """The release that it changed: the one that readers saw until then."""
    published: bool
    """Whether readers see it now."""
