"""The deployment's one secret, and the keys derived from it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Secret:
    """A random value made at the first start and kept beside the data."""

    value: str

    def __repr__(self) -> str:
        return "Secret(…)"

    @classmethod
    def load(cls, path: Path) -> Secret:
        """Read the secret, or make it; the file is its owner's alone (0600)."""
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(48))
        return cls(path.read_text().strip())

    def derive(self, purpose: str) -> str:
        """A key for one purpose; keys of different purposes tell nothing of each other."""
        return self._mac(f"key:{purpose}")

    def user_hash(self, user_id: str) -> str:
        """The pseudonym (16 hex digits) under which a user appears in traces and experiments."""
        return self._mac(f"user:{user_id}")[:16]

    def _mac(self, text: str) -> str:
        return hmac.new(self.value.encode(), text.encode(), hashlib.sha256).hexdigest()


def _write_once(path: Path, text: str) -> None:
    """Whole or not at all, and never over another process's."""
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
