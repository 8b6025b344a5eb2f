"""What the store refuses, named for the decision that it causes.

StoreError
├── NotFound       there is no such thing
├── Conflict       there already is such a thing
├── InvalidRecord  a record refers to something that does not exist
├── InvalidQuery   a filter or a cursor cannot be read
└── StoreBusy      more comes in than can be stored; the same call may succeed later
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of every refusal; its text is a sentence for the caller."""


class NotFound(StoreError):
    """There is no such thing."""


class Conflict(StoreError):
    """There already is such a thing."""


class InvalidRecord(StoreError):
    """A record refers to something that does not exist."""


class InvalidQuery(StoreError):
    """A filter or a cursor cannot be read."""


class StoreBusy(StoreError):
    """More comes in than can be stored; the same call may succeed later."""
