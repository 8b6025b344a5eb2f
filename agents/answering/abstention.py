"""Whether the quotes answer the question at all: better said than guessed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from agents.answering.quotes import Quote
from agents.answering.settings import AnsweringSettings

# Logistic weights over the best quote's match. XQuAD English, each of the 1190 questions once with its paragraph in the
# corpus and once without it, gives an AUC of 0.945, and 14 % of the answerable are refused where 90 % of the others
# are (below 0.52); a threshold on the best passage's cosine gives 0.83 and 47 %. XQuAD's questions repeat the words of
# their paragraphs, and a fit to them alone leans on shared words (0.955, 12 %). People who have not read the text
# choose other words: that fit refused many of their questions. So shared words count less than half of it here.
_INTERCEPT = -6.6
_SIMILARITY = 9.6
_COVERAGE = 1.0
_PASSAGE_COVERAGE = 2.0
_LACKS_NUMBER = -1.0


def answerability(quotes: Sequence[Quote]) -> float:
    """How likely it is that the quotes answer the question they were chosen for, 0 to 1."""
    if not quotes:
        return 0.0
    match = max(quotes, key=lambda quote: quote.score).match
    logit = (
        _INTERCEPT
        + _SIMILARITY * match.similarity
        + _COVERAGE * match.coverage
        + _PASSAGE_COVERAGE * match.passage_coverage
        + _LACKS_NUMBER * match.lacks_number
    )
    return 1 / (1 + math.exp(-logit))


def nearest(quotes: Sequence[Quote], settings: AnsweringSettings) -> list[Quote]:
    """The quotes that have something to do with the question, though they don't answer it, numbered from 1."""
    near = [quote for quote in quotes if quote.match.similarity >= settings.nearest_from]
    numbers = {old: new for new, old in enumerate(dict.fromkeys(quote.number for quote in near), 1)}
    return [quote.model_copy(update={"number": numbers[quote.number]}) for quote in near]
