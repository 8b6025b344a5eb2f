"""The corpus of a deployment: the releases that arms of its experiments name are kept, and must be there."""

from __future__ import annotations

from app.settings import ConfigurationError, Settings
from retrieval.corpus import Corpus
from retrieval.embedding import Embedder


def open_corpus(settings: Settings, embedder: Embedder | None = None) -> Corpus:
    """The corpus of the data directory; no release that an arm names is pruned from it."""
    return Corpus.open(settings.retrieval, settings.data_dir, embedder, pinned=settings.arms_by_release)


def refuse_missing_releases(settings: Settings, corpus: Corpus) -> None:
    """Raises `ConfigurationError` where the running experiment needs a release that is not kept."""
    kept = {release.number for release in corpus.releases().kept()}
    for arm in settings.running_arms:
        if arm.release not in (None, *kept):
            raise ConfigurationError(
                f"experiments: arm {arm.name} answers from release {arm.release} of the corpus, which is not kept. "
                "Name one that `parley releases` lists, or set enabled = false for the experiment."
            )
