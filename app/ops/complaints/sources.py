"""What the desk asks about the documents behind the answers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class Sources(Protocol):
    """The documents as they are now. Names are those that traces record; each method may take a second."""

    def owner(self, document: str) -> str | None:
        """Who looks after the document; None where nobody is named."""

    def changed(self, passage_ids: Collection[str]) -> bool:
        """Whether any of these passages reads differently now, or is gone."""

    def overlooked(self, question: str, user_hash: str | None, served: Collection[str]) -> str | None:
        """The document of a passage that this user may read, that fits the question better and was not served."""


class UnknownSources:
    """Where only traces are known, as in an ops layer that runs alone."""

    def owner(self, document: str) -> str | None:
        """Nobody is known."""
        return None

    def changed(self, passage_ids: Collection[str]) -> bool:
        """As far as is known, nothing has."""
        return False

    def overlooked(self, question: str, user_hash: str | None, served: Collection[str]) -> str | None:
        """As far as is known, nothing was."""
        return None
