"""Old answers, and who may still read them."""

from __future__ import annotations

from collections.abc import Collection

from app.evidence.ledger import Ledger, Source
from retrieval.corpus import Corpus
from retrieval.passages import Document


class Clearance:
    """Judges an old answer by the documents that it rests on: whoever may not read one of them may not read it.

    What counts is who may read the document now; of one that has left the corpus, who could read it last.
    """

    def __init__(self, ledger: Ledger, corpus: Corpus) -> None:
        self._ledger = ledger
        self._corpus = corpus

    def withheld(self, thread_id: str, groups: Collection[str]) -> set[str]:
        """The turns of a thread that a reader of `groups` may not read. Blocks."""
        sources = self._ledger.sources(thread_id)
        documents = {one: self._corpus.document(one) for one in {source.document_id for source in sources}}
        return {
            source.turn_id
            for source in sources
            if set(groups).isdisjoint(_readers(documents[source.document_id], source))
        }


def _readers(document: Document | None, source: Source) -> Collection[str]:
    return document.groups if document else source.groups
