"""Accounts, passwords, API keys and sign-in links, on a real file."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.auth.database import Database
from app.auth.errors import (
    InvalidName,
    LastAdmin,
    TooManyAttempts,
    UnknownKey,
    UnknownUser,
    UserExists,
    WeakPassword,
)
from app.auth.settings import AuthSettings
from app.auth.users import Accounts

PASSWORD = "correct horse battery"


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock) -> Iterator[Accounts]:
    accounts = Accounts.open(tmp_path / "chat.db", AuthSettings(login_attempts=3, login_window_s=60), now=clock)
    yield accounts
    accounts.close()


def stored(tmp_path: Path) -> bytes:
    """Everything that lies on the disk."""
    return b"".join(path.read_bytes() for path in tmp_path.glob("chat.db*"))


def test_the_first_start_makes_an_admin_and_later_ones_do_not(accounts: Accounts) -> None:
    password = accounts.ensure_admin()
    assert password is not None
    assert accounts.ensure_admin() is None
    admin = accounts.authenticate("admin", password)
    assert admin is not None
    assert admin.role == "admin"


def test_users_who_came_before_the_first_start_do_not_stand_in_for_an_admin(accounts: Accounts) -> None:
    accounts.create("alice", PASSWORD)
    assert accounts.ensure_admin() is not None
    assert [account.name for account in accounts.admins()] == ["admin"]
    accounts.set_role("alice", "admin")
    accounts.disable("admin")
    assert accounts.ensure_admin() is None
    assert [account.name for account in accounts.admins()] == ["alice"]


def test_a_plain_user_called_admin_stays_one(accounts: Accounts) -> None:
    accounts.create("admin", PASSWORD)
    assert accounts.ensure_admin() is None
    assert accounts.admins() == []


def test_passwords_are_kept_as_argon2id_with_64_mib(accounts: Accounts, tmp_path: Path) -> None:
    accounts.create("alice", PASSWORD)
    (password_hash,) = sqlite3.connect(tmp_path / "chat.db").execute("SELECT password_hash FROM users").fetchone()
    assert password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD.encode() not in stored(tmp_path)


def test_the_file_is_its_owners_alone(accounts: Accounts, tmp_path: Path) -> None:
    assert (tmp_path / "chat.db").stat().st_mode & 0o077 == 0


def test_a_wrong_password_and_an_unknown_name_are_refused_alike(accounts: Accounts) -> None:
    accounts.create("alice", PASSWORD)
    assert accounts.authenticate("alice", "not the password") is None
    assert accounts.authenticate("nobody", PASSWORD) is None
    assert accounts.authenticate("Alice ", PASSWORD) is not None


def test_an_unknown_name_takes_as_long_as_a_known_one(tmp_path: Path) -> None:
    accounts = Accounts.open(tmp_path / "chat.db", AuthSettings(login_attempts=100))
    accounts.create("alice", PASSWORD)

    def fastest(name: str) -> float:
        times = []
        for _ in range(5):
            start = time.process_time()
            accounts.authenticate(name, "not the password")
            times.append(time.process_time() - start)
        return min(times)

    known, unknown = fastest("alice"), fastest("nobody")
    assert unknown > known / 2, f"{unknown=} {known=}"


def test_weak_passwords_are_refused_with_the_rule(accounts: Accounts) -> None:
    with pytest.raises(WeakPassword, match="at least 12 characters"):
        accounts.create("alice", "short")
    assert accounts.users() == []


@pytest.mark.parametrize("name", ["", " ", "a b", "../etc", "x" * 65, "-dash", "a\nb", "ünïcode"])
def test_names_that_could_confuse_are_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(InvalidName):
        accounts.create(name, PASSWORD)


def test_a_name_is_taken_whatever_its_case(accounts: Accounts) -> None:
    accounts.create("alice", PASSWORD)
    with pytest.raises(UserExists):
        accounts.create("ALICE", PASSWORD)


def test_everyone_belongs_to_everyone(accounts: Accounts) -> None:
    assert accounts.create("alice", PASSWORD, groups=["board"]).groups == ("everyone", "board")
    assert accounts.set_groups("alice", ["legal", "board", "everyone"]).groups == ("everyone", "board", "legal")
    assert accounts.set_groups("alice", []).groups == ("everyone",)


def test_the_last_admin_stays(accounts: Accounts) -> None:
    accounts.ensure_admin()
    with pytest.raises(LastAdmin):
        accounts.disable("admin")
    with pytest.raises(LastAdmin):
        accounts.set_role("admin", "user")
    accounts.create("bob", PASSWORD, role="admin")
    accounts.disable("admin")
    with pytest.raises(LastAdmin):
        accounts.set_role("bob", "analyst")


def test_unknown_users_and_keys_are_named(accounts: Accounts) -> None:
    for act in (accounts.disable, accounts.enable, accounts.named):
        with pytest.raises(UnknownUser, match="'ghost'"):
            act("ghost")
    with pytest.raises(UnknownKey, match="'beef'"):
        accounts.revoke_key("beef")


def test_guessing_is_slowed_per_name_and_address(accounts: Accounts, clock: Clock) -> None:
    accounts.create("alice", PASSWORD)
    for _ in range(3):
        assert accounts.authenticate("alice", "wrong", "1.2.3.4") is None
    clock.forward(20)
    with pytest.raises(TooManyAttempts, match="40 seconds") as refused:
        accounts.authenticate("alice", PASSWORD, "1.2.3.4")
    assert refused.value.retry_after_s == 40
    assert accounts.authenticate("alice", PASSWORD, "5.6.7.8") is not None
    clock.forward(41)
    assert accounts.authenticate("alice", PASSWORD, "1.2.3.4") is not None


def test_right_passwords_are_not_counted(accounts: Accounts) -> None:
    accounts.create("alice", PASSWORD)
    for _ in range(5):
        assert accounts.authenticate("alice", PASSWORD, "1.2.3.4") is not None


def test_trying_many_names_from_one_address_is_slowed_too(tmp_path: Path, clock: Clock) -> None:
    accounts = Accounts.open(tmp_path / "chat.db", AuthSettings(login_attempts=1), now=clock)
    for number in range(10):
        assert accounts.authenticate(f"user{number}", "wrong", "1.2.3.4") is None
    with pytest.raises(TooManyAttempts):
        accounts.authenticate("another", "wrong", "1.2.3.4")


def test_a_key_is_shown_once_and_works_until_revoked(accounts: Accounts, tmp_path: Path, clock: Clock) -> None:
    accounts.create("alice", PASSWORD)
    secret = accounts.create_key("alice", "notebook")
    assert secret.startswith("pk_")
    assert secret.encode() not in stored(tmp_path)
    (key,) = accounts.api_keys()
    assert key.last_used_at is None
    owner = accounts.verify_key(secret)
    assert owner is not None
    assert owner.name == "alice"
    assert accounts.verify_key(secret + "x") is None
    assert accounts.verify_key("") is None
    (key,) = accounts.api_keys()
    assert (key.user, key.name, key.last_used_at) == ("alice", "notebook", clock.time)
    accounts.revoke_key(key.id)
    assert accounts.verify_key(secret) is None


def test_disabling_ends_keys_links_and_passwords_and_enabling_undoes_it(accounts: Accounts) -> None:
    accounts.create("alice", PASSWORD)
    secret = accounts.create_key("alice", "notebook")
    link = accounts.create_signin_link("alice", timedelta(minutes=5))
    accounts.disable("alice")
    assert accounts.verify_key(secret) is None
    assert accounts.authenticate("alice", PASSWORD) is None
    assert accounts.redeem(link) is None
    accounts.enable("alice")
    assert accounts.verify_key(secret) is not None
    assert accounts.authenticate("alice", PASSWORD) is not None


def test_a_signin_link_works_once_and_for_a_while(accounts: Accounts, clock: Clock, tmp_path: Path) -> None:
    accounts.create("alice", PASSWORD)
    first = accounts.create_signin_link("alice", timedelta(minutes=5))
    second = accounts.create_signin_link("alice", timedelta(minutes=5))
    assert first.encode() not in stored(tmp_path)
    assert accounts.redeem("nonsense") is None
    redeemed = accounts.redeem(first)
    assert redeemed is not None
    assert redeemed.name == "alice"
    assert accounts.redeem(first) is None
    clock.forward(301)
    assert accounts.redeem(second) is None


def test_a_signin_link_raced_by_many_threads_works_once(accounts: Accounts) -> None:
    accounts.create("alice", PASSWORD)
    link = accounts.create_signin_link("alice", timedelta(minutes=5))
    redeemed: list[object] = []
    threads = [threading.Thread(target=lambda: redeemed.append(accounts.redeem(link))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([account for account in redeemed if account]) == 1


def test_a_new_password_ends_sessions_and_links(accounts: Accounts) -> None:
    before = accounts.create("alice", PASSWORD)
    link = accounts.create_signin_link("alice", timedelta(minutes=5))
    accounts.set_password("alice", "another long password")
    assert accounts.named("alice").session_epoch == before.session_epoch + 1
    assert accounts.redeem(link) is None
    assert accounts.authenticate("alice", PASSWORD) is None
    assert accounts.authenticate("alice", "another long password") is not None


def test_two_processes_open_one_file(accounts: Accounts, tmp_path: Path) -> None:
    other = Accounts.open(tmp_path / "chat.db", AuthSettings())
    accounts.create("alice", PASSWORD)
    assert [account.name for account in other.users()] == ["alice"]
    other.disable("alice")
    assert accounts.named("alice").disabled_at is not None


def test_a_step_of_the_schema_is_whole_or_absent_and_taken_once(tmp_path: Path) -> None:
    def works(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE a (x)")

    def breaks(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE b (x)")
        raise RuntimeError("power cut")

    database = Database.open(tmp_path / "chat.db")
    with pytest.raises(RuntimeError):
        database.migrate("part", [works, breaks])
    tables = {row["name"] for row in database.all("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"schema_versions", "a"}
    database.migrate("part", [works, lambda db: None])
    database.migrate("another part", [lambda db: db.execute("CREATE TABLE c (x)")])
    assert [tuple(row) for row in database.all("SELECT * FROM schema_versions ORDER BY part")] == [
        ("another part", 1),
        ("part", 2),
    ]
