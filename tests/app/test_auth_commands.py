"""`parley users` and `parley keys`, as typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from app.auth.commands import keys_app, users_app
from app.auth.settings import AuthSettings
from app.auth.users import Accounts

Parley = Callable[..., Result]


@pytest.fixture
def open_accounts(tmp_path: Path) -> Callable:
    @contextmanager
    def opened() -> Iterator[Accounts]:
        accounts = Accounts.open(tmp_path / "chat.db", AuthSettings())
        yield accounts
        accounts.close()

    return opened


@pytest.fixture
def parley(open_accounts: Callable) -> Parley:
    def run(*words: str, typed: str | None = None) -> Result:
        app = typer.Typer()
        app.add_typer(users_app(open_accounts, Console(width=200)), name="users")
        app.add_typer(keys_app(open_accounts, Console(width=200)), name="keys")
        return CliRunner().invoke(app, words, input=typed)

    return run


def test_a_user_is_added_with_a_password_shown_once(parley: Parley, open_accounts: Callable) -> None:
    added = parley("users", "add", "Alice", "--role", "analyst", "--groups", "board, legal")
    assert added.exit_code == 0
    password = re.search(r"shown only now\): (\S+)", added.output).group(1)
    with open_accounts() as accounts:
        assert accounts.authenticate("alice", password).groups == ("everyone", "board", "legal")
    listed = parley("users", "list").output
    assert "alice" in listed
    assert "analyst" in listed
    assert password not in listed


def test_roles_groups_passwords_and_locks_change(parley: Parley, open_accounts: Callable) -> None:
    parley("users", "add", "alice")
    assert "alice is now owner" in parley("users", "role", "alice", "owner").output
    assert "everyone, board" in parley("users", "groups", "alice", "board").output
    typed = "my own long password"
    assert parley("users", "password", "alice", "--ask", typed=f"{typed}\n{typed}\n").exit_code == 0
    with open_accounts() as accounts:
        assert accounts.authenticate("alice", typed).role == "owner"
    assert parley("users", "disable", "alice").exit_code == 0
    with open_accounts() as accounts:
        assert accounts.authenticate("alice", typed) is None
    assert parley("users", "enable", "alice").exit_code == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["users", "role", "ghost", "admin"], "There is no user 'ghost'"),
        (["users", "add", "a b"], "is no user name"),
        (["users", "add", "alice"], "already is a user"),
        (["users", "disable", "boss"], "only admin"),
        (["keys", "create", "ghost"], "There is no user 'ghost'"),
        (["keys", "revoke", "beef"], "There is no API key 'beef'"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(parley: Parley, words: list[str], why: str) -> None:
    parley("users", "add", "alice")
    parley("users", "add", "boss", "--role", "admin")
    refused = parley(*words)
    assert refused.exit_code == 1
    assert why in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_role_that_does_not_exist_is_refused_with_those_that_do(parley: Parley) -> None:
    refused = parley("users", "add", "alice", "--role", "root")
    assert refused.exit_code == 2
    assert "analyst" in refused.output


def test_keys_are_made_listed_and_revoked(parley: Parley, open_accounts: Callable) -> None:
    parley("users", "add", "alice")
    secret = re.search(r"pk_\S+", parley("keys", "create", "alice", "--name", "notebook").output).group()
    with open_accounts() as accounts:
        assert accounts.verify_key(secret).name == "alice"
        (key,) = accounts.api_keys()
    listed = parley("keys", "list").output
    assert "notebook" in listed
    assert secret not in listed
    assert "no longer works" in parley("keys", "revoke", key.id).output
    with open_accounts() as accounts:
        assert accounts.verify_key(secret) is None
