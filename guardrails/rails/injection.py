"""Orders to the model inside text that should only inform it, found by what such orders have to say."""

from __future__ import annotations

from typing import Any

from rails.disguise import compact, plain_views
from rails.library import FailResult, OnFailAction, PassResult, ValidationResult, Validator, register_validator
from rails.signals import COMPACT, SIGNALS, STRUCTURE


@register_validator(name="parley/injection", data_type="string")
class Injection(Validator):
    """Fails on texts whose signals weigh at least `threshold` together. It cannot be fixed, only refused."""

    def __init__(self, threshold: float, on_fail: OnFailAction) -> None:
        super().__init__(on_fail=on_fail)
        self._threshold = threshold

    def _validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        signals = find_signals(value)
        if sum(signals.values()) < self._threshold:
            return PassResult()
        return FailResult(error_message=", ".join(sorted(signals, key=lambda name: -signals[name])))


def find_signals(text: str) -> dict[str, float]:
    """The weight of each signal in a text, by name, whatever the text is disguised as."""
    found: dict[str, float] = {}
    for view in plain_views(text):
        prose = " ".join(view.split())
        found |= {s.name: s.weight for s in SIGNALS if s.pattern.search(prose)}
        found |= {s.name: s.weight for s in STRUCTURE if s.pattern.search(view)}
    if COMPACT.pattern.search(compact(text)):
        found[COMPACT.name] = COMPACT.weight
    return found
