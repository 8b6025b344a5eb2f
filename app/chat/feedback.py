"""Thumbs in the chat become LangSmith feedback on the turn's run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from langsmith import Client

KEY = "user_score"

# Must match public/parley.js, which offers them.
REASONS = (
    "The cited source doesn't say this",
    "The answer is wrong or out of date",
    "It misses what I asked",
    "It should have found something",
    "Other",
)


@dataclass(frozen=True)
class Rating:
    """One user's thumb on one turn."""

    id: UUID
    turn_id: UUID
    score: int
    """1 for up, 0 for down."""
    comment: str | None = None


class FeedbackSink:
    """Sends ratings on as feedback; a rating that changes keeps its id, one that is undone is deleted."""

    def __init__(self, traces: Client, project: str, user_hash: Callable[[str], str]) -> None:
        self._traces = traces
        self._project = project
        self._user_hash = user_hash

    def rate(self, rating: Rating, user_id: str) -> None:
        """Record or change a rating; its comment has been redacted already."""
        reason, comment = split_reason(rating.comment or "")
        self._traces.create_feedback(
            run_id=rating.turn_id,
            trace_id=rating.turn_id,
            session_id=self._project_id,
            key=KEY,
            score=rating.score,
            value=reason,
            comment=comment or None,
            feedback_id=rating.id,
            source_info={"user_hash": self._user_hash(user_id)},
            stop_after_attempt=1,
        )

    def undo(self, rating_id: UUID) -> None:
        """Take a rating back, also one that is still on its way."""
        self._traces.flush()
        self._traces.delete_feedback(rating_id)

    @cached_property
    def _project_id(self) -> UUID:
        return self._traces.read_project(project_name=self._project).id


def split_reason(comment: str) -> tuple[str | None, str]:
    """The reason picked in the dialog, which stands as the comment's first line, and the user's own words."""
    first, _, rest = comment.strip().partition("\n")
    reason = first.removesuffix(":")
    if first.endswith(":") and reason in REASONS:
        return reason, rest.strip()
    return None, comment.strip()
