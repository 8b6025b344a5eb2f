"""The one place where what a provider's library raises becomes an error of Parley's own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAuthenticationError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)

from agents.errors import DeadlineExceeded, ModelBusy, ModelUnavailable, ModelUnreachable, Refused, TooLong, TurnError

log = logging.getLogger(__name__)

_CLIENT_LIBRARIES = {"openai", "anthropic", "httpx", "httpx2", "httpcore", "httpcore2"}
"""Their own errors come through where LangChain does not wrap them, as in the middle of a stream."""


@contextmanager
def translated(model: str) -> Iterator[None]:
    """Raise the provider's failures inside as `TurnError`s; errors of our own pass unchanged."""
    try:
        yield
    except Exception as error:
        known = translate(error, model)
        if known is None:
            raise
        raise known from error


@contextmanager
def contained(model: str) -> Iterator[None]:
    """Raise whatever fails inside as a `TurnError`: what nobody foresaw too, which is logged."""
    try:
        with translated(model):
            yield
    except TurnError:
        raise
    except Exception as error:
        log.exception("the model %s failed in a way that nobody foresaw", model)
        raise ModelUnavailable() from error


def translate(error: Exception, model: str) -> TurnError | None:
    """The decision that a provider's failure causes; None where it is not the provider's."""
    library = type(error).__module__.partition(".")[0]
    if isinstance(error, TurnError):
        return None
    if isinstance(error, ModelTimeoutError | TimeoutError) or "Timeout" in type(error).__name__:
        return DeadlineExceeded()
    if isinstance(error, ModelError):
        return _by_condition(error, model)
    if isinstance(error, OSError) or library in _CLIENT_LIBRARIES:
        return ModelUnreachable()
    return None


def _by_condition(error: ModelError, model: str) -> TurnError:
    if isinstance(error, ContextOverflowError):
        return TooLong("The question and its sources are too long for the model. Ask something shorter.")
    if isinstance(error, ModelInvalidRequestError):
        return Refused(
            f"The provider of {model} refuses this request. Ask in other words; if that does not help, an "
            "administrator must check the model's settings."
        )
    if isinstance(error, ModelRateLimitError) and getattr(error, "code", None) != "insufficient_quota":
        return ModelBusy(retry_after_s=_retry_after_s(error))
    if isinstance(error, ModelRateLimitError | ModelAuthenticationError | ModelPermissionDeniedError):
        return ModelUnavailable(
            f"The provider of {model} refuses the key, or its credit is used up. An administrator must look."
        )
    if isinstance(error, ModelNotFoundError):
        return ModelUnavailable(f"The provider knows no model {model}. An administrator must correct its name.")
    return ModelUnreachable(retry_after_s=_retry_after_s(error)) if error.is_retryable else ModelUnavailable()


def _retry_after_s(error: ModelError) -> float | None:
    """What the provider's answer asks for, in seconds or until a date; None where it asks for nothing readable."""
    asked = getattr(getattr(error, "response", None), "headers", {}).get("retry-after", "")
    try:
        return max(0.0, float(asked))
    except ValueError:
        return _seconds_until(asked)


def _seconds_until(date: str) -> float | None:
    """From now to a date as HTTP writes it, which is always in UTC."""
    try:
        until = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (until.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())
