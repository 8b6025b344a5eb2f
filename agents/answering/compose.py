"""The answer as the reader sees it, put together from quotes."""

from __future__ import annotations

from collections.abc import Sequence

from agents.answering.markdown import blockquote, one_line
from agents.answering.quotes import Quote
from agents.answering.rows import column_names
from agents.turn import Citation
from retrieval.passages import Passage

NOT_FOUND = "I could not find an answer to this in the documents."
NOTHING_NEAR = "Nothing in them comes near it. Other words for the same thing may help."


def evidence_markdown(quotes: Sequence[Quote]) -> str:
    """The quotes as block quotes, best first, each with the number of its source."""
    return "\n\n".join(map(_numbered, quotes))


def abstention_markdown(nearest: Sequence[Quote]) -> str:
    """That the documents don't answer, and the passages that come nearest, each with its source's name."""
    if not nearest:
        return f"{NOT_FOUND} {NOTHING_NEAR}"
    passages = (f"{source_label(quote.hit.passage)}:\n\n{_numbered(quote)}" for quote in nearest)
    return "\n\n".join([f"{NOT_FOUND} These passages come nearest:", *passages])


def citations(quotes: Sequence[Quote]) -> list[Citation]:
    """One citation for each source, in the order of their numbers, with all quotes from it."""
    by_number: dict[int, list[Quote]] = {}
    for quote in quotes:
        by_number.setdefault(quote.number, []).append(quote)
    return [_citation(number, group) for number, group in sorted(by_number.items())]


def source_label(passage: Passage) -> str:
    """Document, page and heading, as Markdown."""
    page = f"page {passage.page_name}" if passage.page else ""
    return ", ".join(one_line(part) for part in (passage.document, page, passage.heading) if part)


def _numbered(quote: Quote) -> str:
    """The quote, a row of a table below the names of its columns."""
    columns = column_names(quote.hit.passage.text, quote.start)
    shown = blockquote("\n".join((columns, quote.text)))
    return f"{shown} [{quote.number}]"


def _citation(number: int, quotes: Sequence[Quote]) -> Citation:
    hit = quotes[0].hit
    return Citation(
        number=number,
        passage=hit.passage,
        quotes=tuple(quote.text for quote in quotes),
        **hit.model_dump(exclude={"passage"}),
    )
