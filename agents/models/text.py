"""From the bytes of tokens to text that may be shown."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextAssembler:
    """Joins token bytes into text: whole characters only, and nothing of a stop sequence.

    A character may be split over tokens, and a stop sequence may begin in one token and end in the next; both are
    held back until they are decided. Feeding everything and flushing loses nothing but the stop sequence and what
    follows it.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = [sequence for sequence in stop if sequence]
        self._held = ""
        self.stopped = False

    def feed(self, piece: bytes) -> str:
        """Take the bytes of one token; return the text that is now certain, possibly empty."""
        return self._release(self._decoder.decode(piece))

    def flush(self) -> str:
        """The rest, when no token follows."""
        text = self._release(self._decoder.decode(b"", final=True)) + self._held
        self._held = ""
        return text

    def _release(self, new: str) -> str:
        if self.stopped:
            return ""
        text = self._held + new
        ends = [at for at in map(text.find, self._stop) if at >= 0]
        if ends:
            self.stopped, self._held = True, ""
            return text[: min(ends)]
        keep = max((overlap(text, sequence) for sequence in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def overlap(text: str, sequence: str) -> int:
    """How many characters at the end of `text` could begin `sequence`."""
    longest = min(len(text), len(sequence) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(sequence[:size])), 0)
