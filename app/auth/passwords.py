"""Passwords: policy, generation, argon2id."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.auth.errors import WeakPassword

MIN_LENGTH = 12
MAX_LENGTH = 1024
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is misread aloud or on paper
_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106 for 64 MiB
# Verified against where there is no such user, so that unknown names take as long as known ones.
_NOBODY = _HASHER.hash(secrets.token_urlsafe())


def generate_password() -> str:
    """About 99 random bits in a form that can be typed."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def hash_password(password: str) -> str:
    """Raises `WeakPassword` where the policy says no."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise WeakPassword(f"A password needs at least {MIN_LENGTH} characters (and at most {MAX_LENGTH}).")
    return _HASHER.hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is right; takes about 50 ms, just as long where there is no hash."""
    try:
        _HASHER.verify(password_hash or _NOBODY, password[:MAX_LENGTH])
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None and len(password) <= MAX_LENGTH


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(password_hash)
