"""What can go wrong in a turn, named for the decision that it causes.

TurnError
├── Refused              the turn was not taken in; the user can change something
│   ├── TooLong
│   ├── Empty
│   ├── RateLimited
│   ├── OverBudget
│   └── Blocked          a rail said no
└── Unavailable          the turn was taken in, and a part of Parley could not do its work
    ├── ModelUnavailable
    │   ├── ModelUnreachable  only just now: another try may succeed
    │   └── CircuitOpen      it has failed too often of late, so it is not tried
    ├── ModelBusy
    ├── DeadlineExceeded
    ├── SearchUnavailable
    └── RailsUnavailable    a text could not be checked, so it was not used

Each carries a sentence for the user that says what to do next, a stable `code`, and the HTTP status that an API
answers with. A turn that its user stops is not an error: it ends as `asyncio.CancelledError`.
"""

from __future__ import annotations


class TurnError(Exception):
    """Base of every failure that a turn reports to its user."""

    code = "turn_failed"
    http_status = 500
    advice = "Try again; if it happens again, give the turn's id to an administrator."

    def __init__(self, message: str | None = None, *, retry_after_s: float | None = None) -> None:
        super().__init__(message or self.advice)
        self.message = message or self.advice
        self.retry_after_s = retry_after_s


class Refused(TurnError):
    """The turn was not taken in."""

    code = "refused"
    http_status = 400


class TooLong(Refused):
    """The question is longer than the limit."""

    code = "too_long"
    http_status = 413


class Empty(Refused):
    """There is no question."""

    code = "empty"
    advice = "Type a question first."


class RateLimited(Refused):
    """This user has asked too much in too short a time."""

    code = "rate_limited"
    http_status = 429


class OverBudget(Refused):
    """The budget that this turn would be paid from is spent."""

    code = "over_budget"
    http_status = 429


class Blocked(Refused):
    """A rail refused the text."""

    code = "blocked"
    http_status = 422


class Unavailable(TurnError):
    """A part of Parley could not do its work."""

    code = "unavailable"
    http_status = 503


class ModelUnavailable(Unavailable):
    """The language model cannot be loaded or reached."""

    code = "model_unavailable"
    advice = "The language model cannot be reached. Try again in a minute; an administrator sees the cause in /ops."


class ModelUnreachable(ModelUnavailable):
    """The language model failed in a way that may be over in a moment: it is worth another try."""


class CircuitOpen(ModelUnavailable):
    """The language model has failed so often of late that it is left alone for a while."""

    code = "circuit_open"


class ModelBusy(Unavailable):
    """The model has too much to do: the local one's queue is full, or a provider limits the rate."""

    code = "model_busy"
    advice = "The model is busy with other users. Try again in a few seconds."


class DeadlineExceeded(Unavailable):
    """The turn took longer than it is allowed to."""

    code = "deadline_exceeded"
    http_status = 504
    advice = "The answer took too long. Ask a shorter or more precise question, or try again."


class SearchUnavailable(Unavailable):
    """The document index cannot be opened or reached."""

    code = "search_unavailable"
    advice = "The documents cannot be searched right now. Try again in a minute."


class RailsUnavailable(Unavailable):
    """A rail could not do its check; what it should have checked was neither used nor shown."""

    code = "rails_unavailable"
    advice = "Your question could not be checked for safety, so it was not answered. Try again in a minute."
