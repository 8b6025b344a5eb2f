"""What ingest can refuse, named for the decision that it causes.

IngestError        nothing was done; the message says what to change
├── GateFailed     the new release finds too little: mend documents or questions
└── MovedOn        another release was published meanwhile: run it again
RefusedFile        one file is left out, for a typed reason; the others go on
"""

from __future__ import annotations

from typing import Literal, get_args

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
]
REASONS: tuple[str, ...] = get_args(Reason)

ADVICE: dict[Reason, str] = {
    "unsupported": "This format cannot be read. Save it as a current Office file, PDF, HTML or text.",
    "wrong_extension": "The name's ending and the content disagree. Give the file its right ending.",
    "empty": "There is no text in it. Fill it or delete it.",
    "no_text": "It has pages but no text, as scans do. Run text recognition (OCR) on it first.",
    "encrypted": "It is protected by a password. Save a copy without one.",
    "broken": "It cannot be read as what it claims to be. Open it, and save it again.",
    "unsafe": "Honest files do without that. Ask where it comes from, or save it again in its own program.",
    "too_large": "It is over the limit. Split it, or raise the limit.",
    "timed_out": "Reading it took too long. Split it, or raise ingest.parse_timeout_s.",
    "unreadable": "It cannot be opened. Check its permissions and its name.",
    "link": "It is a link that leads out of the folder. Ingest what it points to.",
}


class IngestError(Exception):
    """Nothing was ingested; the message says what to do."""


class GateFailed(IngestError):
    """The new release finds too little of what it must, and was not published."""


class MovedOn(IngestError):
    """Readers were given another release while the files were read."""


class RefusedFile(Exception):
    """One file is left out. `reason` is typed, the message says what was found and what to do."""

    def __init__(self, reason: Reason, finding: str = "") -> None:
        super().__init__(f"{finding} {ADVICE[reason]}".strip())
        self.reason = reason
        self.finding = finding
