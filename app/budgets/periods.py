"""When budgets renew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.budgets.settings import Period


def renewal(now: datetime, per: Period) -> datetime:
    """The moment, in UTC, at which the period that holds `now` ends."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "day":
        return today + timedelta(days=1)
    if per == "week":
        return today + timedelta(days=7 - today.weekday())
    return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
