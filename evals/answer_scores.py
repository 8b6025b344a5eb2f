"""What answers are worth, against known answers and against the passages that they cite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import BaseModel

from agents.turn import TurnResult
from evals.asking import Outcome
from evals.bench.figures import median
from evals.shown import Statement, contains, statements, supports, token_f1
from evals.support import auc
from retrieval.passages import Passage

REFUSED = 0.9


class Scores(BaseModel):
    """Shares between 0 and 1 unless said otherwise; None where nothing was there to be judged."""

    answerable: int
    """Questions with a known answer; the next are those without one."""
    unanswerable: int
    failed: int
    """Questions that came to nothing, or whose model failed, so that only quotes were shown."""
    answer_contained: float | None
    """Of the answerable, those that were answered with words that hold a known answer."""
    token_f1: float | None
    """SQuAD's F1 of the shown sentence and the known answer that agree best, over the answerable; 0 if abstained."""
    wrong_abstention: float | None
    """Of the answerable, those that were abstained from."""
    wrong_abstention_at_90: float | None
    """Of the answerable, those less answerable by `answerability` than 90 % of the unanswerable are."""
    abstention_precision: float | None
    """Of all abstentions, those that were due."""
    abstention_recall: float | None
    """Of the unanswerable, those that were abstained from."""
    answerability_auc: float | None
    """How often an answerable question has a higher `answerability` than an unanswerable one, ties counting half."""
    unsupported_rate: float | None
    """Of the sentences of answers, those that the passage which they cite does not say beyond doubt."""
    withheld_rate: float | None
    """Of the sentences that the model wrote, those that no quote supports, and that were not shown."""
    citation_precision: float | None
    """Of the [n] in answers, those whose passage says all that stands before it, back to the [n] before."""
    citation_recall: float | None
    """Of the answerable that were answered, those that cite a passage which holds a known answer."""
    sentences: float | None
    """Sentences that an answer shows, on average."""
    evidence_ms_p50: float | None
    first_token_ms_p50: float | None
    latency_ms_p50: float | None
    """Milliseconds until the first quote, the model's first token, and the end; half of the turns took less."""


def score(outcomes: Sequence[Outcome]) -> Scores:
    """The outcomes as shares."""
    answerable = [each for each in outcomes if each.case.answers is not None]
    unanswerable = [each for each in outcomes if each.case.answers is None]
    results = [each.result for each in outcomes if each.result]
    shown = [each for result in results if result.status == "answered" for each in _shown(result)]
    sure, unsure = _answerability(answerable), _answerability(unanswerable)
    return Scores(
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        failed=sum(each.result is None or each.result.error is not None for each in outcomes),
        answer_contained=_mean([right(each) for each in answerable]),
        token_f1=_mean([_best_f1(each) for each in answerable]),
        wrong_abstention=_mean([each.abstained for each in answerable]),
        wrong_abstention_at_90=float(np.mean(sure < np.quantile(unsure, REFUSED)))
        if len(sure) and len(unsure)
        else None,
        abstention_precision=_mean([each.case.answers is None for each in outcomes if each.abstained]),
        abstention_recall=_mean([each.abstained for each in unanswerable]),
        answerability_auc=auc(sure, unsure) if len(sure) and len(unsure) else None,
        unsupported_rate=_mean([not held for _, judged in shown for held in judged]),
        withheld_rate=_ratio([result.unsupported for result in results], [result.sentences for result in results]),
        citation_precision=_mean([all(judged) for cited, judged in shown if cited]),
        citation_recall=_mean([_cites_answer(each) for each in answerable if each.answered]),
        sentences=_ratio([len(judged) for _, judged in shown], [result.status == "answered" for result in results]),
        evidence_ms_p50=_median_ms([result.evidence_s for result in results]),
        first_token_ms_p50=_median_ms([result.first_token_s for result in results]),
        latency_ms_p50=_median_ms([result.total_s for result in results]),
    )


def right(outcome: Outcome) -> bool:
    """Whether a known answer was shown, or the lack of one was said."""
    if outcome.case.answers is None:
        return outcome.abstained
    result = outcome.answered
    return result is not None and any(contains(result.text, answer) for answer in outcome.case.answers)


def _best_f1(outcome: Outcome) -> float:
    result, known = outcome.answered, outcome.case.answers or ()
    sentences = [sentence for each in statements(result.text) for sentence in each.sentences] if result else []
    return max((token_f1(sentence, answer) for sentence in sentences for answer in known), default=0.0)


def _shown(result: TurnResult) -> Iterator[tuple[bool, list[bool]]]:
    """Of each statement, whether it cites a source, and of each of its sentences, whether the source says it."""
    passages = {citation.number: citation.passage for citation in result.citations}
    for statement in statements(result.text):
        yield statement.number is not None, _judged(statement, passages.get(statement.number or 0))


def _judged(statement: Statement, passage: Passage | None) -> list[bool]:
    return [passage is not None and supports(passage, sentence) for sentence in statement.sentences]


def _cites_answer(outcome: Outcome) -> bool:
    cited = outcome.result.citations if outcome.result else ()
    known = outcome.case.answers or ()
    return any(contains(citation.passage.text, answer) for citation in cited for answer in known)


def _answerability(outcomes: Sequence[Outcome]) -> list[float]:
    results = (each.result for each in outcomes if each.result)
    return [result.answerability for result in results if result.answerability is not None]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _ratio(parts: Sequence[float], wholes: Sequence[float]) -> float | None:
    return sum(parts) / sum(wholes) if sum(wholes) else None


def _median_ms(seconds: Sequence[float | None]) -> float | None:
    known = [each for each in seconds if each is not None]
    return median(known) * 1000 if known else None
