"""Links to files that work without a key for a while, and that nobody can make up."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pydantic_core import from_json, to_json
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from app.ops.store.blobs import Blobs
from app.ops.store.database import Database
from app.ops.store.errors import NotFound
from app.ops.store.models import Attachment
from app.ops.store.tables import signing_keys

LIFETIME = timedelta(days=1)
_KEY_NAME = "links"


class LinkedFile(NamedTuple):
    """What a link opens."""

    path: Path
    mime_type: str


class Links:
    """Make links and open them. A key in the database signs them, so every process opens those of every other."""

    def __init__(self, database: Database, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock

    def token(self, file: Attachment) -> str:
        """What a link to the file ends in; it opens it for one day."""
        expires = int((self._clock() + LIFETIME).timestamp())
        claim = _text(to_json([expires, file.digest, file.mime_type]))
        return f"{claim}.{self._signature(claim)}"

    def open(self, token: str) -> LinkedFile:
        """The file that a token opens. Raises NotFound if it was made up or has expired."""
        claim, _, signature = token.partition(".")
        if not hmac.compare_digest(self._signature(claim).encode(), signature.encode()):
            raise NotFound("This link opens nothing. Read the example or the run again for a new one.")
        expires, digest, mime_type = from_json(urlsafe_b64decode(claim))
        if expires < self._clock().timestamp():
            raise NotFound("This link has expired. Read the example or the run again for a new one.")
        return LinkedFile(self._blobs.path(digest), mime_type)

    def _signature(self, claim: str) -> str:
        return _text(hmac.digest(self._key, claim.encode(), hashlib.sha256))

    @cached_property
    def _key(self) -> bytes:
        stored = select(signing_keys.c.key).where(signing_keys.c.name == _KEY_NAME)
        try:
            with self._database.write() as db:
                if db.scalar(stored) is None:
                    db.execute(insert(signing_keys).values(name=_KEY_NAME, key=secrets.token_bytes(32)))
        except IntegrityError:  # another process was faster
            pass
        with self._database.read() as db:
            return db.scalars(stored).one()


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode()
