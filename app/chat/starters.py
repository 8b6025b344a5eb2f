"""Starter questions that fit the corpus: they come from its documents' titles."""

from __future__ import annotations

import re

from retrieval.corpus import Corpus

COUNT = 4
_SAMPLE_TITLES = re.compile(r"^[A-Z][\w',\- ]{6,60}$")


def starter_questions(corpus: Corpus) -> list[str]:
    """Up to four questions about documents that everyone may read; none where the corpus is empty."""
    titles: list[str] = []
    for document in corpus.documents().values():
        title = document.title.strip()
        if _SAMPLE_TITLES.match(title) and title not in titles:
            titles.append(title)
    return [f"What do the documents say about {_as_topic(title)}?" for title in titles[:COUNT]]


def _as_topic(title: str) -> str:
    """The title inside a sentence: an ordinary first word loses its capital."""
    first, _, rest = title.partition(" ")
    return f"{first.lower()} {rest}".strip() if first.istitle() and rest.islower() else title
