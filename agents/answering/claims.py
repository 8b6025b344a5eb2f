"""What the model wrote, sentence by sentence: shown with its source where a quote supports it, or else withheld."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.answering.markdown import escape
from agents.answering.quotes import Quote
from retrieval.citations import check
from retrieval.sentences import split
from retrieval.words import content_words

_SAME_WORDS = 0.8
_SUPPORTED_FROM = (
    0.7  # stricter than a citation must be: the quotes are on the screen, so that withholding costs little
)

_CITATION = re.compile(
    r"\s*(?:\[[\d,;\s]+\]|[\[(](?:source|quote|passage)s?\s[\d,;\s]+[\])]|【[^】]*】)", re.IGNORECASE
)
_LEAD_IN = re.compile(
    r"^\s*(?:(?:answer|a|the answer(?: to (?:this|the|your) question)? is)\s*:\s*)?"
    r"(?:(?:based on|according to|as (?:stated|mentioned|described) in|from|in) (?:the )?"
    r"(?:(?:provided|given|above|quoted|following) )?"
    r"(?:sources?|documents?|passages?|quotes?|contexts?|information|texts?)(?: provided| above| given)?\s*,?\s*)?"
    r"(?:(?:it|the (?:source|document|passage|quote|text)) (?:states|says|mentions) that )?",
    re.IGNORECASE,
)
_CHATTER = re.compile(
    r"^(?:sure|certainly|of course|great question|the answer is"
    r"|here(?:'s| is| are)\b.*|i hope\b.*|let me know\b.*)[!.:,]*$",
    re.IGNORECASE,
)


class ClaimFilter:
    """Takes each sentence that the model writes and says what of it is shown."""

    def __init__(self, quotes: Sequence[Quote]) -> None:
        self.sentences = 0
        """Sentences that the model wrote, chatter apart."""
        self.unsupported = 0
        """Of these, how many no quote supports."""
        self._numbers = sorted({quote.number for quote in quotes})
        self._sources = [_source([quote for quote in quotes if quote.number == n]) for n in self._numbers]
        self._shown = [set(content_words(span.text)) for quote in quotes for span in split(quote.text)]

    def feed(self, sentence: str) -> str | None:
        """The sentence as Markdown with its [n] and a space after it; None where it is withheld.

        Chatter is dropped, and so is what the reader has already before their eyes.
        """
        claim = _claim(sentence)
        if not claim:
            return None
        self.sentences += 1
        support = check(claim, self._sources, supported_from=_SUPPORTED_FROM)
        if support.verdict != "supported" or support.source is None:
            self.unsupported += 1
            return None
        if self._is_shown(claim):
            return None
        self._shown.append(set(content_words(claim)))
        return f"{escape(claim)} [{self._numbers[support.source]}] "

    def _is_shown(self, claim: str) -> bool:
        stems = set(content_words(claim))
        return any(len(stems & shown) >= _SAME_WORDS * len(stems | shown) for shown in self._shown)


def _source(quotes: Sequence[Quote]) -> str:
    """What a claim may rest on: the quotes from one passage, under its title and heading."""
    passage = quotes[0].hit.passage
    return "\n\n".join([f"# {passage.title}", f"# {passage.heading}", *(quote.text for quote in quotes)])


def _claim(sentence: str) -> str:
    """The sentence without the model's own citations and remarks about its sources; empty where nothing is left."""
    plain = " ".join(_CITATION.sub("", sentence).split())
    claim = _LEAD_IN.sub("", plain, count=1)
    if _CHATTER.match(claim) or not any(map(str.isalnum, claim)):
        return ""
    return claim[0].upper() + claim[1:]
