"""The turn list's address: reading filters out of it, and writing it from filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from app.ops.turns import SORTS, THUMBS, Sort, TurnFilter
from app.ops.views.addresses import turns_url

MAX_PAGE = 10_000
_TEXTS = ("q", "status", "experiment", "variant", "model", "user", "thread", "question", "run")
_MAX_CHARS = 2000


@dataclass(frozen=True)
class TurnQuery:
    """What a visitor asked of the turn list, and what of it could not be understood."""

    wanted: TurnFilter
    sort: Sort
    page: int
    """From 1."""
    ignored: tuple[str, ...]
    """Sentences, one for each part of the address that was left out."""


def read_query(params: Mapping[str, str]) -> TurnQuery:
    """The query in these URL parameters. Never raises: what makes no sense is ignored and named."""
    ignored: list[str] = []
    given = {key: value.strip()[:_MAX_CHARS] for key, value in params.items() if value.strip()}
    known = {*(field.name for field in fields(TurnFilter)), "sort", "page"}
    ignored += [f"“{key[:40]}” is not a filter." for key in given if key not in known]

    def one_of(key: str, choices: tuple[str, ...]) -> str | None:
        value = given.get(key)
        if value is None or value in choices:
            return value
        ignored.append(f"“{key}” must be one of {', '.join(choices)}.")
        return None

    def moment(key: str) -> datetime | None:
        try:
            return _moment(given[key]) if key in given else None
        except (ValueError, OverflowError):
            ignored.append(f"“{key}” must be a date such as 2026-01-31, or a time such as 2026-01-31T08:30 (UTC).")
            return None

    wanted = TurnFilter(
        **{key: given.get(key) for key in _TEXTS},  # type: ignore[arg-type]
        thumbs=one_of("thumbs", THUMBS),  # type: ignore[arg-type]
        since=moment("since"),
        until=moment("until"),
        everything=one_of("everything", ("1",)) is not None,
    )
    sort = one_of("sort", SORTS) or "newest"
    return TurnQuery(wanted, sort, _page(given.get("page", "1"), ignored), tuple(ignored))  # type: ignore[arg-type]


def query_url(query: TurnQuery, *, page: int) -> str:
    """The address of another page of the same list."""
    wanted = {field.name: getattr(query.wanted, field.name) for field in fields(TurnFilter)}
    return turns_url(**wanted, sort=None if query.sort == "newest" else query.sort, page=None if page == 1 else page)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _page(text: str, ignored: list[str]) -> int:
    if text.isdecimal() and 1 <= int(text[:9]) <= MAX_PAGE:
        return int(text)
    ignored.append(f"“page” must be a number from 1 to {MAX_PAGE}.")
    return 1
