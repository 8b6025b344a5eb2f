"""Long lists, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
MAX_PAGE = 10_000


@dataclass(frozen=True)
class Listed(Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    total: int
    first: int
    """Place of the first one shown, from 1."""
    earlier: str | None
    """Addresses of the neighbouring pages; None at the ends."""
    later: str | None

    @property
    def last(self) -> int:
        """Place of the last one shown."""
        return self.first + len(self.items) - 1


def page_number(params: Mapping[str, str]) -> int:
    """Which page the address asks for, from 1; what makes no sense is the first."""
    text = params.get("page", "")
    return min(int(text), MAX_PAGE) if text.isdecimal() and len(text) < 10 and int(text) else 1


def listed(items: Sequence[T], total: int, page: int, size: int, url: Callable[[int | None], str]) -> Listed[T]:
    """The page; `url` is the address of another one, None for the first."""
    offset = (page - 1) * size
    return Listed(
        items=items,
        total=total,
        first=offset + 1,
        earlier=url(None if page == 2 else page - 1) if page > 1 else None,
        later=url(page + 1) if items and offset + len(items) < total else None,
    )


def asked(params: Mapping[str, str], name: str) -> str:
    """A text in the address, short enough to look for and such as every engine can."""
    return params.get(name, "").replace("\x00", "\ufffd").strip()[:1000]
