"""The turn list's address: reading filters out of it, and writing it from filters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from app.ops.turns import SORTS, THUMBS, Place, Sort, TurnFilter
from app.ops.views.addresses import turns_url

_TEXTS = ("q", "status", "experiment", "variant", "model", "user", "thread", "question", "filter", "tree_filter")
_TICKS = ("steps", "everything")
_MAX_CHARS = 2000
_LARGEST = 2**62
T = TypeVar("T")


@dataclass(frozen=True)
class TurnQuery:
    """What a visitor asked of the turn list, and what of it could not be understood."""

    wanted: TurnFilter
    sort: Sort = "newest"
    after: Place | None = None
    """The last turn of the page before."""
    before: Place | None = None
    """The first turn of the page after; never together with `after`."""
    ignored: tuple[str, ...] = ()
    """Sentences, one for each part of the address that was left out."""

    @property
    def is_first_page(self) -> bool:
        """Whether the list begins where it begins."""
        return self.after is None and self.before is None


def read_query(params: Mapping[str, str]) -> TurnQuery:
    """The query in these URL parameters. Never raises: what makes no sense is ignored and named."""
    given = {key: text for key, value in params.items() if (text := clean(value).strip()[:_MAX_CHARS])}
    known = {*(field.name for field in fields(TurnFilter)), "sort", "after", "before"}
    ignored = [f"“{key[:40]}” is not a filter." for key in given if key not in known]

    def parsed(key: str, parse: Callable[[str], T], must_be: str) -> T | None:
        try:
            return parse(given[key]) if key in given else None
        except (ValueError, OverflowError):
            ignored.append(f"“{key}” must be {must_be}.")
            return None

    def one_of(key: str, choices: tuple[str, ...]) -> Any:
        return parsed(key, lambda text: choices[choices.index(text)], f"one of {', '.join(choices)}")

    date = "a date such as 2026-01-31, or a time such as 2026-01-31T08:30 (UTC)"
    wanted = TurnFilter(
        **{key: given.get(key) for key in _TEXTS},  # type: ignore[arg-type]
        **{key: one_of(key, ("1",)) is not None for key in _TICKS},  # type: ignore[arg-type]
        thumbs=one_of("thumbs", THUMBS),
        project=parsed("project", UUID, "a project's id"),
        since=parsed("since", _moment, date),
        until=parsed("until", _moment, date),
    )
    sort: Sort = one_of("sort", SORTS) or "newest"
    after = parsed("after", _place, "a place that a page of this list links to")
    before = None if after else parsed("before", _place, "a place that a page of this list links to")
    return TurnQuery(wanted, sort, after, before, tuple(ignored))


def query_url(query: TurnQuery) -> str:
    """The address of that page of the list."""
    return turns_url(**query_params(query))


def query_params(query: TurnQuery) -> dict[str, Any]:
    """The query as parameters of an address; what is not asked for is empty."""
    wanted = {field.name: getattr(query.wanted, field.name) for field in fields(TurnFilter)}
    return wanted | {
        "sort": None if query.sort == "newest" else query.sort,
        "after": written_place(query.after),
        "before": written_place(query.before),
    }


def first_page(query: TurnQuery) -> TurnQuery:
    """The same list from its beginning."""
    return replace(query, after=None, before=None)


def clean(text: str) -> str:
    """Text that every engine and every page can write: no NUL, no half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def written_place(place: Place | None) -> str | None:
    """The place as a part of an address."""
    return f"{place.value!r}_{place.num}" if place else None


def read_place(text: str) -> Place | None:
    """The place that an address names, or None where it names none."""
    try:
        return _place(text)
    except (ValueError, OverflowError):
        return None


def _place(text: str) -> Place:
    value, _, num = text.partition("_")
    number = float(value)
    if not math.isfinite(number) or max(abs(number), abs(int(num))) >= _LARGEST:
        raise ValueError("out of range")
    return Place(int(value) if value.lstrip("-").isdecimal() else number, int(num))
