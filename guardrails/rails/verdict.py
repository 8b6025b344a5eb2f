"""What a rail decides about a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["input", "passage", "output"]
Action = Literal["pass", "warn", "redact", "block"]


class RailFailed(Exception):
    """A rail could not do its check. The text is unchecked and must not be used or shown."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rail decided about one text. `reason` names kinds and counts, never the text itself."""

    rail: str
    stage: Stage
    action: Action
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A text as it may be used from here on, with one verdict for each rail that looked at it."""

    text: str
    verdicts: tuple[Verdict, ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether a rail refused the text altogether; then `text` must not be used."""
        return any(verdict.action == "block" for verdict in self.verdicts)
