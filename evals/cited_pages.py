"""Whether the pages that an answer cites hold what people found to be the answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from retrieval.words import content_words, rarity

_FIGURE = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?%?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_MIN_DIGITS = 3
_FIGURES_HELD = 0.5
_WORDS_HELD = 0.8


def hold(cited: Collection[int], pages: Mapping[int, str], answer: str, question: str) -> bool:
    """Whether the `cited` pages of a document (`pages`, by number) hold an answer.

    Of the answer's figures that the document states anywhere they must state at least half, together. Where it states
    none, one of them must share nearly as many telling words with the answer as the best page of the document does.
    """
    stated = figures(answer) - figures(question)
    by_page = {page: figures(text) for page, text in pages.items()}
    stated &= set().union(*by_page.values())
    if stated:
        return len(stated & _all(by_page, cited)) >= _FIGURES_HELD * len(stated)
    shares = _shares(set(content_words(answer)) - set(content_words(question)), pages)
    best = max(shares.values(), default=0.0)
    return best > 0 and max((shares[page] for page in cited if page in shares), default=0.0) >= _WORDS_HELD * best


def figures(text: str) -> set[str]:
    """The figures of a text as bare digits, so that $23.198 billion is 23,198 million; no years, no small counts."""
    found = (match[0] for match in _FIGURE.finditer(text))
    return {_digits(figure) for figure in found if _is_figure(figure)}


def _is_figure(figure: str) -> bool:
    return (
        figure.endswith("%") or "." in figure or (len(_digits(figure)) >= _MIN_DIGITS and not _YEAR.fullmatch(figure))
    )


def _digits(figure: str) -> str:
    whole, _, fraction = figure.rstrip("%").replace(",", "").partition(".")
    return whole + fraction.rstrip("0")


def _all(by_page: Mapping[int, set[str]], cited: Iterable[int]) -> set[str]:
    return set().union(*(by_page.get(page, set()) for page in cited))


def _shares(wanted: set[str], pages: Mapping[int, str]) -> dict[int, float]:
    """How much of the wanted words each page holds, rare ones counting more."""
    stems = {page: set(content_words(text)) for page, text in pages.items()}
    weights = rarity(wanted, list(stems.values()))
    return {page: sum(weight for word, weight in weights.items() if word in held) for page, held in stems.items()}
