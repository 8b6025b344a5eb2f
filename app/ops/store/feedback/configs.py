"""What feedback of a key may say: a number within bounds, one of some categories, or anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator
from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, InvalidRecord, NotFound
from app.ops.store.models import CleanText, Name
from app.ops.store.tables.feedback_forms import feedback_configs
from app.ops.store.upsert import upsert


class Category(BaseModel):
    """One of the values that there are."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    value: FiniteFloat
    label: Annotated[CleanText, Field(max_length=1000)] | None = None


class FeedbackConfig(BaseModel):
    """How values of a key are to be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["continuous", "categorical", "freeform"]
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None
    categories: Annotated[list[Category], Field(max_length=1000)] | None = None
    allows_multiple_categories: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> FeedbackConfig:
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError("min must be less than max")
        if self.type != "categorical":
            return self
        values = [category.value for category in self.categories or []]
        labels = [category.label for category in self.categories or [] if category.label is not None]
        if len(values) < 2:
            raise ValueError("a categorical config needs at least two categories")
        if len(set(values)) < len(values) or len(set(labels)) < len(labels):
            raise ValueError("categories must differ in their values and in their labels")
        return self


class ConfigFields(BaseModel):
    """A new config."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    feedback_key: Name
    feedback_config: FeedbackConfig
    is_lower_score_better: bool | None = None
    is_enforced: bool = False


class ConfigChange(BaseModel):
    """What to change in the config of a key, which is named by its key or its id."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    feedback_key: Name
    id: UUID | None = None
    feedback_config: FeedbackConfig | None = None
    is_lower_score_better: bool | None = None
    add_categories: list[Category] = Field(default_factory=list, max_length=1000)
    remove_categories: list[float] = Field(default_factory=list, max_length=1000)


class KeyConfig(BaseModel):
    """The config of a key."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    feedback_key: str
    feedback_config: FeedbackConfig
    is_lower_score_better: bool
    is_enforced: bool
    is_deleted: bool
    modified_at: AwareDatetime


class DifferentConfig(Conflict):
    """The key has a config that says something else."""


class FeedbackConfigs:
    """Make, find, change, delete, and check scores. A key has one config; a deleted one can be made anew."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def create(self, fields: ConfigFields) -> KeyConfig:
        """Make a config; one that says the same is given back.

        Raises DifferentConfig; Conflict where an enforced one is asked for and there is one.
        """
        with self._database.write() as db:
            there = _with_key(db, fields.feedback_key)
            if there and not there.is_deleted:
                return self._same(db, there, fields)
            return _write(db, there, fields, self._clock())

    def find(
        self,
        *,
        keys: Collection[str] | None = None,
        name_contains: str | None = None,
        is_enforced: bool | None = None,
        with_deleted: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[KeyConfig]:
        """Configs by key; each argument that is not None narrows the answer."""
        terms: list[ColumnElement[bool]] = []
        if keys is not None:
            terms.append(feedback_configs.c.feedback_key.in_(keys))
        if name_contains is not None:
            lower = func.lower(feedback_configs.c.feedback_key)
            terms.append(lower.contains(name_contains.lower(), autoescape=True))
        if is_enforced is not None:
            terms.append(feedback_configs.c.is_enforced == is_enforced)
        if not with_deleted:
            terms.append(~feedback_configs.c.is_deleted)
        wanted = select(feedback_configs).where(*terms).order_by(feedback_configs.c.feedback_key)
        with self._database.read() as db:
            return [_config(row) for row in db.execute(wanted.limit(limit).offset(offset))]

    def change(self, wanted: ConfigChange) -> KeyConfig:
        """Change a config. Raises NotFound; InvalidRecord for categories that make no sense."""
        with self._database.write() as db:
            before = _existing(db, wanted.feedback_key, wanted.id)
            changes: dict[str, Any] = {"modified_at": self._clock()}
            if wanted.is_lower_score_better is not None:
                changes["is_lower_score_better"] = wanted.is_lower_score_better
            changes["feedback_config"] = _changed(before.feedback_config, wanted).model_dump()
            db.execute(update(feedback_configs).where(feedback_configs.c.id == before.id).values(changes))
            return _existing(db, wanted.feedback_key)

    def delete(self, *, key: str | None = None, config_id: UUID | None = None) -> None:
        """Delete a config, named by its key or its id. Raises NotFound."""
        with self._database.write() as db:
            found = _existing(db, key, config_id)
            gone = update(feedback_configs).where(feedback_configs.c.id == found.id)
            db.execute(gone.values(is_deleted=True, is_enforced=False, modified_at=self._clock()))

    def ensure(self, key: str, config: FeedbackConfig) -> None:
        """Make a config for a key that has none; one that is there stays."""
        with self._database.write() as db:
            ensure_config(db, key, config, self._clock())

    def check(self, key: str, score: float | None) -> None:
        """Make sure that a score is one that the key's config allows. Raises InvalidRecord."""
        with self._database.read() as db:
            found = _with_key(db, key)
        if score is None or found is None or found.is_deleted:
            return
        if problem := _problem(found.feedback_config, float(score)):
            raise InvalidRecord(f"The score {score:g} of {key!r} {problem}.")

    def _same(self, db: Connection, there: KeyConfig, fields: ConfigFields) -> KeyConfig:
        if fields.is_enforced and there.is_enforced:
            raise Conflict(f"The key {fields.feedback_key!r} already has an enforced feedback config.")
        wanted = (fields.feedback_config, fields.is_lower_score_better)
        if wanted not in ((there.feedback_config, there.is_lower_score_better), (there.feedback_config, None)):
            raise DifferentConfig(f"Feedback config already exists for {fields.feedback_key!r}, and says otherwise.")
        if fields.is_enforced:
            one = feedback_configs.c.id == there.id
            db.execute(update(feedback_configs).where(one).values(is_enforced=True, modified_at=self._clock()))
        return _existing(db, fields.feedback_key)


def ensure_config(db: Connection, key: str, config: FeedbackConfig, now: datetime) -> None:
    """Make a config for a key that has none."""
    there = _with_key(db, key)
    if there is None or there.is_deleted:
        _write(db, there, ConfigFields(feedback_key=key, feedback_config=config), now)


def _write(db: Connection, deleted: KeyConfig | None, fields: ConfigFields, now: datetime) -> KeyConfig:
    row = {
        "id": deleted.id if deleted else uuid4(),
        "feedback_key": fields.feedback_key,
        "feedback_config": fields.feedback_config.model_dump(),
        "is_lower_score_better": bool(fields.is_lower_score_better),
        "is_enforced": fields.is_enforced,
        "is_deleted": False,
        "modified_at": now,
    }
    upsert(db, feedback_configs, [row])
    return KeyConfig.model_validate(row)


def _problem(config: FeedbackConfig, score: float) -> str | None:
    if config.type == "continuous" and config.min is not None and score < config.min:
        return f"is less than {config.min:g}"
    if config.type == "continuous" and config.max is not None and score > config.max:
        return f"is more than {config.max:g}"
    values = [category.value for category in config.categories or []]
    if config.type == "categorical" and score not in values:
        return f"is none of {', '.join(f'{value:g}' for value in values)}"
    return None


def _changed(before: FeedbackConfig, wanted: ConfigChange) -> FeedbackConfig:
    config = wanted.feedback_config or before
    if not wanted.add_categories and not wanted.remove_categories:
        return config
    if config.type != "categorical":
        raise InvalidRecord(f"The feedback config of {wanted.feedback_key!r} is not categorical.")
    kept: Sequence[Category] = [one for one in config.categories or [] if one.value not in wanted.remove_categories]
    try:
        return FeedbackConfig.model_validate(config.model_dump() | {"categories": [*kept, *wanted.add_categories]})
    except ValidationError as error:
        raise InvalidRecord(f"The categories cannot be changed so: {error.errors()[0]['msg']}.") from error


def _with_key(db: Connection, key: str) -> KeyConfig | None:
    row = db.execute(select(feedback_configs).where(feedback_configs.c.feedback_key == key)).one_or_none()
    return None if row is None else _config(row)


def _existing(db: Connection, key: str | None, config_id: UUID | None = None) -> KeyConfig:
    is_it = feedback_configs.c.feedback_key == key if config_id is None else feedback_configs.c.id == config_id
    row = db.execute(select(feedback_configs).where(is_it, ~feedback_configs.c.is_deleted)).one_or_none()
    if row is None:
        raise NotFound(f"There is no feedback config {config_id or repr(key)}.")
    return _config(row)


def _config(row: Row[Any]) -> KeyConfig:
    return KeyConfig.model_validate(row._asdict())
