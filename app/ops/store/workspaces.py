"""Workspaces: tenants that share a server and nothing else, and the keys that open them.

Each has a database and a folder of its own, so that no query can reach another's rows.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.exc import ArgumentError, DBAPIError

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, InvalidRecord, NotFound, StoreError
from app.ops.store.intake.process import IntakeProcess
from app.ops.store.models import utc_now
from app.ops.store.store import Clock, OpsStore, Workspace
from app.ops.store.tables import api_keys, workspaces

KEY_PREFIX = "po_"
SCHEMA = "parley_ops"
"""The PostgreSQL schema of the default workspace; the others' have their id behind it."""
_SHOWN = 10
_NAME_CHARS = 100


class ApiKey(BaseModel):
    """A key without its secret, which is known only to who was given it."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    workspace_id: UUID
    label: str
    prefix: str
    created_at: AwareDatetime
    revoked_at: AwareDatetime | None = None


class Workspaces:
    """Opens the store of each workspace when it is first asked for; the default one always is. Thread-safe."""

    def __init__(self, folder: Path, *, database_url: str = "", schema: str = SCHEMA, clock: Clock = utc_now) -> None:
        self._folder = folder
        self._url = database_url
        self._schema = schema
        self._clock = clock
        self._opening = threading.Lock()
        self._opened: dict[UUID, OpsStore] = {}
        self._taking_in: IntakeProcess | None = None
        self.default = self._open(Workspace())

    def work(self) -> None:
        """Take runs in beside this process, and apply rules to them. For the one that serves: commands only look."""
        with self._opening:
            self._taking_in = IntakeProcess()
            self._taking_in.start()
            for store in self._opened.values():
                store.work(self._taking_in)

    def all(self) -> list[Workspace]:
        """The default one, then the others in the order in which they were made."""
        listed = select(workspaces.c.id, workspaces.c.name).order_by(workspaces.c.created_at)
        with self.default.database.peek() as db:
            return [self.default.workspace, *(Workspace(*row) for row in db.execute(listed))]

    def named(self, name: str) -> Workspace:
        """The workspace of that name. Raises NotFound."""
        for workspace in self.all():
            if workspace.name == name:
                return workspace
        raise NotFound(f"There is no workspace {name!r}. `parley ops workspaces list` shows all.")

    def add(self, name: str) -> Workspace:
        """Make a workspace. Raises Conflict, InvalidRecord."""
        if not name.strip() or len(name) > _NAME_CHARS or not name.isprintable():
            raise InvalidRecord(f"Give the workspace a name of 1 to {_NAME_CHARS} printable characters.")
        if any(workspace.name == name for workspace in self.all()):
            raise Conflict(f"There already is a workspace {name!r}.")
        workspace = Workspace(uuid4(), name)
        with self.default.database.write() as db:
            db.execute(insert(workspaces).values(id=workspace.id, name=name, created_at=self._clock()))
        return workspace

    def store(self, workspace: Workspace) -> OpsStore:
        """Its store, opened if it is not yet."""
        with self._opening:
            return self._opened.get(workspace.id) or self._open(workspace)

    def stores(self) -> Sequence[OpsStore]:
        """The stores of all workspaces."""
        return [self.store(workspace) for workspace in self.all()]

    def create_key(self, workspace: Workspace, label: str) -> str:
        """A new key that opens the workspace; it cannot be shown again."""
        key = KEY_PREFIX + secrets.token_urlsafe(32)
        row = {"id": uuid4(), "workspace_id": workspace.id, "label": label, "created_at": self._clock()}
        with self.default.database.write() as db:
            db.execute(insert(api_keys).values(**row, hash=_hash(key), prefix=key[:_SHOWN]))
        return key

    def api_keys(self) -> list[ApiKey]:
        """Every key that was made, the oldest first."""
        with self.default.database.peek() as db:
            rows = db.execute(select(api_keys).order_by(api_keys.c.created_at))
            return [ApiKey.model_validate(row._asdict()) for row in rows]

    def revoke_key(self, key_id: UUID) -> None:
        """End a key at once. Raises NotFound."""
        ended = update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=self._clock())
        with self.default.database.write() as db:
            if not db.execute(ended).rowcount:
                raise NotFound(f"There is no key {key_id}. `parley ops keys list` shows all.")

    def key(self, secret: str) -> ApiKey | None:
        """The key with this secret; None for one that was never made or is revoked."""
        return self._live_key(api_keys.c.hash == _hash(secret))

    def live_key(self, key_id: UUID) -> ApiKey | None:
        """The key with this id; None for one that was never made or is revoked."""
        return self._live_key(api_keys.c.id == key_id)

    def opened_by(self, key: ApiKey) -> OpsStore:
        """The store that the key opens. Raises NotFound."""
        for workspace in self.all():
            if workspace.id == key.workspace_id:
                return self.store(workspace)
        raise NotFound("The workspace of this key is gone.")

    def close(self) -> None:
        """Close every store."""
        for store in self._opened.values():
            store.close()
        if self._taking_in:
            self._taking_in.close()

    def _live_key(self, which: ColumnElement[bool]) -> ApiKey | None:
        with self.default.database.peek() as db:
            row = db.execute(select(api_keys).where(which, api_keys.c.revoked_at.is_(None))).one_or_none()
        return None if row is None else ApiKey.model_validate(row._asdict())

    def _open(self, workspace: Workspace) -> OpsStore:
        is_default = workspace == Workspace()
        folder = self._folder if is_default else self._folder / str(workspace.id)
        schema = self._schema if is_default else f"{self._schema}_{workspace.id.hex}"
        store = OpsStore(self._database(folder, schema), folder, workspace=workspace, clock=self._clock)
        self._opened[workspace.id] = store
        if self._taking_in:
            store.work(self._taking_in)
        return store

    def _database(self, folder: Path, schema: str) -> Database:
        if not self._url:
            return Database.at(folder / "ops.db")
        try:
            return Database.on_server(self._url, schema)
        except (DBAPIError, ArgumentError, ValueError) as error:
            reason = getattr(error, "orig", None) or error
            raise StoreError(f"The database at database.url cannot be used: {reason}") from error


def _hash(key: str) -> str:
    """Keys are long and random, so a fast hash hides them as well as a slow one."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
