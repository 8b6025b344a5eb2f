"""What the pages ask about answers whose sources have changed since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class StaleDocument:
    """A document whose earlier text answers still rest on."""

    id: str
    name: str
    gone: bool
    """Whether it has left the corpus."""
    since: int
    """The newest release that changed or removed what answers rest on."""
    answers: int
    """How many answers rest on the earlier text."""


@dataclass(frozen=True)
class StaleAnswer:
    """An answer that rests on text that has changed or gone."""

    turn_id: str
    thread_id: str
    question: str
    answered_at: datetime
    release: int
    """The one that it was drawn from."""


class Staleness(Protocol):
    """Answers and what has become of their evidence. Each method may take a second."""

    def document_count(self) -> int:
        """How many documents have changed beneath an answer."""

    def documents(self, *, limit: int, offset: int) -> Sequence[StaleDocument]:
        """Those documents, the ones with the most answers first."""

    def document(self, document_id: str) -> StaleDocument | None:
        """One of them; None where no answer rests on an earlier text of it."""

    def answers(self, document_id: str, *, limit: int, offset: int) -> Sequence[StaleAnswer]:
        """The answers that rest on an earlier text of the document, newest first."""


class NothingStale:
    """Where only traces are known, as in an ops layer that runs alone."""

    def document_count(self) -> int:
        """As far as is known, none."""
        return 0

    def documents(self, *, limit: int, offset: int) -> Sequence[StaleDocument]:
        """As far as is known, none."""
        return ()

    def document(self, document_id: str) -> StaleDocument | None:
        """As far as is known, it has not changed."""
        return None

    def answers(self, document_id: str, *, limit: int, offset: int) -> Sequence[StaleAnswer]:
        """As far as is known, none."""
        return ()
