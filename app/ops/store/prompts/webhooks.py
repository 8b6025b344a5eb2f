"""Webhooks of prompts, for clients that keep them: this store calls nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, NotFound
from app.ops.store.prompts.models import Webhook, WebhookChange, WebhookFields
from app.ops.store.tables.prompts import prompt_webhooks


class Webhooks:
    """Add, list, change, delete."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def create(self, fields: WebhookFields) -> Webhook:
        """Remember a webhook. Raises Conflict if its id is taken."""
        now = self._clock()
        webhook = Webhook(
            id=fields.id or uuid4(),
            url=fields.url,
            headers=fields.headers,
            triggers=list(fields.triggers),
            include_prompts=fields.include_prompts or [],
            exclude_prompts=fields.exclude_prompts or [],
            created_at=now,
            updated_at=now,
        )
        with self._database.write() as db:
            try:
                db.execute(insert(prompt_webhooks).values(webhook.model_dump()))
            except IntegrityError as error:
                raise Conflict(f"There already is a webhook {webhook.id}.") from error
        return webhook

    def find(self) -> list[Webhook]:
        """All webhooks, newest first."""
        newest_first = select(prompt_webhooks).order_by(prompt_webhooks.c.created_at.desc(), prompt_webhooks.c.id)
        with self._database.read() as db:
            return [Webhook.model_validate(row._asdict()) for row in db.execute(newest_first)]

    def get(self, webhook_id: UUID) -> Webhook:
        """One webhook. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, webhook_id)

    def change(self, webhook_id: UUID, wanted: WebhookChange) -> Webhook:
        """Change the fields that are not None. Raises NotFound."""
        changes = wanted.model_dump(exclude_none=True) | {"updated_at": self._clock()}
        with self._database.write() as db:
            _existing(db, webhook_id)
            db.execute(update(prompt_webhooks).where(prompt_webhooks.c.id == webhook_id).values(changes))
            return _existing(db, webhook_id)

    def delete(self, webhook_id: UUID) -> None:
        """Forget a webhook. Raises NotFound."""
        with self._database.write() as db:
            _existing(db, webhook_id)
            db.execute(delete(prompt_webhooks).where(prompt_webhooks.c.id == webhook_id))


def _existing(db: Connection, webhook_id: UUID) -> Webhook:
    row = db.execute(select(prompt_webhooks).where(prompt_webhooks.c.id == webhook_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no webhook {webhook_id}.")
    return Webhook.model_validate(row._asdict())
