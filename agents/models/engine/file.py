"""A model's file, and what is known from it of a model that need not be loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agents.models.engine.head import read_head
from agents.models.engine.requests import Specification
from agents.models.engine.vocabulary import Vocabulary
from agents.models.engine.weights import estimated_bytes
from agents.models.memory import Memory


@dataclass(frozen=True)
class Known:
    """What is known of a model."""

    path: Path
    vocabulary: Vocabulary
    memory_bytes: int
    """What it takes when it is loaded."""


class ModelFile:
    """Finds a file and reads its head at the first use, and again at the next one if that failed. Thread-safe."""

    def __init__(self, find: Callable[[], Path], specification: Specification, memory: Memory) -> None:
        self._find = find
        self._specification = specification
        self._memory = memory
        self._reading = threading.Lock()
        self._known: Known | None = None

    def read(self) -> Known:
        """What is known. Raises `ModelUnavailable` for a file that is missing or broken, or a model too large."""
        with self._reading:
            if self._known is None:
                path = self._find()
                vocabulary = Vocabulary(path)
                memory_bytes = estimated_bytes(read_head(path), self._specification)
                self._memory.refuse_too_large(path.name, memory_bytes)
                self._known = Known(path, vocabulary, memory_bytes)
            return self._known
