"""Whether the quotes answer the question at all: better said than guessed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from agents.answering.quotes import Quote
from agents.answering.ranking import Match
from agents.answering.settings import AnsweringSettings

# A logistic fit over the best quote's match, where as many questions are answered as not: XQuAD English, each question
# once with its paragraph in the corpus and once without it, and TREC CAsT, each rewritten question once with its
# passage and once without its topic, at half the weight. XQuAD's questions repeat the words of their paragraphs, and
# people who have not read the text choose other words: a fit to XQuAD alone refuses too many of theirs.
_INTERCEPT = -7.7
_WEIGHTS = {
    "similarity": 9.3,
    "coverage": 2.7,
    "passage_coverage": 3.9,
    "lacks_number": -1.4,
    "missing": -0.55,
    "lead": 3.5,
}


def answerability(quotes: Sequence[Quote]) -> float:
    """How likely it is that the quotes answer the question they were chosen for, 0 to 1."""
    if not quotes:
        return 0.0
    return 1 / (1 + math.exp(-_logit(max(quotes, key=lambda quote: quote.score).match)))


def nearest(quotes: Sequence[Quote], settings: AnsweringSettings) -> list[Quote]:
    """The quotes that have something to do with the question, though they don't answer it, numbered from 1."""
    near = [quote for quote in quotes if quote.match.similarity >= settings.nearest_from]
    numbers = {old: new for new, old in enumerate(dict.fromkeys(quote.number for quote in near), 1)}
    return [quote.model_copy(update={"number": numbers[quote.number]}) for quote in near]


def _logit(match: Match) -> float:
    return _INTERCEPT + sum(weight * getattr(match, name) for name, weight in _WEIGHTS.items())
