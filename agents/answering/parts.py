"""The parts of a question that asks of several things at once, each to be looked up by itself."""

from __future__ import annotations

import re

from retrieval.words import content_words

MAX_PARTS = 4
_RELATIONS = (
    r"relat(?:e[sd]?|ing|ion) to|relationship between|correspond(?:s|ed)? (?:with|to)|reflect(?:s|ed)? (?:on|in)"
    r"|compar(?:e[sd]?|ison) (?:to|with|against)|(?:measure|stack)[sd]? up (?:to|against)|align(?:s|ed)? with"
    r"|versus|vs|to understand"
)
_RELATION = re.compile(rf"\b(?:{_RELATIONS})\b", re.IGNORECASE)
_JOINT = re.compile(rf"\b(?:{_RELATIONS}|and|or|with|combine|compare)\b|[,;](?:\s*(?:and|or)\b)?", re.IGNORECASE)
_OF_ONE_THING = 2
"""Telling words from which on the side of an "and" is a part of its own: "research and development" is one."""


def parts(question: str) -> list[str]:
    """What a question asks of, where that is more than one thing; empty where it is one."""
    found, begin = [], 0
    for joint in _JOINT.finditer(question):
        enough = 1 if _RELATION.fullmatch(joint[0]) else _OF_ONE_THING
        before, after = question[begin : joint.start()], question[joint.end() :]
        if min(len(content_words(before)), len(content_words(after))) >= enough:
            found.append(before)
            begin = joint.end()
    found.append(question[begin:])
    told = [part.strip(" ?.,;") for part in found if content_words(part)]
    return told[:MAX_PARTS] if len(told) > 1 else []
