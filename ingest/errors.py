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
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from ingest.report import IngestReport

Reason = Literal[
    "unsupported",
    "wrong_extension",
    "empty",
    "no_text",
    "encrypted",
    "broken",
    "unsafe",
    "too_large",
    "timed_out",
    "unreadable",
    "link",
    "forbidden",
    "unreachable",
    "gone",
]
REASONS: tuple[str, ...] = get_args(Reason)

ADVICE: dict[Reason, str] = {
    "unsupported": "This format cannot be read. Save it as a current Office file, PDF, HTML or text.",
    "wrong_extension": "The name's ending and the content disagree. Give the file its right ending.",
    "empty": "There is no text in it, so nothing of it can be found.",
    "no_text": "It has pages but no text of its own. Set text recognition up: ingest.ocr_languages.",
    "encrypted": "It is protected by a password. Save a copy without one.",
    "broken": "It cannot be read as what it claims to be. Open it, and save it again.",
    "unsafe": "Honest files do without that. Ask where it comes from, or save it again in its own program.",
    "too_large": "It is over the limit. Split it, or raise the limit.",
    "timed_out": "Reading it took too long. Split it, or raise the limit.",
    "unreadable": "It cannot be opened. Check its permissions and its name.",
    "link": "It is a link that leads out of the folder. Ingest what it points to.",
    "forbidden": "It is left alone. Change that rule, or leave it out of the source.",
    "unreachable": "It could not be fetched, and is tried again with the next runs.",
    "gone": "It is not there. Take it out of the list, or put it back.",
}


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
