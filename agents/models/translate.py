"""The one place where what a provider's library raises becomes an error of Parley's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAuthenticationError,
    ModelError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)

from agents.errors import DeadlineExceeded, ModelBusy, ModelUnavailable, TooLong, TurnError

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
        return ModelUnavailable()
    return None


def _by_condition(error: ModelError, model: str) -> TurnError:
    if isinstance(error, ContextOverflowError):
        return TooLong("The question and its sources are too long for the model. Ask something shorter.")
    if isinstance(error, ModelRateLimitError) and getattr(error, "code", None) != "insufficient_quota":
        return ModelBusy(retry_after_s=_retry_after_s(error))
    if isinstance(error, ModelRateLimitError | ModelAuthenticationError | ModelPermissionDeniedError):
        return ModelUnavailable(
            f"The provider of {model} refuses the key, or its credit is used up. An administrator must look."
        )
    if isinstance(error, ModelNotFoundError):
        return ModelUnavailable(f"The provider knows no model {model}. An administrator must correct its name.")
    return ModelUnavailable()


def _retry_after_s(error: ModelError) -> float | None:
    """What the provider's answer asks for, where it does so in seconds."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None
