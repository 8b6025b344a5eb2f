"""A second reading: a cross-encoder reads the question and each passage together, which tells more and costs more."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from retrieval.settings import RetrievalSettings

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

log = logging.getLogger(__name__)

BATCH = 8


class Reranker:
    """Any sentence-transformers CrossEncoder with one score, loaded at its first use.

    It is an extra: where it cannot be loaded or takes longer than `timeout_s`, there are no scores, and the log says
    why. Safe to use from many threads.
    """

    def __init__(
        self, model: str, *, allow_hub: bool, timeout_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = model
        self._allow_hub = allow_hub
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._model: CrossEncoder | None = None
        self._missing = False

    def scores(self, question: str, texts: Sequence[str]) -> list[float] | None:
        """How well each text answers the question, 0 to 1; None where there is no time or no model."""
        if not self.load():
            return None
        until = self._clock() + self._timeout_s
        scores: list[float] = []
        for at in range(0, len(texts), BATCH):
            batch = self._batch([[question, text] for text in texts[at : at + BATCH]], until)
            if batch is None:
                log.warning("Passages were not reranked: %s took longer than %g s.", self._name, self._timeout_s)
                return None
            scores += batch
        return scores

    def load(self) -> bool:
        """Load the model unless it is there; False where it cannot be loaded. Blocks."""
        if self._model is None and not self._missing:
            with self._lock:
                if self._model is None and not self._missing:
                    self._model = self._loaded()
                    self._missing = self._model is None
        return not self._missing

    def _batch(self, pairs: list[Any], until: float) -> list[float] | None:
        """The scores of one batch; None where they come too late. Tokenizers are not thread-safe."""
        from torch.nn import Sigmoid

        if not self._lock.acquire(timeout=max(0.0, until - self._clock())):
            return None
        try:
            assert self._model is not None
            scores = self._model.predict(
                pairs, batch_size=BATCH, activation_fn=Sigmoid(), show_progress_bar=False
            ).tolist()
        finally:
            self._lock.release()
        return scores if self._clock() <= until else None

    def _loaded(self) -> CrossEncoder | None:
        if not self._allow_hub:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        try:
            from sentence_transformers import CrossEncoder
            from transformers.utils.logging import disable_progress_bar

            disable_progress_bar()
            model = CrossEncoder(self._name, local_files_only=not self._allow_hub)
            if model.num_labels != 1:
                raise ValueError(f"it gives {model.num_labels} scores for a pair, not one")
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            log.warning(
                "Passages are not reranked: the cross-encoder %r cannot be loaded (%s: %s). Set retrieval.reranker to "
                "a folder that holds one, or to nothing.",
                self._name,
                type(error).__name__,
                error,
            )
            return None
        return model


def build_reranker(settings: RetrievalSettings) -> Reranker | None:
    """The cross-encoder that the settings name; None where they name none."""
    if not settings.reranker:
        return None
    return Reranker(settings.reranker, allow_hub=settings.allow_hub, timeout_s=settings.rerank_timeout_s)
