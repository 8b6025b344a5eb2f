"""Accounts: users with roles and groups, and what stands for their password (API keys, sign-in links)."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Self, get_args
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from app.auth.database import Database
from app.auth.errors import InvalidName, LastAdmin, UnknownKey, UnknownUser, UserExists
from app.auth.migrations import MIGRATIONS
from app.auth.passwords import generate_password, hash_password, is_outdated, verify_password
from app.auth.settings import AuthSettings
from app.auth.throttle import Throttle
from retrieval.passages import EVERYONE

Role = Literal["user", "owner", "analyst", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
OPS_ROLES: tuple[Role, ...] = ("analyst", "admin")
"""Who sees the ops pages and the LangSmith API."""
ADMIN = "admin"
KEY_PREFIX = "pk_"
KEY_USE_PRECISION = timedelta(minutes=1)
ATTEMPTS_PER_ADDRESS = 10  # times the attempts per name and address
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class Account(BaseModel):
    """A user, without secrets."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    role: Role
    groups: tuple[str, ...]
    """Reader groups; `everyone` is always the first."""
    created_at: datetime
    disabled_at: datetime | None = None
    session_epoch: int = 0
    """Sessions of an earlier epoch have ended."""


class ApiKey(BaseModel):
    """What is known of an API key after it was made; the secret itself is not kept."""

    model_config = ConfigDict(frozen=True)

    id: str
    user: str
    name: str
    prefix: str
    """How the secret begins, so that its holder can tell keys apart."""
    created_at: datetime
    last_used_at: datetime | None
    """To the minute."""
    revoked_at: datetime | None


class Accounts:
    """The accounts in `chat.db`; thread-safe. Names are kept in lower case."""

    def __init__(self, db: Database, settings: AuthSettings, now: Callable[[], datetime]) -> None:
        self.settings = settings
        self.now = now
        self._db = db
        self._per_login = Throttle(settings.login_attempts, settings.login_window_s, now)
        self._per_address = Throttle(settings.login_attempts * ATTEMPTS_PER_ADDRESS, settings.login_window_s, now)

    @classmethod
    def open(cls, path: Path, settings: AuthSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Self:
        """Open `chat.db`, made where it is missing."""
        db = Database.open(path)
        db.migrate("accounts", MIGRATIONS)
        return cls(db, settings, now)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # Users

    def ensure_admin(self) -> str | None:
        """Where there is no admin yet, make the user `admin`; its generated password, or None where there is one."""
        if self.admins():
            return None
        password = generate_password()
        try:
            self.create(ADMIN, password, role="admin")
        except UserExists:  # another process was first and has shown its password, or it is somebody's plain name
            return None
        return password

    def create(self, name: str, password: str, role: Role = "user", groups: Iterable[str] = ()) -> Account:
        """Add a user. Raises `InvalidName`, `WeakPassword`, `UserExists`."""
        name = _checked_name(name, "user name")
        row = (str(uuid4()), name, role, _as_json(groups), hash_password(password), self._timestamp())
        try:
            with self._db.transaction() as db:
                db.execute(
                    "INSERT INTO users (id, name, role, groups, password_hash, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                    row,
                )
        except sqlite3.IntegrityError as error:
            raise UserExists(name) from error
        return self.named(name)

    def admins(self) -> list[Account]:
        """The accounts that may do everything, disabled ones apart."""
        return [account for account in self.users() if account.role == "admin" and not account.disabled_at]

    def users(self) -> list[Account]:
        """Every account by name, disabled ones too."""
        return [_account(row) for row in self._db.all("SELECT * FROM users ORDER BY name")]

    def find(self, name: str) -> Account | None:
        """The account of this name, disabled or not."""
        row = self._db.one("SELECT * FROM users WHERE name = ?", name.strip().lower())
        return _account(row) if row else None

    def named(self, name: str) -> Account:
        """The account of this name. Raises `UnknownUser`."""
        account = self.find(name)
        if account is None:
            raise UnknownUser(name)
        return account

    def get(self, user_id: str) -> Account | None:
        """The account of this id, disabled or not."""
        row = self._db.one("SELECT * FROM users WHERE id = ?", user_id)
        return _account(row) if row else None

    def set_role(self, name: str, role: Role) -> Account:
        """Give a user another role, from the next request on. Raises `UnknownUser`, `LastAdmin`."""
        with self._db.transaction() as db:
            self._keep_an_admin(name, becomes=role)
            db.execute("UPDATE users SET role = ? WHERE id = ?", (role, self.named(name).id))
        return self.named(name)

    def set_groups(self, name: str, groups: Iterable[str]) -> Account:
        """Replace the groups that a user belongs to besides `everyone`. Raises `UnknownUser`, `InvalidName`."""
        with self._db.transaction() as db:
            db.execute("UPDATE users SET groups = ? WHERE id = ?", (_as_json(groups), self.named(name).id))
        return self.named(name)

    def set_password(self, name: str, password: str) -> None:
        """Change a password and end the user's sessions. Raises `UnknownUser`, `WeakPassword`."""
        user_id, password_hash = self.named(name).id, hash_password(password)
        with self._db.transaction() as db:
            db.execute(
                "UPDATE users SET password_hash = ?, session_epoch = session_epoch + 1 WHERE id = ?",
                (password_hash, user_id),
            )
            db.execute("DELETE FROM signin_links WHERE user_id = ?", (user_id,))

    def disable(self, name: str) -> None:
        """Lock a user out at once: sessions, API keys and sign-in links. Raises `UnknownUser`, `LastAdmin`."""
        with self._db.transaction() as db:
            self._keep_an_admin(name, becomes=None)
            db.execute(
                "UPDATE users SET disabled_at = coalesce(disabled_at, ?), session_epoch = session_epoch + 1 "
                "WHERE id = ?",
                (self._timestamp(), self.named(name).id),
            )

    def enable(self, name: str) -> None:
        """Let a disabled user in again, with the same password and keys. Raises `UnknownUser`."""
        with self._db.transaction() as db:
            db.execute("UPDATE users SET disabled_at = NULL WHERE id = ?", (self.named(name).id,))

    def _keep_an_admin(self, name: str, becomes: Role | None) -> None:
        account = self.named(name)
        others = self._db.one(
            "SELECT 1 FROM users WHERE role = 'admin' AND disabled_at IS NULL AND id != ?", account.id
        )
        if account.role == "admin" and becomes != "admin" and others is None:
            raise LastAdmin(account.name)

    # Signing in

    def authenticate(self, name: str, password: str, address: str = "") -> Account | None:
        """The account, or None where name or password is wrong or the account is disabled.

        Blocks for about 50 ms, whether or not the name exists. Raises `TooManyAttempts`.
        """
        name = name.strip().lower()
        self._per_address.admit(address)
        self._per_login.admit((name, address))
        row = self._db.one("SELECT * FROM users WHERE name = ?", name)
        right = verify_password(row["password_hash"] if row else None, password)
        if row is None or not right or row["disabled_at"]:
            return None
        self._per_address.forgive(address)
        self._per_login.forgive((name, address))
        if is_outdated(row["password_hash"]):
            self._rehash(row["id"], password)
        return _account(row)

    def _rehash(self, user_id: str, password: str) -> None:
        password_hash = hash_password(password)
        with self._db.transaction() as db:
            db.execute("UPDATE users SET password_hash = ? WHERE id = ?", (password_hash, user_id))

    def create_signin_link(self, name: str, ttl: timedelta) -> str:
        """A token for `/signin?token=…` that signs the user in once. Raises `UnknownUser`."""
        token, user_id = secrets.token_urlsafe(32), self.named(name).id
        with self._db.transaction() as db:
            db.execute("DELETE FROM signin_links WHERE used_at IS NOT NULL OR expires_at <= ?", (self._timestamp(),))
            db.execute(
                "INSERT INTO signin_links (hash, user_id, expires_at) VALUES (?, ?, ?)",
                (_hash(token), user_id, _timestamp(self.now() + ttl)),
            )
        return token

    def redeem(self, token: str) -> Account | None:
        """The account that a sign-in token stands for; None where it is unknown, expired or used."""
        now = self._timestamp()
        with self._db.transaction() as db:
            row = db.execute(
                "UPDATE signin_links SET used_at = ? WHERE hash = ? AND used_at IS NULL AND expires_at > ? "
                "RETURNING user_id",
                (now, _hash(token), now),
            ).fetchone()
        account = self.get(row["user_id"]) if row else None
        return account if account and account.disabled_at is None else None

    # API keys

    def create_key(self, name: str, label: str) -> str:
        """A new API key of a user; the only time its secret is seen. Raises `UnknownUser`, `InvalidName`."""
        if not 1 <= len(label.strip()) <= 64:
            raise InvalidName("Give the key a name of 1 to 64 characters that says what it is for.")
        secret, user_id = KEY_PREFIX + secrets.token_urlsafe(32), self.named(name).id
        row = (secrets.token_hex(4), user_id, label.strip(), _hash(secret), secret[:9], self._timestamp())
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO api_keys (id, user_id, name, hash, prefix, created_at) VALUES (?, ?, ?, ?, ?, ?)", row
            )
        return secret

    def verify_key(self, secret: str) -> Account | None:
        """The account that an API key belongs to; None where the key is unknown or revoked, or the user disabled."""
        row = self._db.one(
            "SELECT k.id AS key_id, k.last_used_at, u.* FROM api_keys k JOIN users u ON u.id = k.user_id "
            "WHERE k.hash = ? AND k.revoked_at IS NULL AND u.disabled_at IS NULL",
            _hash(secret),
        )
        if row is None:
            return None
        if not row["last_used_at"] or row["last_used_at"] < _timestamp(self.now() - KEY_USE_PRECISION):
            with self._db.transaction() as db:
                db.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", (self._timestamp(), row["key_id"]))
        return _account(row)

    def api_keys(self) -> list[ApiKey]:
        """Every API key, oldest first, revoked ones too."""
        rows = self._db.all(
            "SELECT k.*, u.name AS user FROM api_keys k JOIN users u ON u.id = k.user_id ORDER BY k.created_at"
        )
        return [ApiKey.model_validate({**row}) for row in rows]

    def revoke_key(self, key_id: str) -> None:
        """End an API key at once. Raises `UnknownKey`."""
        with self._db.transaction() as db:
            changed = db.execute(
                "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", (self._timestamp(), key_id)
            ).rowcount
        if not changed:
            raise UnknownKey(key_id)

    def _timestamp(self) -> str:
        return _timestamp(self.now())


def _account(row: sqlite3.Row) -> Account:
    groups = (EVERYONE, *json.loads(row["groups"]))
    fields = {name: row[name] for name in Account.model_fields}
    return Account.model_validate({**fields, "groups": groups})


def _checked_name(name: str, what: str) -> str:
    lowered = name.strip().lower()
    if not _NAME.fullmatch(lowered):
        raise InvalidName(
            f"{name!r} is no {what}: use 1 to 64 letters a-z, digits and . _ @ -, beginning with a letter or digit."
        )
    return lowered


def _as_json(groups: Iterable[str]) -> str:
    return json.dumps(sorted({_checked_name(group, "group name") for group in groups} - {EVERYONE}))


def _hash(secret: str) -> str:
    """Random secrets need no slow hash: there is nothing to guess."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _timestamp(moment: datetime) -> str:
    """Sortable as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
