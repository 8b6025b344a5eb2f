"""Which documents a question about a period is asked of, where there is a document for each period."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from retrieval import facts
from retrieval.passages import Hit
from retrieval.words import STOPWORDS, content_words, words

_MIN_SHARE = 0.2
_QUARTERS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_YEAR = r"(?<!\d)((?:19|20)\d\d)(?!\d)"
_PERIOD = re.compile(
    rf"\bq([1-4])[\s_,/-]*(?:of )?{_YEAR}"
    rf"|\b({'|'.join(_QUARTERS)}) quarter(?: of|,)? (?:fiscal )?(?:year )?{_YEAR}"
    rf"|{_YEAR}(?:[\s_,/-]*q([1-4])(?!\d))?",
    re.IGNORECASE,
)
_LATEST = re.compile(
    r"\b(?:latest|newest|most recent) (?:\w+ )?(?:reports?|quarter|year|filings?|10-[qk])\b", re.IGNORECASE
)
_KIND = re.compile(r"\b(?:(?:quarterly|annual) )?(?:form )?(?:10-?[kq]s?|reports?|filings?)\b", re.IGNORECASE)
_OWNER = re.compile(r"\b([^\W\d_][\w&-]*)['’]s\b")
_QUARTER = re.compile(r"q[1-4]")


class Period(NamedTuple):
    """A year, or a quarter of it; quarter 0 is the whole year."""

    year: int
    quarter: int = 0

    def fits(self, other: Period) -> bool:
        """Whether both are the same year, and not different quarters of it."""
        return self.year == other.year and (self.quarter == other.quarter or not self.quarter or not other.quarter)


def periods(text: str) -> list[Period]:
    """The years and quarters that a text names."""
    return [_period(*match.groups()) for match in _PERIOD.finditer(text)]


def subject(question: str) -> str:
    """Whose figures a question about a period asks for, to be searched for alone; empty where no period is named.

    Names with an 's, as in "Apple's services"; without one, all names. Empty where there is none either.
    """
    if not periods(question) and not _LATEST.search(question):
        return ""
    owners = {owner for name in _OWNER.findall(question) if name[0].isupper() for owner in words(name)} - STOPWORDS
    named = owners or facts.names(question)
    return " ".join(sorted(name for name in named if len(name) > 1 and not _QUARTER.fullmatch(name)))


def documents(question: str, found: Sequence[Hit]) -> list[str]:
    """Of the documents that speak most of the subject (`found` for it alone), those of the period, by name.

    The newest where the question names no period; empty where no document's name has one that fits.
    """
    spoken = Counter(hit.passage.document for hit in found if hit.sparse)
    dated = {name: period[0] for name in spoken if (period := periods(name))}
    most = max((spoken[name] for name in dated), default=0)
    told = {name: period for name, period in dated.items() if spoken[name] >= _MIN_SHARE * most}
    asked = periods(question) or [max(told.values())] if told else []
    return sorted(name for name, period in told.items() if any(period.fits(each) for each in asked))


def topic(question: str) -> str:
    """The question without the words that only say in which documents to look, as long as others are left."""
    names = subject(question).split()
    said = _KIND.sub(" ", _LATEST.sub(" ", _PERIOD.sub(" ", question)))
    rest = " ".join(word for word in said.split() if not set(words(word)).intersection(names))
    return rest if content_words(rest) else question


def _period(q_before: str, after_q: str, ordinal: str, after_ordinal: str, year: str, q_after: str) -> Period:
    quarter = q_before or _QUARTERS.get((ordinal or "").lower()) or q_after or "0"
    return Period(int(after_q or after_ordinal or year), int(quarter))
