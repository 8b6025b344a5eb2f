"""Starter questions that fit the corpus: about its documents' titles, and only those that it answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

from agents.answering.abstention import answerability
from agents.answering.quotes import select_quotes
from agents.answering.settings import AnsweringSettings
from retrieval.corpus import Corpus
from retrieval.passages import Document

COUNT = 4
TRIED = 24
SURE = 0.5
_TITLE = re.compile(r"[^\W\d_][\w ,'’&-]{3,58}[\w?]")
_ORDINARY = re.compile(r"(?:an?|the|our|your|how|what|when|where|which|who|why)\b|\w+ing\b", re.IGNORECASE)
_CLAUSE = re.compile(r"(?:how|what|when|where|which|who|why)\b")


class Starters:
    """Finds the questions, and remembers them for a release. Blocking work runs in a thread."""

    def __init__(self, corpus: Corpus, settings: AnsweringSettings) -> None:
        self._corpus = corpus
        self._settings = settings
        self._find = lru_cache(64)(self._find_now)

    def likely(self, groups: Iterable[str]) -> list[str]:
        """Up to four questions about documents of these groups; nobody has looked whether they are answered."""
        return [question for question, _ in islice(self._candidates(frozenset(groups)), COUNT)]

    async def answered(self, groups: Iterable[str]) -> list[str]:
        """Up to four questions that documents of these groups answer. Needs the encoder."""
        return await asyncio.to_thread(self._find, self._corpus.release().number, frozenset(groups))

    def _find_now(self, release: int, groups: frozenset[str]) -> list[str]:
        tried = islice(self._candidates(groups), TRIED)
        return list(islice((question for question, document in tried if self._answers(question, document)), COUNT))

    def _candidates(self, groups: frozenset[str]) -> Iterator[tuple[str, Document]]:
        """Questions about titles that read like one, those of several words first."""
        readable = [document for document in self._corpus.documents().values() if groups & set(document.groups)]
        titles = {document.title.strip(): document for document in readable}
        for title in sorted(filter(_TITLE.fullmatch, titles), key=lambda title: " " not in title):
            yield question_about(title), titles[title]

    def _answers(self, question: str, document: Document) -> bool:
        hits = self._corpus.search_now(question, groups=document.groups)
        quotes = select_quotes(question, hits, self._corpus.encode, self._settings)
        own = any(quote.hit.passage.document_id == document.id for quote in quotes)
        return own and answerability(quotes) >= SURE


def question_about(title: str) -> str:
    """A title that asks is the question; of any other, to be told about it."""
    if title.endswith("?"):
        return title
    topic = _inside_a_sentence(title)
    return f"Tell me {topic}" if _CLAUSE.match(topic) else f"Tell me about {topic}"


def _inside_a_sentence(title: str) -> str:
    """The title without its capital, where that is not a name's."""
    first, _, rest = title.partition(" ")
    ordinary = _ORDINARY.match(title) or (rest.islower() and not first.isupper())
    return f"{title[0].lower()}{title[1:]}" if ordinary else title
