"""Links with which anybody who has one can judge one run under one key, until it expires.

A token is its own secret: its id is random, and nothing else opens it. Used again, it changes the same judgement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, InvalidRecord, NotFound
from app.ops.store.feedback.configs import FeedbackConfig, ensure_config
from app.ops.store.models import CleanText, Moment, Name
from app.ops.store.tables.feedback_forms import feedback_tokens

LIFETIME = timedelta(hours=3)
LONGEST_LIFETIME = timedelta(days=366)


class Lifetime(BaseModel):
    """How long a token lasts."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    days: int = Field(default=0, ge=0, le=1000)
    hours: int = Field(default=0, ge=0, le=100_000)
    minutes: int = Field(default=0, ge=0, le=1_000_000)


class TokenFields(BaseModel):
    """A new token: the run that it lets judge, which need not have arrived, and the key."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID | None = None
    run_id: UUID
    feedback_key: Name
    feedback_config: FeedbackConfig | None = None
    expires_in: Lifetime | None = None
    expires_at: Moment | None = None


class Token(BaseModel):
    """A token; its `id` is also that of the judgement that it leaves."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    run_id: UUID
    feedback_key: str
    created_at: AwareDatetime
    expires_at: AwareDatetime


class Answer(BaseModel):
    """What somebody with a token says."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    score: FiniteFloat | bool | None = None
    value: FiniteFloat | bool | Annotated[CleanText, Field(max_length=10_000)] | dict[str, Any] | None = None
    comment: Annotated[CleanText, Field(max_length=10_000)] | None = None
    correction: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class FeedbackTokens:
    """Make, find, look up."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def create(self, wanted: Sequence[TokenFields]) -> list[Token]:
        """Make tokens, all or none, and configs for keys that have none.

        Raises Conflict for an id that is taken, InvalidRecord for an end in the past or far away.
        """
        tokens = [self._token(fields) for fields in wanted]
        with self._database.write() as db:
            for fields in wanted:
                if fields.feedback_config:
                    ensure_config(db, fields.feedback_key, fields.feedback_config, self._clock())
            try:
                db.execute(insert(feedback_tokens), [token.model_dump() for token in tokens])
            except IntegrityError as error:
                raise Conflict(
                    "There already is a feedback token with this id. Leave the id out, or change it."
                ) from error
        return tokens

    def find(self, run_id: UUID, *, limit: int | None = None, offset: int = 0) -> list[Token]:
        """The tokens of a run, newest first."""
        of_run = select(feedback_tokens).where(feedback_tokens.c.run_id == run_id)
        newest_first = of_run.order_by(feedback_tokens.c.created_at.desc(), feedback_tokens.c.id)
        with self._database.read() as db:
            return [Token.model_validate(row._asdict()) for row in db.execute(newest_first.limit(limit).offset(offset))]

    def open(self, token_id: UUID) -> Token | None:
        """The token of this id, or None. Raises NotFound where it has expired."""
        with self._database.read() as db:
            row = db.execute(select(feedback_tokens).where(feedback_tokens.c.id == token_id)).one_or_none()
        if row is None:
            return None
        if row.expires_at <= self._clock():
            raise NotFound("This feedback link has expired. Ask for a new one.")
        return Token.model_validate(row._asdict())

    def _token(self, fields: TokenFields) -> Token:
        now = self._clock()
        expires_at = fields.expires_at or now + _lifetime(fields.expires_in)
        if not now < expires_at <= now + LONGEST_LIFETIME:
            raise InvalidRecord(f"A feedback token ends within the next {LONGEST_LIFETIME.days} days.")
        return Token(
            id=fields.id or uuid4(),
            run_id=fields.run_id,
            feedback_key=fields.feedback_key,
            created_at=now,
            expires_at=expires_at,
        )


def _lifetime(wanted: Lifetime | None) -> timedelta:
    return timedelta(**wanted.model_dump()) if wanted else LIFETIME
