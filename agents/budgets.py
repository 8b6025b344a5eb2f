"""Who pays for a turn, and the leave to spend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agents.turn import Asker
from retrieval.passages import EVERYONE


@dataclass(frozen=True)
class Payers:
    """Whose budgets a turn is paid from, each of them in full."""

    user: str
    """The asker's pseudonym."""
    teams: tuple[str, ...] = ()
    experiment: str | None = None

    @classmethod
    def of(cls, asker: Asker, experiment: str | None = None) -> Payers:
        """The asker, the asker's reader groups, and the experiment that the turn is part of."""
        teams = tuple(group for group in asker.groups if group != EVERYONE)
        return cls(user=asker.user_hash, teams=teams, experiment=experiment)


class Hold(Protocol):
    """A part of budgets that is set aside."""

    def settle(self, *, usd: float, tokens: int) -> None:
        """Spend this instead, which may be nothing. Only the first call counts."""


class Budgets(Protocol):
    """What may still be spent. Blocking and thread-safe."""

    def admit(self, payers: Payers) -> None:
        """Raises `OverBudget` where a spent budget ends turns before they begin."""

    def hold(self, payers: Payers, *, usd: float, tokens: int) -> Hold:
        """Set this much aside in the budgets of all payers, or raise `OverBudget` and set nothing aside."""


class Unlimited:
    """No budget at all."""

    def admit(self, payers: Payers) -> None:
        """Everybody may ask."""

    def hold(self, payers: Payers, *, usd: float, tokens: int) -> Hold:
        """Everything may be spent."""
        return _Nothing()


class _Nothing:
    def settle(self, *, usd: float, tokens: int) -> None:
        """Nothing was set aside."""
