"""Which documents a question is asked of."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from retrieval.passages import Document

MAX_PATTERNS = 20
MAX_PATTERN_CHARS = 200
Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_CHARS)], ...], Field(max_length=MAX_PATTERNS)
]
"""Names, or patterns with `*` and `?`, in any case. One of them must fit; an empty list fits everything."""


class Filters(BaseModel):
    """What a document must be like for its passages to be found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    documents: Patterns = ()
    """Names as readers see them, such as `handbook/leave.md` or `handbook/*`; a folder's name stands for all in it."""
    media_types: Patterns = ()
    """Such as `application/pdf` or `image/*`."""

    def ids(self, documents: Iterable[Document]) -> list[str]:
        """The ids of those that it lets through."""
        return [each.id for each in documents if self._fits(each)]

    def _fits(self, document: Document) -> bool:
        return _fits_one(document.name, self.documents) and _fits_one(document.media_type, self.media_types)


def _fits_one(text: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(_fits(text.casefold(), pattern.casefold()) for pattern in patterns)


def _fits(text: str, pattern: str) -> bool:
    below = pattern.rstrip("/") + "/"
    return text == pattern or text.startswith(below) or fnmatchcase(text, pattern)
