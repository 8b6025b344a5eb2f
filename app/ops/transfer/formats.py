"""Rows as lines of JSON, or as row groups of Parquet; a few at a time, however many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from sqlalchemy import BigInteger, Boolean, Float, Integer, Table, Uuid
from sqlalchemy.types import TypeEngine

from app.ops.store.tables.base import Json, Moment, Usd, json_text

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 5000
_CHARS = 8 << 20
"""Of a row group; whichever is reached first."""


class JsonLines:
    """A file with one JSON object a line."""

    suffix = "jsonl"

    def __init__(self, folder: Path, table: Table) -> None:
        self._path = folder / f"{table.name}.{self.suffix}"

    def __enter__(self) -> JsonLines:
        self._file = self._path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row."""
        self._file.write(to_json(row, inf_nan_mode="null") + b"\n")


class Parquet:
    """A Parquet file. Ids and structures are text, times are UTC, dollars are exact."""

    suffix = "parquet"

    def __init__(self, folder: Path, table: Table) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = pa.schema([(column.name, _arrow_type(column.type)) for column in table.c])
        self._structures = {column.name for column in table.c if isinstance(column.type, Json)}
        self._ids = {column.name for column in table.c if isinstance(column.type, Uuid)}
        self._writer = pq.ParquetWriter(folder / f"{table.name}.{self.suffix}", self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._chars = 0

    def __enter__(self) -> Parquet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush(self._rows)
        self._writer.close()

    def write(self, row: Mapping[str, Any]) -> None:
        """Add one row to the row group that is being filled."""
        plain = {name: self._plain(name, value) for name, value in row.items()}
        self._rows.append(plain)
        self._chars += sum(len(value) for value in plain.values() if isinstance(value, str))
        if len(self._rows) >= _ROWS or self._chars >= _CHARS:
            self._flush(self._rows)

    def _plain(self, name: str, value: Any) -> Any:
        if value is None or name not in self._structures | self._ids:
            return value
        return json_text(value) if name in self._structures else str(value)

    def _flush(self, rows: Sequence[Mapping[str, Any]]) -> None:
        import pyarrow as pa

        if rows:
            self._writer.write_table(pa.Table.from_pylist(list(rows), schema=self._schema))
        self._rows, self._chars = [], 0


def _arrow_type(kind: TypeEngine[Any]) -> pa.DataType:
    import pyarrow as pa

    if isinstance(kind, Moment):
        return pa.timestamp("us", tz="UTC")
    if isinstance(kind, Usd):
        return pa.decimal128(38, 12)
    if isinstance(kind, Boolean):
        return pa.bool_()
    if isinstance(kind, BigInteger | Integer):
        return pa.int64()
    return pa.float64() if isinstance(kind, Float) else pa.string()
