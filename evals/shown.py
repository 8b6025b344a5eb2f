"""What a reader is shown, taken apart: statements with the number of their source, and the words of an answer."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from retrieval.citations import check
from retrieval.passages import Passage
from retrieval.sentences import split
from retrieval.words import content_words

MIN_HELD = 0.9
"""Of the telling words of a sentence, how many its source must hold."""
_CITATION = re.compile(r"(?<!\\)\[(\d+)\]")
_MARKUP = re.compile(r"^> ?|\\(?=[^\w\s]|_)", re.MULTILINE)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation + "–—“”‘’…", " "))


class Statement(NamedTuple):
    """Sentences that were shown, and the number of the source behind them; None where none follows."""

    text: str
    number: int | None

    @property
    def sentences(self) -> list[str]:
        """Its sentences, list items, headings and table rows."""
        return [span.text for span in split(self.text)]


def statements(markdown: str) -> list[Statement]:
    """The statements of an answer, in order."""
    return [statement for statement in _cut(markdown) if statement.sentences]


def supports(passage: Passage, sentence: str) -> bool:
    """Whether a passage says a sentence: word for word, or in its own words without a doubt.

    That is stricter than what lets a sentence be shown: nearly every telling word must be the passage's own.
    """
    source = f"# {passage.title}\n\n# {passage.heading}\n\n{passage.text}"
    if " ".join(sentence.split()) in " ".join(source.split()):
        return True
    said, held = set(content_words(sentence)), set(content_words(source))
    return len(said & held) >= MIN_HELD * len(said) and check(sentence, [source]).verdict == "supported"


def contains(text: str, answer: str) -> bool:
    """Whether the answer's words stand in the text, whatever their case, punctuation and articles."""
    return f" {_plain(answer)} " in f" {_plain(text)} "


def token_f1(text: str, answer: str) -> float:
    """How far the words of both agree, 0 to 1, whatever their case, punctuation and articles: SQuAD's F1."""
    said, meant = _plain(text).split(), _plain(answer).split()
    shared = sum((Counter(said) & Counter(meant)).values())
    return 2 * shared / (len(said) + len(meant)) if shared else 0.0


def _cut(markdown: str) -> Iterator[Statement]:
    end = 0
    for citation in _CITATION.finditer(markdown):
        yield Statement(_unmarked(markdown[end : citation.start()]), int(citation[1]))
        end = citation.end()
    yield Statement(_unmarked(markdown[end:]), None)


def _unmarked(markdown: str) -> str:
    return _MARKUP.sub("", markdown.strip())


def _plain(text: str) -> str:
    bare = _CITATION.sub(" ", text).lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())
