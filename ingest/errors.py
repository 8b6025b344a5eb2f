"""What ingest can refuse, named for the decision that it causes.

IngestError        nothing was done; the message says what to change
├── GateFailed     the new release finds too little: mend documents or questions
├── EngineFailed   Ray is not there or gave up: mend it, or use the local engine
└── MovedOn        another release was published meanwhile: run it again
RefusedFile        one file is left out, for a typed reason; the others go on
└── Gone           its source says that it is there no more: what was known of it is removed
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.reasons import ADVICE, Reason
from ingest.report import IngestReport


class IngestError(Exception):
    """Nothing was ingested; the message says what to do."""


class GateFailed(IngestError):
    """The new release finds too little of what it must, and was not published."""

    def __init__(self, message: str, unanswered: Sequence[str]) -> None:
        super().__init__(message)
        self.unanswered = list(unanswered)
        """The questions that did not find what they must."""
        self.report: IngestReport | None = None
        """What the release would have brought."""


class MovedOn(IngestError):
    """Readers were given another release while the files were read."""


class EngineFailed(IngestError):
    """What runs the stages is not there, or gave up; nothing was published."""


class RefusedFile(Exception):
    """One file is left out. `reason` is typed, the message says what was found and what to do."""

    def __init__(self, reason: Reason, finding: str = "") -> None:
        super().__init__(f"{finding} {ADVICE[reason]}".strip())
        self.reason = reason
        self.finding = finding


class Gone(RefusedFile):
    """The source says that the file is there no more."""

    def __init__(self, finding: str) -> None:
        super().__init__("gone", finding)
