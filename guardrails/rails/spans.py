"""Finding labelled stretches of a text and replacing them by readable placeholders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from rails.library import ErrorSpan, FailResult, PassResult, ValidationResult, Validator


class Span(NamedTuple):
    """A stretch of a text, and what it holds: `text[start:end]` is a `label`."""

    start: int
    end: int
    label: str


def merge(spans: Iterable[Span]) -> list[Span]:
    """Join overlapping spans, in order of the text; the longer one names the whole."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            merged[-1] = _join(merged[-1], span)
        else:
            merged.append(span)
    return merged


def _join(one: Span, other: Span) -> Span:
    longer = max(one, other, key=lambda span: span.end - span.start)
    return Span(one.start, max(one.end, other.end), longer.label)


def redact(text: str, spans: list[Span]) -> str:
    """Replace each of the merged spans by `[label removed]`."""
    pieces, position = [], 0
    for span in spans:
        pieces += [text[position : span.start], f"[{span.label} removed]"]
        position = span.end
    return "".join([*pieces, text[position:]])


def _kinds(spans: list[Span]) -> str:
    counts = Counter(span.label for span in spans)
    return ", ".join(label if count == 1 else f"{label} ({count})" for label, count in counts.items())


class SpanValidator(Validator, ABC):
    """A guardrails-ai validator that fails on the spans it finds; its fix is the redacted text."""

    @abstractmethod
    def find(self, text: str) -> Iterable[Span]:
        """What to remove; overlaps are welcome."""

    def _validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        spans = merge(self.find(value))
        if not spans:
            return PassResult()
        return FailResult(
            error_message=_kinds(spans),
            fix_value=redact(value, spans),
            error_spans=[ErrorSpan(start=span.start, end=span.end, reason=span.label) for span in spans],
        )
