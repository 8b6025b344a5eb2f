"""guardrails-ai, loaded so that it keeps to itself. The only module that imports it or changes its configuration.

Importing this module takes seconds, so that it is imported only where a guard is built. Left alone, guardrails-ai
reports usage to its vendor, reads `~/.guardrailsrc` again in every `Guard()`, copies checked texts into
OpenTelemetry spans and keeps log records and the last ten texts in memory.
"""

from __future__ import annotations

import logging
import os

os.environ["GUARDRAILS_RUN_SYNC"] = "true"  # checks run in the caller's thread, inside an event loop or not
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # litellm would fetch a price list when imported

from guardrails import Guard, OnFailAction, Validator, register_validator
from guardrails.classes.rc import RC
from guardrails.classes.validation.validation_summary import ValidationSummary
from guardrails.settings import settings
from guardrails.validators import ErrorSpan, FailResult, PassResult, ValidationResult

__all__ = [
    "ErrorSpan",
    "FailResult",
    "Guard",
    "PassResult",
    "ValidationResult",
    "ValidationSummary",
    "Validator",
    "build_guard",
    "on_fail",
    "register_validator",
]

_OFFLINE = RC.from_dict({"enable_metrics": False, "use_remote_inferencing": False})


def _keep_to_itself() -> None:
    # Every `Guard()` calls it, and where the user has no such file it finds metrics on.
    RC.load = lambda logger=None: _OFFLINE  # type: ignore[method-assign]
    settings.rc = _OFFLINE
    settings.disable_tracing = True
    logging.getLogger("guardrails-ai").setLevel(logging.CRITICAL)
    logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)  # its messages quote the text


def build_guard(*validators: Validator) -> Guard:
    """A guard that runs the validators one after the other, each on what the one before it left."""
    return Guard(history_max_length=1).use(*validators)


def on_fail(handling: str) -> OnFailAction:
    """What guardrails-ai does on a finding: it replaces the text by the fix, or leaves it as it is."""
    return OnFailAction.FIX if handling == "redact" else OnFailAction.NOOP


_keep_to_itself()
