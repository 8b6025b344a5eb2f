"""Whether a source says what a sentence claims: a citation is checked, not declared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from pydantic import BaseModel, ConfigDict

from retrieval import facts
from retrieval.alignment import swaps
from retrieval.evidence import Source, evidence, joined, read
from retrieval.likelihood import features, likelihood
from retrieval.sentences import Span, split
from retrieval.words import content_words, stem, words

Verdict = Literal["supported", "partly", "unsupported"]

_MAX_CLAIM_CHARS = 2_000
_WORTH_CHECKING = 0.1
_CONTRADICTED = 0.1
_REPLY = re.compile(
    r"^\W*(?:(?:(?:yes|yeah|yea|oh|ok|okay|wow)\b|(?:no|well|sure|hi|hello)\b(?=\s*[,.!;]|\s+but\b|\s*$))[\s,.!;-]*)+",
    re.IGNORECASE,
)
_DANGLING = re.compile(r"(?:it|its|they|their|he|his|she|her|this|these|that|those|such)\b", re.IGNORECASE)


class Support(BaseModel):
    """What became of one claim."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    score: float = 0.0
    """How likely the source says it, 0 to 1; a tenth of that where a fact contradicts it."""
    source: int | None = None
    """Index of the source that comes nearest."""
    start: int = 0
    end: int = 0
    """The evidence: offsets into that source."""
    reasons: tuple[str, ...] = ()
    """What is wrong, in words for a reader; empty where the claim is supported."""


def check(claim: str, sources: Sequence[str], *, supported_from: float = 0.5, partly_from: float = 0.25) -> Support:
    """Compare a claim with each source and keep the kindest verdict.

    Numbers, names, quoted words, negations and opposites must agree exactly; then words and their order decide.
    A claim is at most 2,000 characters long, and the first 50,000 of a source are read.
    """
    if len(claim) > _MAX_CLAIM_CHARS:
        return Support(verdict="unsupported", reasons=("it is too long to be checked",))
    parts = _parts(claim)
    results = [_check_one(claim, parts, read(source), index) for index, source in enumerate(sources)]
    best = max(results, key=lambda result: result.score, default=Support(verdict="unsupported"))
    if not best.reasons and best.score >= supported_from:
        return best.model_copy(update={"verdict": "supported"})
    verdict: Verdict = "partly" if not best.reasons and best.score >= partly_from else "unsupported"
    reasons = best.reasons or ("the source does not say this",)
    return best.model_copy(update={"verdict": verdict, "reasons": reasons})


def _parts(claim: str) -> list[str]:
    """The sentences of a claim, without the "Yes" that they open with; those that say no more are left out."""
    parts = [_REPLY.sub("", span.text) for span in split(claim)]
    return [part for part in parts if any(map(str.isalnum, part))]


def _check_one(claim: str, parts: Sequence[str], source: Source, index: int) -> Support:
    if not source.spans or not parts:
        return Support(verdict="unsupported", source=index)
    found = [(part, evidence(part, source)) for part in parts]
    score = likelihood(features(claim, source, [(part, joined(spans)) for part, spans in found]))
    checked = found if score >= _WORTH_CHECKING else []
    reasons = [reason for part, spans in checked for reason in _contradictions(part, spans, source)]
    used = [span for _, spans in found for span in spans]
    return Support(
        verdict="unsupported",
        score=score * _CONTRADICTED if reasons else score,
        source=index,
        start=min(span.start for span in used),
        end=max(span.end for span in used),
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _contradictions(claim: str, spans: Sequence[Span], source: Source) -> list[str]:
    """The facts of a claim that its evidence does not bear out."""
    shown = joined(spans)
    found = [f"the source does not name {name}" for name in sorted(_strange_names(claim, shown, source))]
    found += [f"the source does not say {value}" for value in sorted(_strange_numbers(claim, shown))]
    found += [f"the source says {there} where this says {here}" for here, there in swaps(claim, shown, source.names)]
    found += ["the quoted words differ" for text in facts.quoted(claim) if " ".join(words(text)) not in source.plain]
    if _denies(claim, shown) or _denies(shown, claim) or (facts.negates(claim) and not facts.refuses(shown)):
        found.append("one affirms what the other denies")
    if facts.opposed(claim, shown):
        found.append("one says the opposite of the other")
    return found


def _strange_names(claim: str, shown: str, source: Source) -> set[str]:
    """Names that the evidence lacks; where it opens with a pronoun, the whole source may supply them."""
    known = source.plain if _DANGLING.match(shown) else " ".join(words(shown))
    held = {stem(word) for word in words(known)}
    strange = {name for name in facts.names(claim) if not {stem(word) for word in words(name)} <= held}
    return {name for name in strange if not re.search(rf"\b{re.escape(name)}\b", known)}


def _strange_numbers(claim: str, shown: str) -> set[str]:
    known, stems = facts.numbers(shown), set(content_words(shown))
    return {number.value for number in facts.numbers(claim) if not _is_stated(number, known, stems)}


def _is_stated(number: facts.Number, known: Sequence[facts.Number], stems: AbstractSet[str]) -> bool:
    """Whether the evidence has this number, and of the same thing: where "16 days" is claimed, not "16 weeks"."""
    counted = {other.counted for other in known if other.value == number.value}
    if not counted or not number.counted or number.counted in counted:
        return bool(counted)
    elsewhere = any(other.counted == number.counted for other in known)
    return not elsewhere and ("" in counted or number.counted in stems)


def _denies(one: str, other: str) -> bool:
    """Whether `one` negates a word that `other` states plainly."""
    return bool((facts.denied(one) - facts.denied(other)) & set(content_words(other)))
