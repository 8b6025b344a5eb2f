"""Why one file is left out, and what its owner can do about it."""

from __future__ import annotations

from typing import Literal

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
