"""Whole sentences out of a stream of tokens, so that each can be checked before a character of it is shown."""

from __future__ import annotations

import re

ABBREVIATIONS = re.compile(
    r"mrs?|ms|dr|prof|st|jr|sr|rev|hon|gen|col|lt|capt|sgt|vs|etc|cf|al|ca|approx|dept|est|inc|ltd|co|corp"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tue|wed|thu|fri"
    r"|e\.g|i\.e|a\.m|p\.m|u\.[snk]|d\.c|ph\.d|z\.b|d\.h|u\.a|bzw|ggf|bspw",
    re.IGNORECASE,
)
BEFORE_NUMBERS = re.compile(r"nos?|nr|figs?|vol|pp?|arts?|sec|chap|ch|para|abs|eq|ref|tab", re.IGNORECASE)
"""Short for something only where a number follows."""

BOUNDARY = re.compile(r"(?P<mark>[.!?…]+)[\"'”’»)\]]*(?:\s*\[\d+\])*\s+|[。！？｡]+[”’」』）]*\s*|\n+")
"""Where a sentence may end: marks before a space, marks of Chinese and Japanese, ends of lines."""

LAST_WORD = re.compile(r"[^\s(\[\"'“‘]+$")
LIST_NUMBER = re.compile(r"\s*(?:\d{1,3}|[a-z])", re.IGNORECASE)
OPEN_CITATION = re.compile(r"(?:\[\d+\]\s*)*(?:\[\d*)?\Z")
KEY_BLOCK = re.compile(r"-----BEGIN (?:(?!-----END )[\s\S])*\Z")
LOOKAHEAD = 40
CUT = re.compile(r"(?<!\d)\s+(?!\d)")


class SentenceGate:
    """Takes the pieces of one text and gives whole sentences back; joined, they are the text, to the character."""

    def __init__(self, max_held: int = 4000) -> None:
        """`max_held`: characters after which a text without an end of sentence is cut at a blank all the same."""
        self._held = ""
        self._max_held = max_held

    @property
    def held_size(self) -> int:
        """Characters that were fed and not yet given back."""
        return len(self._held)

    def feed(self, delta: str) -> list[str]:
        """Add a piece; returns the sentences that it completes, with the blanks that follow them."""
        self._held += delta
        sentences = self._release()
        while len(self._held) > self._max_held:
            sentences.append(self._take(_cut(self._held, self._max_held)))
        return sentences

    def flush(self) -> list[str]:
        """End the text; returns what is left of it, in sentences."""
        rest = self._release()
        if self._held:
            rest.append(self._take(len(self._held)))
        return rest

    def _release(self) -> list[str]:
        ends = _sentence_ends(self._held)
        released = [self._held[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        self._held = self._held[ends[-1] :] if ends else self._held
        return released

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], self._held[length:]
        return taken


def _sentence_ends(text: str) -> list[int]:
    """Where sentences end in a text that goes on; blanks at its very end may yet grow, so that they end none."""
    ends: list[int] = []
    for match in BOUNDARY.finditer(text):
        start, end = ends[-1] if ends else 0, match.end()
        if end < len(text) and _ends_sentence(text[start:end], match, text[end : end + LOOKAHEAD]):
            ends.append(end)
    return ends


def _ends_sentence(sentence: str, match: re.Match[str], following: str) -> bool:
    if not sentence.strip() or KEY_BLOCK.search(sentence):
        return False
    if not match["mark"]:
        return True
    if OPEN_CITATION.match(following):
        return False
    before = sentence[: len(sentence) - len(match.group())]
    return match["mark"] != "." or not (_is_short_for_something(before, following) or following[0].islower())


def _is_short_for_something(before: str, following: str) -> bool:
    if LIST_NUMBER.fullmatch(before):
        return True
    word = LAST_WORD.search(before)
    if word is None:
        return False
    is_initial = len(word.group()) == 1 and word.group().isupper()
    is_numbered = following[0].isdigit() and BEFORE_NUMBERS.fullmatch(word.group())
    return bool(is_initial or is_numbered or ABBREVIATIONS.fullmatch(word.group()))


def _cut(text: str, limit: int) -> int:
    blanks = [match.end() for match in CUT.finditer(text, 0, limit)]
    return blanks[-1] if blanks else limit
