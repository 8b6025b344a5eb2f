"""The budget book, `budgets.db`: what has been spent, and is set aside, in the present periods."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from agents.budgets import Hold, Payers
from agents.errors import OverBudget
from app.auth.database import Database
from app.budgets.migrations import MIGRATIONS
from app.budgets.periods import renewal
from app.budgets.settings import Budget, BudgetSettings
from app.ops.budgets import Kind, Spending


@dataclass(frozen=True)
class _Account:
    """A payer's budget for the present period."""

    kind: Kind
    payer: str
    budget: Budget
    until: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.payer, self.until.isoformat()

    def can_pay(self, usd: float, tokens: int, spent: tuple[float, int]) -> bool:
        """Whether that much more may be spent of it."""
        return _can_pay(usd, spent[0], self.budget.usd) and _can_pay(tokens, spent[1], self.budget.tokens)

    def is_spent(self, usd: float, tokens: int) -> bool:
        """Whether nothing is left of it then."""
        return _reached(usd, self.budget.usd) or _reached(tokens, self.budget.tokens)

    def over(self, now: datetime) -> OverBudget:
        """What the asker is told."""
        whose = {
            "user": "Your budget",
            "team": f"The budget of the group {self.payer}",
            "experiment": "The budget of this experiment",
        }[self.kind]
        return OverBudget(
            f"{whose} for this {self.budget.per} is spent. It renews on {self.until:%-d %B} (UTC).",
            retry_after_s=max(0.0, (self.until - now).total_seconds()),
        )


class BudgetBook:
    """Keeps turns within their payers' budgets, however many run at once, in any number of processes.

    What a turn sets aside counts as spent at once. So a process that dies overruns nothing: what it had set aside stays
    spent until its period ends.
    """

    def __init__(self, db: Database, settings: BudgetSettings, now: Callable[[], datetime]) -> None:
        self._db = db
        self._settings = settings
        self._now = now

    @classmethod
    def open(
        cls, path: Path, settings: BudgetSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> Self:
        """Open or make the file, and drop the periods that are over."""
        db = Database.open(path)
        db.migrate("budgets", MIGRATIONS)
        with db.transaction() as transaction:
            transaction.execute("DELETE FROM spent WHERE until <= ?", (now().astimezone(UTC).isoformat(),))
        return cls(db, settings, now)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def admit(self, payers: Payers) -> None:
        """Raises `OverBudget` where a budget is spent and the settings say to refuse turns then."""
        if self._settings.when_spent == "quote":
            return
        for account in self._accounts(payers):
            if account.is_spent(*_balance(self._db.one(_BALANCE, *account.key))):
                raise account.over(self._now())

    def hold(self, payers: Payers, *, usd: float, tokens: int) -> Hold:
        """Set this much aside with all payers, or raise `OverBudget` and set nothing aside."""
        accounts = list(self._accounts(payers))
        if accounts:
            with self._db.transaction() as db:
                for account in accounts:
                    if not account.can_pay(usd, tokens, _balance(db.execute(_BALANCE, account.key).fetchone())):
                        raise account.over(self._now())
                _add(db, accounts, usd, tokens)
        return _Held(self._db, accounts, usd, tokens)

    def spending(self) -> list[Spending]:
        """Each budget and what is spent of it: all named ones, and of users and further teams those that spent."""
        now = self._now()
        rows = self._db.all("SELECT * FROM spent WHERE until > ?", now.astimezone(UTC).isoformat())
        spent = {(row["kind"], row["payer"], row["until"]): (row["usd"], row["tokens"]) for row in rows}
        named = [*self._accounts(Payers("", tuple(self._settings.teams)))]
        named += [account for name in self._settings.experiments for account in self._experiment(name)]
        met = [account for kind, payer, _ in spent for account in self._accounts_of(kind, payer)]
        accounts = {account.key: account for account in [*named, *met] if account.payer}
        return [_spending(account, *spent.get(key, (0.0, 0))) for key, account in accounts.items()]

    def _accounts(self, payers: Payers) -> Iterator[_Account]:
        yield from self._accounts_of("user", payers.user)
        for team in payers.teams:
            yield from self._accounts_of("team", team)
        yield from self._experiment(payers.experiment)

    def _experiment(self, name: str | None) -> Iterator[_Account]:
        if name is not None:
            yield from self._accounts_of("experiment", name)

    def _accounts_of(self, kind: Kind, payer: str) -> Iterator[_Account]:
        """The payer's account, if there is a budget for it."""
        settings = self._settings
        budget = {
            "user": settings.user,
            "team": settings.teams.get(payer, settings.team),
            "experiment": settings.experiments.get(payer),
        }[kind]
        if budget:
            yield _Account(kind, payer, budget, renewal(self._now(), budget.per))


class _Held:
    """What a turn has set aside."""

    def __init__(self, db: Database, accounts: Sequence[_Account], usd: float, tokens: int) -> None:
        self._db = db
        self._accounts = accounts
        self._usd = usd
        self._tokens = tokens
        self._settling = threading.Lock()

    def settle(self, *, usd: float, tokens: int) -> None:
        """Replace what was set aside by what it took, in the period in which it was set aside."""
        with self._settling:
            accounts, self._accounts = self._accounts, ()
        if accounts:
            with self._db.transaction() as db:
                _add(db, accounts, usd - self._usd, tokens - self._tokens)


_BALANCE = "SELECT usd, tokens FROM spent WHERE kind = ? AND payer = ? AND until = ?"


def _balance(row: sqlite3.Row | None) -> tuple[float, int]:
    return (row["usd"], row["tokens"]) if row else (0.0, 0)


def _add(db: sqlite3.Connection, accounts: Sequence[_Account], usd: float, tokens: int) -> None:
    db.executemany(
        "INSERT INTO spent VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET usd = usd + excluded.usd, tokens = tokens + excluded.tokens",
        [(*account.key, usd, tokens) for account in accounts],
    )


def _can_pay(more: float, spent: float, limit: float | None) -> bool:
    """Nothing can always be paid: an answer may have taken more than was set aside for it."""
    return limit is None or not more or spent + more <= limit


def _reached(spent: float, limit: float | None) -> bool:
    return limit is not None and spent >= limit


def _spending(account: _Account, usd: float, tokens: int) -> Spending:
    return Spending(
        kind=account.kind,
        payer=account.payer,
        per=account.budget.per,
        renews=account.until,
        usd=max(0.0, usd),
        usd_limit=account.budget.usd,
        tokens=max(0, tokens),
        tokens_limit=account.budget.tokens,
    )
