"""The seam to what runs the stages: threads of this process, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from ingest.settings import IngestSettings
from ingest.stages import Intent, Step, Task
from retrieval.embedding import Embedder


class Engine(Protocol):
    """Takes files through the stages up to the embeddings; the caller puts them into the draft."""

    def __call__(self, tasks: Sequence[Task], intent: Intent, embedder: Embedder | None) -> Generator[Step, None, None]:
        """A step for each task, in any order, not encoded where `embedder` is None.

        It works ahead of the caller, as far as a bounded amount of memory goes. Closing the generator ends the work.
        """


def engine(settings: IngestSettings) -> Engine:
    """The engine that the settings name."""
    if settings.engine == "ray":
        from ingest.engines import ray_data

        return ray_data.run
    from ingest.engines import local

    return local.run
