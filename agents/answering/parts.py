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
    joints = [*_JOINT.finditer(question)]
    begins, ends = [0, *(joint.end() for joint in joints)], [*(joint.start() for joint in joints), len(question)]
    telling = [len(content_words(question[begin:end])) for begin, end in zip(begins, ends, strict=True)]
    found, begin, before = [], 0, 0
    for joint, words, after in zip(joints, telling, telling[1:], strict=False):
        before += words
        if min(before, after) >= (1 if _RELATION.fullmatch(joint[0]) else _OF_ONE_THING):
            found.append(question[begin : joint.start()])
            begin, before = joint.end(), 0
    told = [part.strip(" ?.,;") for part in (*found, question[begin:])]
    return told[:MAX_PARTS] if found else []
