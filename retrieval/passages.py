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
    version: str = ""
    """What its source says that tells its bytes from others (an ETag, say); empty where only the bytes tell."""
    origin: str = ""
    """Name of the configured source that it came through; empty where it was named on the spot."""


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
    page_label: str = ""
    """What the page calls itself, such as "iv", where that is not its number."""
    heading: str
    """The headings above it, outermost first, joined by " > "; empty where there are none."""
    text: str
    position: int
    """Order within the document, from 0."""
    groups: tuple[str, ...] = (EVERYONE,)

    @property
    def page_name(self) -> str:
        """The page as readers of the document know it; empty where there are no pages."""
        return self.page_label or str(self.page or "")


class Hit(BaseModel):
    """A passage found for a question, and why."""

    model_config = ConfigDict(frozen=True)

    passage: Passage
    score: float
    """What hits are ordered by, best first: `rerank` where there is one, else `fused`; 0 for a neighbour of a hit."""
    dense: float | None = None
    """Cosine similarity of question and passage; None where only words matched."""
    sparse: float | None = None
    """BM25 score; None where only meaning matched."""
    dense_rank: int | None = None
    """Place among the candidates by meaning, from 1; None where it was not among them."""
    sparse_rank: int | None = None
    """Place among the candidates by words, from 1; None where it was not among them."""
    fused: float | None = None
    """What both scores come to together, before a cross-encoder read it."""
    rerank: float | None = None
    """What the cross-encoder says; None where none has read it."""
    words: tuple[str, ...] = ()
    """The words of the question that the passage holds, as the question writes them."""


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
    """The sentence encoder that made its vectors."""
    analysis: str
    """The word analysis of its word search."""
    built_on: int
    """The release that it changed: the one that readers saw until then."""
    published: bool
    """Whether readers see it now."""
