"""The answer as the reader sees it, put together from quotes."""

from __future__ import annotations

from collections.abc import Sequence

from agents.answering.markdown import blockquote, one_line
from agents.answering.quotes import Quote
from agents.turn import Citation
from retrieval.passages import Hit, Passage
from retrieval.sentences import split

NOT_FOUND = "I could not find an answer to this in the documents."
NOTHING_NEAR = "Nothing in them comes near it. Other words for the same thing may help."
_EXCERPT_CHARS = 200


def evidence_markdown(quotes: Sequence[Quote]) -> str:
    """The quotes as block quotes, best first, each with the number of its source."""
    return "\n\n".join(f"{blockquote(quote.text)} [{quote.number}]" for quote in quotes)


def abstention_markdown(nearest: Sequence[Hit]) -> str:
    """That the documents don't answer, and which sources come nearest, numbered as `nearest_citations` are."""
    if not nearest:
        return f"{NOT_FOUND} {NOTHING_NEAR}"
    sources = (
        f"- [{number}] {source_label(hit.passage)}: “{one_line(_excerpt(hit.passage))}”"
        for number, hit in enumerate(nearest, 1)
    )
    return "\n".join([f"{NOT_FOUND} The nearest sources are:", "", *sources])


def citations(quotes: Sequence[Quote]) -> list[Citation]:
    """One citation for each source, in the order of their numbers, with all quotes from it."""
    by_number: dict[int, list[Quote]] = {}
    for quote in quotes:
        by_number.setdefault(quote.number, []).append(quote)
    return [
        _citation(number, group[0].hit, [quote.text for quote in group]) for number, group in sorted(by_number.items())
    ]


def nearest_citations(nearest: Sequence[Hit]) -> list[Citation]:
    """Citations for sources that come near a question but don't answer it."""
    return [_citation(number, hit, []) for number, hit in enumerate(nearest, 1)]


def source_label(passage: Passage) -> str:
    """Document, page and heading, as Markdown."""
    page = f"page {passage.page}" if passage.page else ""
    return ", ".join(one_line(part) for part in (passage.document, page, passage.heading) if part)


def _citation(number: int, hit: Hit, quotes: Sequence[str]) -> Citation:
    return Citation(
        number=number,
        passage=hit.passage,
        quotes=tuple(quotes),
        score=hit.score,
        dense=hit.dense,
        sparse=hit.sparse,
    )


def _excerpt(passage: Passage) -> str:
    first = next((span.text for span in split(passage.text)), "")
    return first if len(first) <= _EXCERPT_CHARS else first[:_EXCERPT_CHARS].rsplit(" ", 1)[0] + " …"
