"""Questions that lean on the ones before them, made to stand alone for the search."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.turn import Message
from retrieval.words import STOPWORDS, content_words, stem, words

_OPENER = re.compile(
    r"^\s*(?:(?:and|but|or|so|also|then|what about|how about|and what about|and how about|same for)\b[\s,]*)+",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"^\s*(?:tell me more|(?:any|anything|what) (?:more|else)|more|go on|continue|why|how so|how come)\b", re.I
)
_PERSON = re.compile(r"\b(?:they|them|their|theirs|he|him|his|she|her|hers)\b", re.IGNORECASE)
_THING = re.compile(
    r"\b(?:it|its|there|one|ones)\b"
    r"|\b(?:is|are|was|does|do|did|can|about|for|with|of|to|after|before) (?:that|this|those|these)\b"
    r"|\b(?:that|this|those|these)\s*[?.!]*$",
    re.IGNORECASE,
)
_MAX_WORDS_OF_THING = 2
_MAX_WORDS_OF_PERSON = 5
_MAX_BACK = 3


def standalone(question: str, history: Sequence[Message]) -> str:
    """The question to search with: itself, or joined with what the earlier questions were about.

    "And for part-time staff?" continues the question before it; "how long does it take?" gains its content words.
    """
    earlier = [message.content for message in history if message.role == "user"]
    if not earlier or not is_follow_up(question):
        return question
    base = _base(earlier[-_MAX_BACK:])
    opener = _OPENER.match(question)
    if opener:
        return f"{base.rstrip(' ?.!')} {question[opener.end() :].lstrip()}"
    known = set(content_words(question))
    added = [word for word in words(base) if word not in STOPWORDS and stem(word) not in known]
    return " ".join([question, *dict.fromkeys(added)])


def is_follow_up(question: str) -> bool:
    """Whether a question can't be understood alone: it opens with "and", or a pronoun stands for its subject."""
    size = len(set(content_words(question)))
    if _OPENER.match(question) or _MORE.match(question):
        return size <= _MAX_WORDS_OF_PERSON
    if _THING.search(question) and size <= _MAX_WORDS_OF_THING:
        return True
    named = any(word[0].isupper() for word in question.split()[1:] if word[0].isalpha() and word != "I")
    return bool(_PERSON.search(question)) and size <= _MAX_WORDS_OF_PERSON and not named


def _base(earlier: Sequence[str]) -> str:
    """The earlier questions, from the last one that stands alone on, as one."""
    base = earlier[0]
    for question in earlier[1:]:
        turn = Message(role="user", content=base)
        base = standalone(question, [turn])
    return base
