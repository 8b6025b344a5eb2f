"""What a measurement needs first: settings of its own, a filled corpus, and third-party questions where they are."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from app.settings import Settings, load_settings
from ingest.pipeline import ingest
from retrieval.corpus import Corpus
from retrieval.embedding import Embedder
from retrieval.passages import EVERYONE, Document, Passage

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
XQUAD = ROOT.parent / "shared" / "data" / "xquad" / "xquad.en.json"
_DOCUMENT_ID = str(uuid5(NAMESPACE_URL, "evals"))


def trial_settings(folder: Path, **sections: Any) -> Settings:
    """Settings that write below `folder`, trace to disk only and slow no user down; `sections` go first."""
    chosen = {
        "data_dir": folder,
        "server": {"port": free_port()},
        "tracing": {"endpoint": ""},
        "turn": {"turns_per_minute": 1_000_000},
    }
    return load_settings(**(chosen | sections))


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ingest_docs(settings: Settings, embedder: Embedder | None = None) -> None:
    """Publish the sample documents."""
    corpus = Corpus.open(settings.retrieval, settings.data_dir, embedder)
    ingest([DOCS], corpus, settings.ingest)
    corpus.close()


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of XQuAD with its questions, each with the answers that count as right."""

    title: str
    text: str
    questions: tuple[tuple[str, tuple[str, ...]], ...]


def xquad() -> list[Paragraph]:
    """The English paragraphs of XQuAD; none where the data set is absent."""
    if not XQUAD.is_file():
        return []
    return [
        Paragraph(
            title=article["title"].replace("_", " "),
            text=paragraph["context"],
            questions=tuple((q["question"], tuple(a["text"] for a in q["answers"])) for q in paragraph["qas"]),
        )
        for article in json.loads(XQUAD.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
    ]


def passage(number: int, title: str, text: str, groups: tuple[str, ...] = (EVERYONE,)) -> Passage:
    """A passage of the one document that `publish` makes."""
    return Passage(
        id=str(uuid5(NAMESPACE_URL, f"{number} {text}")),
        document_id=_DOCUMENT_ID,
        document=title,
        title=title,
        page=None,
        heading="",
        text=text,
        position=number,
        groups=groups,
    )


def publish(corpus: Corpus, passages: Sequence[Passage]) -> None:
    """Publish ready-made passages, as one document."""
    document = Document(
        id=_DOCUMENT_ID,
        source=_DOCUMENT_ID,
        name="Passages",
        title="Passages",
        content_hash=hashlib.sha256().hexdigest(),
        media_type="text/plain",
        size_bytes=0,
    )
    with corpus.draft() as draft:
        draft.put(document, passages)
        draft.publish()
