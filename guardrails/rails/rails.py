"""The rails around a turn: a text in, the text that may be used out, with each rail's verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from rails.settings import Handling, RailsSettings
from rails.verdict import Checked, RailFailed, Stage, Verdict

if TYPE_CHECKING:
    from rails.library import Guard, ValidationSummary, Validator


class Rails:
    """Checks texts. One object serves all turns and threads; nothing of a text outlives its check."""

    def __init__(self, load: Callable[[], Checks]) -> None:
        self._load = load
        self._loading = Lock()
        self._loaded: Checks | None = None

    @classmethod
    def build(cls, settings: RailsSettings) -> Rails:
        """Rails that load their libraries on `warm`, or else in their first check; that takes seconds."""
        return cls(partial(load_checks, settings))

    def warm(self) -> None:
        """Load now what the first check would wait for."""
        self._checks()

    def check_input(self, text: str) -> Checked:
        """Check a question. Raises `RailFailed`."""
        return self._checks().question.run(text)

    def check_passage(self, text: str) -> Checked:
        """Check a retrieved passage; a blocked one must not reach the model. Raises `RailFailed`."""
        return self._checks().passage.run(text)

    def check_output(self, text: str) -> Checked:
        """Check an answer, or a sentence of it. Raises `RailFailed`."""
        return self._checks().answer.run(text)

    def redact(self, text: str) -> str:
        """A text without personal data and secrets, whatever the settings; for records. Raises `RailFailed`."""
        return self._checks().redaction.run(text).text

    def _checks(self) -> Checks:
        with self._loading:
            self._loaded = self._loaded or self._load()
        return self._loaded


@dataclass(frozen=True)
class Checks:
    """What is checked where."""

    question: Check
    passage: Check
    answer: Check
    redaction: Check


def load_checks(settings: RailsSettings) -> Checks:
    """Load the libraries and set up one guard for each stage."""
    from rails.injection import Injection
    from rails.library import on_fail
    from rails.pii import Pii, build_analyzer
    from rails.secrets import Secrets

    analyzer = build_analyzer(settings.pii.phone_regions)

    def pii(handling: Handling) -> Rail:
        return Rail("pii", handling, Pii(analyzer, on_fail=on_fail(handling)))

    def secrets(handling: Handling) -> Rail:
        return Rail("secrets", handling, Secrets(on_fail=on_fail(handling)))

    def injection(handling: Handling) -> Rail:
        return Rail("injection", handling, Injection(settings.injection.threshold, on_fail=on_fail(handling)))

    return Checks(
        question=Check(
            "input",
            injection(settings.injection.input),
            secrets(settings.secrets.input),
            pii(settings.pii.input),
        ),
        passage=Check("passage", injection(settings.injection.passages)),
        answer=Check("output", secrets(settings.secrets.output), pii(settings.pii.output)),
        redaction=Check("output", secrets("redact"), pii("redact")),
    )


@dataclass(frozen=True)
class Rail:
    """A validator, and what is done with what it finds."""

    name: str
    handling: Handling
    validator: Validator


class Check:
    """The rails of one stage, run in order, each on what the one before it left."""

    def __init__(self, stage: Stage, *rails: Rail) -> None:
        self._stage = stage
        self._rails = [rail for rail in rails if rail.handling != "off"]
        self._guard = self._build_guard()

    def _build_guard(self) -> Guard | None:
        from rails.library import build_guard

        return build_guard(*(rail.validator for rail in self._rails)) if self._rails else None

    def run(self, text: str) -> Checked:
        """Raises `RailFailed` where a rail breaks, so that an unchecked text is never taken for a clean one."""
        if self._guard is None or not text.strip():
            return Checked(text)
        findings, checked_text = self._validate(self._guard, text)
        return Checked(checked_text, tuple(self._verdict(rail, findings) for rail in self._rails))

    def _validate(self, guard: Guard, text: str) -> tuple[dict[str, str], str]:
        try:
            outcome = guard.validate(text)
        except Exception as error:
            # Not chained: messages of the libraries quote the text.
            raise RailFailed(f"The {self._stage} rails stopped with {type(error).__name__}.") from None
        finally:
            guard.history.clear()
        if not isinstance(outcome.validated_output, str):
            raise RailFailed(f"The {self._stage} rails returned no text.")
        return _reasons(outcome.validation_summaries or []), outcome.validated_output

    def _verdict(self, rail: Rail, findings: dict[str, str]) -> Verdict:
        reason = findings.get(type(rail.validator).__name__)
        if reason is None or rail.handling == "off":
            return Verdict(rail.name, self._stage, "pass")
        return Verdict(rail.name, self._stage, rail.handling, reason)


def _reasons(summaries: list[ValidationSummary]) -> dict[str, str]:
    return {summary.validator_name: summary.failure_reason or "" for summary in summaries}
