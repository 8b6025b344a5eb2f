"""What the model wrote, sentence by sentence: shown with its source where a quote supports it, or else withheld."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.answering.markdown import escape
from agents.answering.quotes import Quote
from agents.answering.settings import AnsweringSettings
from retrieval.citations import check
from retrieval.sentences import split
from retrieval.words import content_words

_SAME_WORDS = 0.8
_MIN_WORDS = 2
"""Telling words of a claim: a bare "1903" doesn't say of what, so that nothing can support it."""
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
    """Takes each sentence that the model writes in answer to a question and says what of it is shown."""

    def __init__(self, quotes: Sequence[Quote], question: str, settings: AnsweringSettings | None = None) -> None:
        self.sentences = 0
        """Sentences that the model wrote, chatter apart."""
        self.unsupported = 0
        """Of these, how many no quote supports."""
        settings = settings or AnsweringSettings()
        self._left = settings.model_sentences
        self._own_words = settings.own_words
        self._asked = set(content_words(question))
        self._numbers = sorted({quote.number for quote in quotes})
        self._sources = [_Source([quote for quote in quotes if quote.number == n]) for n in self._numbers]
        self._shown = [set(content_words(span.text)) for quote in quotes for span in split(quote.text)]

    @property
    def complete(self) -> bool:
        """Whether all that may be shown is shown, whatever else the model has to say."""
        return not self._left

    def feed(self, sentence: str) -> str | None:
        """The sentence as Markdown with its [n] and a space after it; None where it is withheld.

        Chatter is dropped, and so is what the reader has already before their eyes, and what is too much.
        """
        claim = _claim(sentence)
        if not claim:
            return None
        self.sentences += 1
        source = self._source_of(claim)
        if source is None:
            self.unsupported += 1
            return None
        if self._is_shown(claim) or self.complete:
            return None
        self._left -= 1
        self._shown.append(set(content_words(claim)))
        return f"{escape(claim)} [{self._numbers[source]}] "

    def _source_of(self, claim: str) -> int | None:
        """The place of the source that says it, nearly in words of one sentence of it and of the question, or None."""
        support = check(claim, [source.text for source in self._sources], supported_from=_SUPPORTED_FROM)
        said = set(content_words(claim))
        if support.verdict != "supported" or support.source is None or len(said) < _MIN_WORDS:
            return None
        own = said - self._asked - self._sources[support.source].nearest(said)
        return support.source if len(own) <= self._own_words * len(said) else None

    def _is_shown(self, claim: str) -> bool:
        stems = set(content_words(claim))
        return any(len(stems & shown) >= _SAME_WORDS * len(stems | shown) for shown in self._shown)


class _Source:
    """What a claim may rest on: the quotes from one passage, under its title and heading."""

    def __init__(self, quotes: Sequence[Quote]) -> None:
        passage = quotes[0].hit.passage
        self.text = "\n\n".join([f"# {passage.title}", f"# {passage.heading}", *(quote.text for quote in quotes)])
        self._headings = set(content_words(f"{passage.title} {passage.heading}"))
        self._sentences = [set(content_words(span.text)) for quote in quotes for span in split(quote.text)]

    def nearest(self, said: set[str]) -> set[str]:
        """The words of the sentence that shares most with a claim: one put together from two may be true of neither."""
        return self._headings | max(self._sentences, key=lambda words: len(words & said), default=set())


def _claim(sentence: str) -> str:
    """The sentence without the model's own citations and remarks about its sources; empty where nothing is left."""
    plain = " ".join(_CITATION.sub("", sentence).split())
    claim = _LEAD_IN.sub("", plain, count=1)
    if _CHATTER.match(claim) or not any(map(str.isalnum, claim)):
        return ""
    return claim[0].upper() + claim[1:]
