"""Budgets: what is set aside, spent and refused, over a real database, by many threads and processes at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from agents.budgets import Payers
from agents.errors import OverBudget
from agents.turn import Asker
from app.budgets.book import BudgetBook
from app.budgets.periods import renewal
from app.budgets.settings import Budget, BudgetSettings
from app.cli import app
from app.ops.budgets import Spending

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
ANN = Payers("ann", teams=("sales",), experiment="tone")


@pytest.fixture
def open_book(tmp_path: Path) -> Iterator[Callable[..., BudgetBook]]:
    opened: list[BudgetBook] = []

    def open_one(now: datetime = NOON, **settings: object) -> BudgetBook:
        book = BudgetBook.open(tmp_path / "budgets.db", BudgetSettings.model_validate(settings), now=lambda: now)
        opened.append(book)
        return book

    yield open_one
    for book in opened:
        book.close()


def spent(book: BudgetBook) -> dict[str, tuple[float, int]]:
    return {f"{one.kind} {one.payer}": (one.usd, one.tokens) for one in book.spending()}


def test_what_is_set_aside_counts_and_what_it_took_replaces_it(open_book: Callable[..., BudgetBook]) -> None:
    book = open_book(user={"usd": 1.0, "tokens": 1000})
    hold = book.hold(ANN, usd=0.5, tokens=600)
    assert spent(book) == {"user ann": (0.5, 600)}
    with pytest.raises(OverBudget, match=r"Your budget for this month is spent\. It renews on 1 December"):
        book.hold(ANN, usd=0.1, tokens=401)
    hold.settle(usd=0.2, tokens=100)
    hold.settle(usd=9.0, tokens=9)
    assert spent(book) == {"user ann": (pytest.approx(0.2), 100)}
    book.hold(ANN, usd=0.8, tokens=900)


def test_a_budget_is_spent_in_full_and_not_beyond(open_book: Callable[..., BudgetBook]) -> None:
    book = open_book(user={"usd": 1.0})
    book.hold(ANN, usd=1.0, tokens=10**9)
    with pytest.raises(OverBudget):
        book.hold(ANN, usd=0.000001, tokens=0)


def test_what_costs_nothing_is_paid_even_where_an_answer_took_more_than_was_left(
    open_book: Callable[..., BudgetBook],
) -> None:
    book = open_book(user={"usd": 1.0})
    book.hold(ANN, usd=0.9, tokens=5).settle(usd=1.5, tokens=9)
    with pytest.raises(OverBudget):
        book.hold(ANN, usd=0.000001, tokens=0)
    book.hold(ANN, usd=0.0, tokens=5)
    assert spent(book) == {"user ann": (pytest.approx(1.5), 14)}


@pytest.mark.parametrize(
    ("settings", "whose"),
    [
        ({"user": {"usd": 0.1}}, "Your budget"),
        ({"team": {"usd": 0.1}}, "The budget of the group sales"),
        ({"teams": {"sales": {"usd": 0.1}}, "team": {"usd": 9}}, "The budget of the group sales"),
        ({"experiments": {"tone": {"usd": 0.1}}}, "The budget of this experiment"),
    ],
)
def test_every_payer_must_be_able_to_pay(
    open_book: Callable[..., BudgetBook], settings: dict[str, object], whose: str
) -> None:
    book = open_book(**settings)
    with pytest.raises(OverBudget, match=whose):
        book.hold(ANN, usd=0.2, tokens=0)
    book.hold(Payers("bob"), usd=0.05, tokens=0)


def test_where_one_payer_cannot_pay_nobody_does(open_book: Callable[..., BudgetBook]) -> None:
    book = open_book(user={"usd": 9}, teams={"sales": {"usd": 9}}, experiments={"tone": {"usd": 0.1}})
    with pytest.raises(OverBudget):
        book.hold(ANN, usd=0.2, tokens=0)
    assert {amounts for amounts in spent(book).values()} == {(0.0, 0)}


def test_a_refusal_tells_no_figures_and_says_when_to_come_back(open_book: Callable[..., BudgetBook]) -> None:
    book = open_book(teams={"sales": {"usd": 12.34, "per": "day"}})
    with pytest.raises(OverBudget) as refused:
        book.hold(ANN, usd=99, tokens=0)
    assert "12" not in refused.value.message
    assert refused.value.retry_after_s == 12 * 3600


@pytest.mark.parametrize(
    ("per", "until"),
    [("day", datetime(2026, 11, 26)), ("week", datetime(2026, 11, 30)), ("month", datetime(2026, 12, 1))],
)
def test_budgets_renew_with_their_period(open_book: Callable[..., BudgetBook], per: str, until: datetime) -> None:
    until = until.replace(tzinfo=UTC)
    before, after = until - timedelta(seconds=1), until
    limits = {"user": {"usd": 1.0, "per": per}}
    open_book(before, **limits).hold(ANN, usd=1.0, tokens=0)
    with pytest.raises(OverBudget):
        open_book(before, **limits).hold(ANN, usd=0.1, tokens=0)
    open_book(after, **limits).hold(ANN, usd=1.0, tokens=0)


def test_the_last_days_of_months_and_years_renew_too() -> None:
    assert renewal(datetime(2026, 12, 31, 23, tzinfo=UTC), "month") == datetime(2027, 1, 1, tzinfo=UTC)
    assert renewal(datetime(2027, 1, 31, tzinfo=UTC), "month") == datetime(2027, 2, 1, tzinfo=UTC)
    assert renewal(datetime(2026, 12, 31, tzinfo=UTC), "week") == datetime(2027, 1, 4, tzinfo=UTC)


def test_a_hold_that_is_settled_in_the_next_period_is_paid_from_its_own(tmp_path: Path) -> None:
    moment = [NOON]
    limits = BudgetSettings(user=Budget(usd=1.0, per="day"))
    book = BudgetBook.open(tmp_path / "budgets.db", limits, now=lambda: moment[0])
    hold = book.hold(ANN, usd=1.0, tokens=0)
    moment[0] = NOON + timedelta(days=1)
    hold.settle(usd=0.7, tokens=0)
    assert [one.usd for one in book.spending()] == []
    book.close()


def test_a_restart_forgets_nothing(open_book: Callable[..., BudgetBook]) -> None:
    limits = {"user": {"usd": 1.0}}
    open_book(**limits).hold(ANN, usd=0.9, tokens=7)
    assert spent(open_book(**limits)) == {"user ann": (0.9, 7)}


def test_spent_budgets_refuse_turns_only_where_that_is_set(open_book: Callable[..., BudgetBook]) -> None:
    limits = {"user": {"tokens": 10}}
    book = open_book(**limits)
    book.admit(ANN)
    book.hold(ANN, usd=0.0, tokens=10)
    book.admit(ANN)
    with pytest.raises(OverBudget):
        open_book(**limits, when_spent="refuse").admit(ANN)
    open_book(**limits, when_spent="refuse").admit(Payers("bob"))


def test_a_turn_is_paid_by_the_asker_and_its_groups_but_not_by_everyone() -> None:
    asker = Asker(user_hash="ann", groups=("everyone", "sales"))
    assert Payers.of(asker, "tone") == ANN


def test_many_threads_do_not_overrun_a_budget(open_book: Callable[..., BudgetBook]) -> None:
    book = open_book(user={"tokens": 100}, teams={"sales": {"tokens": 1000}})

    def turn(number: int) -> int:
        with suppress(OverBudget):
            book.hold(ANN, usd=0.0, tokens=7).settle(usd=0.0, tokens=3)
            return 3
        return 0

    with ThreadPoolExecutor(16) as threads:
        taken = sum(threads.map(turn, range(200)))
    assert spent(book) == {"user ann": (0.0, taken), "team sales": (0.0, taken)}
    assert 100 - 7 < taken <= 100


def hold_until_spent(path: Path, taken: multiprocessing.Queue[int]) -> None:
    book = BudgetBook.open(path, BudgetSettings(user=Budget(tokens=100)), now=lambda: NOON)
    count = 0
    with suppress(OverBudget):
        while True:
            book.hold(ANN, usd=0.0, tokens=3)
            count += 1
    taken.put(count)


def hold_and_die(path: Path) -> None:
    BudgetBook.open(path, BudgetSettings(user=Budget(tokens=100)), now=lambda: NOON).hold(ANN, usd=0.0, tokens=60)
    os.kill(os.getpid(), signal.SIGKILL)


def test_many_processes_do_not_overrun_a_budget(tmp_path: Path, open_book: Callable[..., BudgetBook]) -> None:
    context = multiprocessing.get_context("fork")
    taken = context.Queue()
    workers = [context.Process(target=hold_until_spent, args=(tmp_path / "budgets.db", taken)) for _ in range(4)]
    for worker in workers:
        worker.start()
    counts = [taken.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join()
    assert sum(counts) == 33
    assert spent(open_book(user={"tokens": 100})) == {"user ann": (0.0, 99)}


def test_what_a_killed_process_had_set_aside_stays_spent(tmp_path: Path, open_book: Callable[..., BudgetBook]) -> None:
    worker = multiprocessing.get_context("fork").Process(target=hold_and_die, args=(tmp_path / "budgets.db",))
    worker.start()
    worker.join(timeout=30)
    assert worker.exitcode == -signal.SIGKILL
    book = open_book(user={"tokens": 100})
    with pytest.raises(OverBudget):
        book.hold(ANN, usd=0.0, tokens=41)
    book.hold(ANN, usd=0.0, tokens=40)


def test_named_budgets_are_listed_before_anything_is_spent(open_book: Callable[..., BudgetBook]) -> None:
    book = open_book(user={"usd": 1}, teams={"sales": {"usd": 2}}, experiments={"tone": {"tokens": 3, "per": "week"}})
    assert spent(book) == {"team sales": (0.0, 0), "experiment tone": (0.0, 0)}


def test_the_share_is_that_of_what_ends_first() -> None:
    one = Spending("user", "ann", "day", NOON, usd=0.5, usd_limit=1.0, tokens=90, tokens_limit=100)
    assert one.share == 0.9
    assert Spending("user", "ann", "day", NOON, 0.0, 0.0, 0, None).share == 1.0


def test_a_budget_without_a_limit_is_refused() -> None:
    with pytest.raises(ValidationError, match="usd or tokens"):
        Budget()


def test_the_command_prints_what_is_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PARLEY_BUDGETS__TEAMS", '{"sales": {"usd": 2.0}}')
    book = BudgetBook.open(tmp_path / "budgets.db", BudgetSettings(teams={"sales": Budget(usd=2.0)}))
    book.hold(ANN, usd=0.5, tokens=10)
    book.close()
    (one,) = json.loads(CliRunner().invoke(app, ["budgets", "--json"]).stdout)
    assert (one["payer"], one["usd"], one["share"]) == ("sales", 0.5, 0.25)
    assert "sales" in CliRunner().invoke(app, ["budgets"]).stdout
