"""The sentences of the found passages that answer the question, chosen without a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, zip_longest
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from agents.answering.ranking import Encode, Match, Ranked, rank, rank_rows
from agents.answering.settings import AnsweringSettings
from agents.answering.units import is_dangling
from retrieval.passages import Hit

_SAME_WORDS = 0.8
_MAX_CONTEXT_CHARS = 200
_ROWS = 2


class Lookup(NamedTuple):
    """What was looked for, and what was found."""

    question: str
    hits: Sequence[Hit]
    in_tables: bool = False
    """Of the hits, nothing but rows that are called what was looked for is of use."""


class Quote(BaseModel):
    """Words of a passage, verbatim, with the number of their source."""

    model_config = ConfigDict(frozen=True)

    number: int
    """From 1; quotes of one passage share it."""
    hit: Hit
    start: int
    end: int
    text: str
    """`hit.passage.text[start:end]`."""
    score: float
    match: Match


def select_quotes(
    question: str, hits: Sequence[Hit], encode: Encode, settings: AnsweringSettings | None = None
) -> list[Quote]:
    """The few sentences that answer best, best first, neighbours joined; empty where nothing was found."""
    settings = settings or AnsweringSettings()
    return _numbered(_joined(_chosen(_near_best(rank(question, hits, encode, settings), settings), settings)))


def select_report_quotes(lookups: Sequence[Lookup], encode: Encode, settings: AnsweringSettings) -> list[Quote]:
    """More, for a question asked of a whole report: what it says in several places, one stretch a page.

    Of what was found for the question as a whole, for each of its parts, and in tables, the best come in turn.
    """
    more = settings.for_reports()
    near = [_best_of(one, encode, more) for one in lookups]
    in_turn = [ranked for row in zip_longest(*near) for ranked in row if ranked]
    return _numbered(_joined(_chosen(in_turn, more, once_a_page=True)))


def _best_of(lookup: Lookup, encode: Encode, settings: AnsweringSettings) -> list[Ranked]:
    if lookup.in_tables:
        return rank_rows(lookup.question, lookup.hits, encode, settings)[:_ROWS]
    return _near_best(rank(lookup.question, lookup.hits, encode, settings), settings)


def _near_best(ranked: Sequence[Ranked], settings: AnsweringSettings) -> list[Ranked]:
    """Those that score little below the best one."""
    return [each for each in ranked if each.score >= ranked[0].score - settings.score_gap]


def _chosen(ranked: Sequence[Ranked], settings: AnsweringSettings, *, once_a_page: bool = False) -> list[Ranked]:
    """The first without near-repeats, within the limits; a pronoun brings the sentence before it along."""
    chosen: list[Ranked] = []
    for best in ranked:
        if once_a_page and any(_same_page_elsewhere(best, other) for other in chosen):
            continue
        for each in (best, _context(best)):
            if each and _fits(each, chosen, settings):
                chosen.append(each)
    return chosen


def _same_page_elsewhere(one: Ranked, other: Ranked) -> bool:
    """Whether both stand on one page of a document, and are not next to one another."""
    left, right = one.candidate.hit.passage, other.candidate.hit.passage
    if left.id == right.id:
        return abs(one.candidate.index - other.candidate.index) > 1
    return left.page is not None and (left.document_id, left.page) == (right.document_id, right.page)


def _fits(one: Ranked, chosen: Sequence[Ranked], settings: AnsweringSettings) -> bool:
    chars = sum(len(each.candidate.unit.text) for each in (one, *chosen))
    within = len(chosen) < settings.max_sentences and chars <= settings.max_chars
    return within and not any(_repeats(one, other) for other in chosen)


def _repeats(one: Ranked, other: Ranked) -> bool:
    left, right = one.candidate.stems, other.candidate.stems
    return len(left & right) > _SAME_WORDS * len(left | right) or one.candidate.unit.text == other.candidate.unit.text


def _context(ranked: Ranked) -> Ranked | None:
    """The short sentence before one that opens with a pronoun, as its equal."""
    candidate = ranked.candidate
    if candidate.index == 0 or not is_dangling(candidate.unit.text):
        return None
    before = replace(candidate, index=candidate.index - 1)
    return ranked._replace(candidate=before) if len(before.unit.text) <= _MAX_CONTEXT_CHARS else None


def _joined(chosen: Sequence[Ranked]) -> list[list[Ranked]]:
    """Sentences that follow one another in a passage, together; the group with the best of them first."""
    in_place = sorted(chosen, key=lambda each: (each.candidate.hit.passage.id, each.candidate.index))
    runs = groupby(enumerate(in_place), key=lambda pair: _run(*pair))
    groups = [[each for _, each in run] for _, run in runs]
    return sorted(groups, key=lambda group: -max(each.score for each in group))


def _run(place: int, ranked: Ranked) -> tuple[str, int]:
    """The same for neighbours only: places and indices then grow in step."""
    return ranked.candidate.hit.passage.id, ranked.candidate.index - place


def _numbered(groups: Sequence[list[Ranked]]) -> list[Quote]:
    numbers: dict[str, int] = {}
    return [_quote(group, numbers.setdefault(group[0].candidate.hit.passage.id, len(numbers) + 1)) for group in groups]


def _quote(group: list[Ranked], number: int) -> Quote:
    best = max(group, key=lambda each: each.score)
    hit = best.candidate.hit
    start, end = group[0].candidate.unit.start, group[-1].candidate.unit.end
    return Quote(
        number=number,
        hit=hit,
        start=start,
        end=end,
        text=hit.passage.text[start:end],
        score=best.score,
        match=best.match,
    )
