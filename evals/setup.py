"""What a measurement needs first: settings of its own, a filled corpus, and third-party questions where they are."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.prompts.pins import copy_pins
from app.settings import Settings, load_settings
from ingest.pipeline import ingest
from retrieval.corpus import Corpus
from retrieval.embedding import Embedder

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
XQUAD = ROOT.parent / "shared" / "data" / "xquad" / "xquad.en.json"


def trial_settings(folder: Path, **sections: Any) -> Settings:
    """Settings that write below `folder`, trace to disk only, slow no user down and have each answer made anew.

    `sections` go first. What is pinned of the prompt hub is pinned there too.
    """
    chosen = {
        "data_dir": folder,
        "server": {"port": free_port()},
        "tracing": {"endpoint": ""},
        "turn": {"turns_per_minute": 1_000_000},
        "cache": {"entries": 0},
    }
    settings = load_settings(**(chosen | sections))
    copy_pins(load_settings(), settings)
    return settings


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
