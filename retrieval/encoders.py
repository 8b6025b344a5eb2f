"""Which encoders made an index, and how a reader gets them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retrieval.embedding import Embedder
from retrieval.errors import EncoderUnavailable
from retrieval.settings import RetrievalSettings
from retrieval.word_encoder import WordEncoder

BuildEmbedder = Callable[[RetrievalSettings], Embedder]


@dataclass(frozen=True)
class Index:
    """What made the vectors of a release. Only vectors of equal indexes compare."""

    encoder: str
    """Name of the sentence encoder."""
    analysis: str
    """Name of the word encoder."""
    recipe: Mapping[str, Any] = field(compare=False)
    """The settings that load both again, in any process."""


@dataclass(frozen=True)
class Encoders:
    """The two encoders of an index."""

    embedder: Embedder
    words: WordEncoder
    index: Index
    settings: RetrievalSettings
    """What a search with them goes by."""


class EncoderSource:
    """Where encoders come from: the settings name those of the next release, each index names its own.

    `build` makes the sentence encoder that settings name; nothing is loaded before it is used.
    """

    def __init__(self, settings: RetrievalSettings, build: BuildEmbedder) -> None:
        self._settings = settings
        self._build = build
        embedder, words = build(settings), WordEncoder(settings.language)
        self.configured = Encoders(embedder, words, Index(embedder.name, words.name, _recipe(settings)), settings)

    def of(self, index: Index) -> Encoders:
        """The encoders that made an index; raises `EncoderUnavailable` where another one is in their place.

        A word analysis that this version has no more is stood in for by today's, until the next draft.
        """
        if index == self.configured.index:
            return self.configured
        settings = self._settings.model_copy(update=dict(index.recipe))
        embedder = self.configured.embedder
        if embedder.name != index.encoder:
            embedder = self._build(settings)
        if embedder.name != index.encoder:
            raise EncoderUnavailable(
                f"The corpus was embedded by {index.encoder!r}, and {settings.encoder!r} is now {embedder.name!r}. "
                "Put the encoder back, or ingest again with another one."
            )
        return Encoders(embedder, WordEncoder(settings.language), index, settings)


def _recipe(settings: RetrievalSettings) -> dict[str, Any]:
    """What goes with the vectors; a folder by a path that is right wherever a reader is started."""
    folder = Path(settings.encoder)
    encoder = str(folder.resolve()) if folder.is_dir() else settings.encoder
    return {"encoder": encoder, "encoder_languages": settings.encoder_languages, "language": settings.language}
