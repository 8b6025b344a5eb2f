"""`parley users …` and `parley keys …`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.auth.errors import AccountError
from app.auth.passwords import generate_password
from app.auth.users import Account, Accounts, Role
from app.reporting import reporting

OpenAccounts = Callable[[], AbstractContextManager[Accounts]]

Name = Annotated[str, typer.Argument(help="The user's name.")]
RoleOption = Annotated[Role, typer.Option(help="What the user may do.")]
Groups = Annotated[str, typer.Option(help="Reader groups besides everyone, comma-separated.")]
AskPassword = Annotated[bool, typer.Option("--ask", help="Type the password instead of having one made.")]


def users_app(open_accounts: OpenAccounts, out: Console | None = None) -> typer.Typer:
    """The commands about users; each opens the accounts for as long as it needs them."""
    app = typer.Typer(no_args_is_help=True, help="Who may sign in, and as what.")
    console = out or Console()

    @app.command()
    def add(name: Name, role: RoleOption = "user", groups: Groups = "", ask: AskPassword = False) -> None:
        """Add a user; a password is made and shown once."""
        password = _password(ask)
        with reporting(AccountError), open_accounts() as accounts:
            account = accounts.create(name, password, role=role, groups=_split(groups))
        _say(console, f"Added {account.name} ({account.role}).")
        _show_password(console, password, ask)

    @app.command("list")
    def list_users() -> None:
        """Show every user."""
        with open_accounts() as accounts:
            console.print(_users_table(accounts.users()))

    @app.command()
    def role(name: Name, role: Annotated[Role, typer.Argument(help="The new role.")]) -> None:
        """Give a user another role."""
        with reporting(AccountError), open_accounts() as accounts:
            account = accounts.set_role(name, role)
        _say(console, f"{account.name} is now {account.role}.")

    @app.command()
    def groups(name: Name, groups: Annotated[str, typer.Argument(help="Comma-separated; empty for none.")]) -> None:
        """Set the groups whose documents a user may read, besides everyone's."""
        with reporting(AccountError), open_accounts() as accounts:
            account = accounts.set_groups(name, _split(groups))
        _say(console, f"{account.name} now reads the documents of {', '.join(account.groups)}.")

    @app.command()
    def password(name: Name, ask: AskPassword = False) -> None:
        """Replace a password, and sign the user out everywhere."""
        new = _password(ask)
        with reporting(AccountError), open_accounts() as accounts:
            accounts.set_password(name, new)
        _say(console, f"{name} has a new password and was signed out everywhere.")
        _show_password(console, new, ask)

    @app.command()
    def disable(name: Name) -> None:
        """Lock a user out at once: sessions, API keys and sign-in links."""
        with reporting(AccountError), open_accounts() as accounts:
            accounts.disable(name)
        _say(console, f"{name} is locked out. `parley users enable {name}` undoes it.")

    @app.command()
    def enable(name: Name) -> None:
        """Let a disabled user in again."""
        with reporting(AccountError), open_accounts() as accounts:
            accounts.enable(name)
        _say(console, f"{name} may sign in again.")

    return app


def keys_app(open_accounts: OpenAccounts, out: Console | None = None) -> typer.Typer:
    """The commands about API keys."""
    app = typer.Typer(no_args_is_help=True, help="API keys for programs that act for a user.")
    console = out or Console()

    @app.command()
    def create(user: Name, name: Annotated[str, typer.Option(help="What the key is for.")] = "api") -> None:
        """Make a key; it is shown once."""
        with reporting(AccountError), open_accounts() as accounts:
            secret = accounts.create_key(user, name)
        console.print("Keep this key now; it is not shown again:", highlight=False)
        _say(console, secret)

    @app.command("list")
    def list_keys() -> None:
        """Show every key, without its secret."""
        with open_accounts() as accounts:
            table = Table("id", "user", "name", "begins with", "created", "last used", "revoked")
            for key in accounts.api_keys():
                moments = map(_moment, (key.created_at, key.last_used_at, key.revoked_at))
                table.add_row(key.id, key.user, key.name, f"{key.prefix}…", *moments)
        console.print(table)

    @app.command()
    def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, from `parley keys list`.")]) -> None:
        """End a key at once."""
        with reporting(AccountError), open_accounts() as accounts:
            accounts.revoke_key(key_id)
        _say(console, f"The key {key_id} no longer works.")

    return app


def _users_table(accounts: list[Account]) -> Table:
    table = Table("name", "role", "groups", "created", "disabled")
    for account in accounts:
        moments = _moment(account.created_at), _moment(account.disabled_at)
        table.add_row(account.name, account.role, ", ".join(account.groups), *moments)
    return table


def _password(ask: bool) -> str:
    return typer.prompt("Password", hide_input=True, confirmation_prompt=True) if ask else generate_password()


def _show_password(console: Console, password: str, typed: bool) -> None:
    if not typed:
        _say(console, f"Password (shown only now): {password}")


def _split(groups: str) -> list[str]:
    return [group for group in groups.replace(" ", "").split(",") if group]


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
