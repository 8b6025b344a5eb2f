"""What can go wrong with accounts.

AccountError
├── UnknownUser
├── UserExists
├── InvalidName
├── WeakPassword
├── LastAdmin            the change would leave nobody who can administer
├── UnknownKey
└── TooManyAttempts      carries `retry_after_s`

Each message is a sentence that says what to do.
"""

from __future__ import annotations

import math


class AccountError(Exception):
    """Base of every refusal by `Accounts`."""


class UnknownUser(AccountError):
    """No account has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no user {name!r}; `parley users list` shows those that exist.")


class UserExists(AccountError):
    """The name is taken."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There already is a user {name!r}; choose another name.")


class InvalidName(AccountError):
    """The name of a user, group or key is not of the allowed form."""


class WeakPassword(AccountError):
    """The password is too short, or too long."""


class LastAdmin(AccountError):
    """The only admin cannot be disabled or lose the role."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is the only admin; make another user admin first.")


class UnknownKey(AccountError):
    """No API key has this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no API key {key_id!r}; `parley keys list` shows those that exist.")


class TooManyAttempts(AccountError):
    """Too many wrong passwords in a short time."""

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = math.ceil(retry_after_s)
        super().__init__(f"Too many sign-in attempts. Try again in {_in_words(self.retry_after_s)}.")


def _in_words(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} seconds"
    return f"{math.ceil(seconds / 60)} minutes"
