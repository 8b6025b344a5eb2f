"""When two questions are the same question.

No similarity decides it. An encoder finds "before" as near to "after", and "A beat B" as near to "B beat A", as a
question to its polite form; so nothing may differ but what is known to tell nothing.
"""

# ruff: noqa: SIM905 -- lists of words read best as text

from __future__ import annotations

import re
import unicodedata

_ENGLISH = re.compile(r"\b(?:who|whom|whose|what|which|when|where|why|how)\b")
_COURTESY = re.compile(
    r"^(?:(?:hi|hello|hey|please|kindly|excuse me)\b[\s,.:;!-]*"
    r"|(?:(?:can|could|would|will) you )?(?:please )?(?:tell me|let me know)\b[\s,:]*"
    r"|i(?:'d| would) (?:like|love) to know\b[\s,:]*|i (?:want|need) to know\b[\s,:]*|do you know\b[\s,:]*)+"
    r"|[\s,]+(?:please|thanks|thank you)$"
)
_SAME = [
    (re.compile(rf"\b(?:{said})\b"), meant)
    for said, meant in [
        ("which", "what"), ("what number of", "how many"), ("what person", "who"), ("(?:in|at) what place", "where"),
        ("for what reason", "why"),
    ]
]  # fmt: skip
_SHORT_FORM = re.compile(r"\b(who|what|when|where|why|how)'s\b")
_ARTICLES = frozenset("a an the".split())
_AUXILIARIES = frozenset(
    "is are was were do does did has have had can could may might must shall should will would".split()
)
_EDGES = ".,;:!?\"'“”‘’()[]¿¡"
_MAX_CHARS = 300
"""Of longer questions only the normal form counts."""


def normal_form(question: str) -> str:
    """The question without what only its writing varies: capitals, forms of characters, white space, the end's mark."""
    text = unicodedata.normalize("NFKC", question).casefold().replace("’", "'")
    return " ".join(text.split()).strip(" ?.!¿¡")


def telling_form(question: str) -> str:
    """What makes an English question the one that it is; of any other question its normal form.

    Courtesies, articles and the place of auxiliaries ("when did it open", "when it did open") tell nothing. Nor does
    it matter which phrase comes first, as long as the words follow one another in the same circle: "in 1990, who won"
    asks the same as "who won in 1990", and "who beat them" not the same as "who did they beat".
    """
    text = normal_form(question)
    if len(text) > _MAX_CHARS or not _ENGLISH.search(text):
        return text
    text = _SHORT_FORM.sub(r"\1 is", _COURTESY.sub("", text))
    for pattern, meant in _SAME:
        text = pattern.sub(meant, text)
    words = [word.strip(_EDGES) for word in text.split()]
    auxiliaries = sorted(word for word in words if word in _AUXILIARIES)
    circle = [word for word in words if word and word not in _ARTICLES | _AUXILIARIES]
    first = min((circle[at:] + circle[:at] for at in range(len(circle))), default=[])
    return f"{' '.join(auxiliaries)}\n{' '.join(first)}"
