"""The history of a dataset: each write makes a version, a moment that can be read, named and compared."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, func, insert, or_, select, update

from app.ops.store.database import Database
from app.ops.store.datasets.models import LATEST, SPLIT_KEY, DatasetDiff, DatasetVersion
from app.ops.store.errors import InvalidQuery, InvalidRecord, NotFound
from app.ops.store.models import Moment
from app.ops.store.tables import dataset_tags, dataset_versions, datasets, example_labels, example_versions

_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
_TICK = timedelta(microseconds=1)


class Versions:
    """Read, name and compare the versions of datasets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self,
        dataset_id: UUID,
        *,
        search: str | None = None,
        example_id: UUID | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[DatasetVersion]:
        """Versions, newest first: those with a tag that contains `search`, those that changed the example."""
        wanted = select(dataset_versions.c.as_of).where(dataset_versions.c.dataset_id == dataset_id)
        if example_id is not None:
            wanted = wanted.where(_changed(example_id))
        with self._database.read() as db:
            require_dataset(db, dataset_id)
            if search:
                named = [at for at, tags in _tags(db, dataset_id).items() if any(search in tag for tag in tags)]
                wanted = wanted.where(dataset_versions.c.as_of.in_(named))
            moments = db.scalars(wanted.order_by(dataset_versions.c.as_of.desc()).limit(limit).offset(offset)).all()
            return _named(db, dataset_id, moments)

    def get(self, dataset_id: UUID, version: str) -> DatasetVersion:
        """The version with this tag, or the newest one at this moment. Raises NotFound."""
        with self._database.read() as db:
            require_dataset(db, dataset_id)
            return _existing(db, dataset_id, moment_of(db, dataset_id, version))

    def tag(self, dataset_id: UUID, version: str, tag: str) -> DatasetVersion:
        """Name a version, and no other by the same name. Raises NotFound, InvalidRecord."""
        if tag == LATEST:
            raise InvalidRecord(f"The tag {LATEST!r} always is at the newest version. Choose another one.")
        with self._database.write() as db:
            lock_dataset(db, dataset_id)
            as_of = _existing(db, dataset_id, moment_of(db, dataset_id, version)).as_of
            key = {"dataset_id": dataset_id, "tag": tag}
            db.execute(delete(dataset_tags).where(*(dataset_tags.c[name] == value for name, value in key.items())))
            db.execute(insert(dataset_tags).values(**key, as_of=as_of))
            return _existing(db, dataset_id, as_of)

    def diff(self, dataset_id: UUID, before: str, after: str) -> DatasetDiff:
        """What happened to examples between two versions. Raises NotFound."""
        with self._database.read() as db:
            require_dataset(db, dataset_id)
            old = _numbers_at(db, dataset_id, moment_of(db, dataset_id, before))
            new = _numbers_at(db, dataset_id, moment_of(db, dataset_id, after))
        return DatasetDiff(
            examples_modified=[one for one in new if one in old and old[one] != new[one]],
            examples_added=[one for one in new if one not in old],
            examples_removed=[one for one in old if one not in new],
        )

    def splits(self, dataset_id: UUID, version: str | None = None) -> list[str]:
        """The splits that examples belong to, in alphabetical order. Raises NotFound."""
        with self._database.read() as db:
            require_dataset(db, dataset_id)
            return splits_at(db, dataset_id, moment_of(db, dataset_id, version))


def begin_version(db: Connection, dataset_id: UUID, now: datetime) -> datetime:
    """The moment of a new version, later than all others even where clocks are not. Raises NotFound."""
    lock_dataset(db, dataset_id)
    newest = db.scalar(select(func.max(dataset_versions.c.as_of)).where(dataset_versions.c.dataset_id == dataset_id))
    as_of = now if newest is None else max(now, newest + _TICK)
    db.execute(insert(dataset_versions).values(dataset_id=dataset_id, as_of=as_of))
    db.execute(update(datasets).where(datasets.c.id == dataset_id).values(modified_at=as_of))
    return as_of


def lock_dataset(db: Connection, dataset_id: UUID) -> Row[Any]:
    """The row of the dataset; writers of one dataset come one after the other. Raises NotFound."""
    row = db.execute(select(datasets).where(datasets.c.id == dataset_id).with_for_update()).one_or_none()
    return _found(row, dataset_id)


def require_dataset(db: Connection, dataset_id: UUID) -> Row[Any]:
    """The row of the dataset. Raises NotFound."""
    return _found(db.execute(select(datasets).where(datasets.c.id == dataset_id)).one_or_none(), dataset_id)


def moment_of(db: Connection, dataset_id: UUID | None, version: str | None) -> datetime | None:
    """The moment that a timestamp or a tag stands for; None is now. Raises NotFound, InvalidQuery."""
    if version is None or version == LATEST:
        return None
    tag = version.replace("\x00", "\ufffd")
    key = (dataset_tags.c.dataset_id == dataset_id, dataset_tags.c.tag == tag)
    as_of: datetime | None = db.scalar(select(dataset_tags.c.as_of).where(*key))
    if as_of is not None:
        return as_of
    try:
        return _MOMENT.validate_python(version)
    except ValidationError as error:
        if dataset_id is None:
            raise InvalidQuery(f"{tag!r} is not a time. A tag is read only together with its dataset.") from error
        raise NotFound(f"No version of the dataset has the tag {tag!r}, which is not a time either.") from error


def valid_at(moment: datetime | None) -> ColumnElement[bool]:
    """Versions of examples that said something at this moment; None is now."""
    if moment is None:
        return example_versions.c.until.is_(None)
    ended = or_(example_versions.c.until.is_(None), example_versions.c.until > moment)
    return and_(example_versions.c.as_of <= moment, ended)


def splits_at(db: Connection, dataset_id: UUID, moment: datetime | None) -> list[str]:
    """The splits at this moment, in alphabetical order."""
    return sorted(
        db.scalars(
            select(example_labels.c.value)
            .join(example_versions, example_versions.c.num == example_labels.c.num)
            .where(example_labels.c.key == SPLIT_KEY, example_labels.c.is_item)
            .where(example_versions.c.dataset_id == dataset_id, valid_at(moment))
            .distinct()
        )
    )


def _found(row: Row[Any] | None, dataset_id: UUID) -> Row[Any]:
    if row is None:
        raise NotFound(f"Dataset not found: there is none with the id {dataset_id}.")
    return row


def _changed(example_id: UUID) -> ColumnElement[bool]:
    moments = (example_versions.c.as_of, example_versions.c.until)
    at_version = or_(*(column == dataset_versions.c.as_of for column in moments))
    return exists().where(example_versions.c.example_id == example_id, at_version)


def _existing(db: Connection, dataset_id: UUID, moment: datetime | None) -> DatasetVersion:
    """The newest version at this moment."""
    wanted = select(func.max(dataset_versions.c.as_of)).where(dataset_versions.c.dataset_id == dataset_id)
    as_of = db.scalar(wanted if moment is None else wanted.where(dataset_versions.c.as_of <= moment))
    if as_of is None:
        raise NotFound("The dataset has no version that early: its examples came later, or there are none yet.")
    return _named(db, dataset_id, [as_of])[0]


def _named(db: Connection, dataset_id: UUID, moments: Any) -> list[DatasetVersion]:
    tags = _tags(db, dataset_id)
    return [DatasetVersion(as_of=as_of, tags=tags.get(as_of, [])) for as_of in moments]


def _tags(db: Connection, dataset_id: UUID) -> dict[datetime, list[str]]:
    by_moment: dict[datetime, list[str]] = {}
    newest = db.scalar(select(func.max(dataset_versions.c.as_of)).where(dataset_versions.c.dataset_id == dataset_id))
    if newest is not None:
        by_moment[newest] = [LATEST]
    stored = select(dataset_tags).where(dataset_tags.c.dataset_id == dataset_id).order_by(dataset_tags.c.tag)
    for row in db.execute(stored):
        by_moment.setdefault(row.as_of, []).append(row.tag)
    return by_moment


def _numbers_at(db: Connection, dataset_id: UUID, moment: datetime | None) -> dict[UUID, int]:
    rows = db.execute(
        select(example_versions.c.example_id, example_versions.c.num)
        .where(example_versions.c.dataset_id == dataset_id, valid_at(moment))
        .order_by(example_versions.c.num)
    )
    return {row.example_id: row.num for row in rows}
