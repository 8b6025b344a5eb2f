"""Questions that lean on the ones before them, made to stand alone for the search."""

# ruff: noqa: SIM905 -- lists of words read best as text

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.turn import Message
from retrieval.words import STOPWORDS, content_words, stem, words

_OPENER = re.compile(
    r"^[\s¿]*(?:(?:and|but|or|so|also|then|what about|how about|same for|und|aber|y|pero|et)\b[\s,]*)+", re.IGNORECASE
)
_POINTER = re.compile(
    r"\bit(?:'s|’s|s)?\b(?! (?:take|cost|mean|(?:im)?possible|necessary|allowed|safe|true)s?\b.*\b(?:to|that|if|for)\b)"
    r"|\b(?:they|them|theirs?|he|him|his|she|hers?|this|these|those|such|ones?|others?|another|both|former|latter)\b"
    r"|(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bwere )\bthere\b"
    r"|\b(?:is|was|does|did|do|can|about|for|with|of|to|after|before|on|in) that\b|\bthat(?:'s|’s)?\s*[?.!,]|^that\b",
    re.IGNORECASE,
)
_GENERAL = frozenset(
    map(
        stem,
        """advantage affect aim area aspect bad basic become begin benefit best better big bring call case cause change
        characteristic choose come common compare component consequence consider continue cost create deal decide define
        definition describe description detail develop development differ difference different difficult disadvantage
        drawback early easy effect effective end example expensive explain fact factor famous feature find first follow
        form full function general go goal good great group happen hard help high history hear idea impact important
        importance improve include increase influence information interesting involve issue item keep key kind know
        large last late lead learn level like limit limitation list little live long look low main major make matter
        mean meaning measure mention method modern name near necessary new next nice number objective occur offer okay
        old opinion option order origin part people perform place plan play point popular possible potential prevent
        previous price primary problem process produce prominent property provide purpose quality question rate real
        really reason recent recommend related relationship relevant remember replace require requirement respond
        response result right risk role rule say second see seem serious set show sign significance significant similar
        similarity simple size small sort sound source special specific stage start state step stop sure symptom take
        talk term thanks thing think third time today total traditional true try turn type typical understand unique
        usage useful value variety version want way week well win wonder work world worth wrong year yes""".split(),
    )
)
"""Words that say something of a subject and don't name one, without their endings."""
_MAX_NAMING = 5
_MAX_NAMING_OF_ECHO = 2
_MAX_SUBJECT = 3
_FADING = 0.7
_WHOLE = 2.0
_ANSWERED = 0.5


def standalone(question: str, history: Sequence[Message]) -> str:
    """The question to search with: itself, or joined with what the conversation is about.

    "And for part-time staff?" continues the question before it; "how long does it take?" gains its subject.
    """
    asked = [at for at, message in enumerate(history) if message.role == "user"]
    if not asked or not (_leans(question) or _echoes(question, history[-2:])):
        return question
    opener = _OPENER.match(question)
    if opener:
        before = standalone(history[asked[-1]].content, history[: asked[-1]])
        return f"{before.rstrip(' ?.!')} {question[opener.end() :].lstrip()}"
    known = set(map(stem, words(question)))
    return " ".join([question, *(word for word in _subject(history) if stem(word) not in known)])


def _leans(question: str) -> bool:
    """Whether a question names nothing, opens with "and", or points back before it has named anything."""
    named = _naming(question)
    if not named or (len(words(question)) <= _MAX_NAMING_OF_ECHO and question.rstrip().endswith("?")):
        return True
    if len(named) > _MAX_NAMING:
        return False
    return bool(_OPENER.match(question)) or any(
        not _names(question[: pointer.start()]) for pointer in _POINTER.finditer(question)
    )


def _echoes(question: str, last: Sequence[Message]) -> bool:
    """Whether a short question without a name speaks of what was said last."""
    named = _naming(question)
    said = {word for message in last for word in content_words(message.content)}
    short = len(named) <= _MAX_NAMING_OF_ECHO and not _has_name(question)
    return short and any(stem(word) in said for word in named)


def _subject(history: Sequence[Message]) -> list[str]:
    """What a conversation is about: words asked lately, in questions that stand alone, and taken up by the answer."""
    asked = [message.content for message in reversed(history) if message.role == "user"]
    answered = set(content_words(history[-1].content)) if history[-1].role == "assistant" else set()
    weights: dict[str, float] = {}
    for age, question in enumerate(asked):
        weight = _FADING**age * (1 if _leans(question) else _WHOLE)
        for word in dict.fromkeys(_naming(question)):
            weights[word] = weights.get(word, _ANSWERED * (stem(word) in answered)) + weight
    return sorted(weights, key=lambda word: (-weights[word], -len(word)))[:_MAX_SUBJECT]


def _naming(text: str) -> list[str]:
    """The words that can name a subject, in order."""
    return [word for word in words(text) if word not in STOPWORDS and stem(word) not in _GENERAL]


def _names(text: str) -> bool:
    """Whether the beginning of a question already says what it is about."""
    return _has_name(text) or len(_naming(text)) > 1


def _has_name(text: str) -> bool:
    """Whether a word other than the first one, "I" and "I'm" is written with a capital."""
    return any(word[0].isupper() for word in text.split()[1:] if word.rstrip("’'mdvels") != "I")
