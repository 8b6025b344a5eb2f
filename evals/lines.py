"""Files of JSON lines that people bring to be measured on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Record = TypeVar("Record", bound=BaseModel)


class LinesRefused(Exception):
    """The file cannot be measured on; the message says which line to mend."""


def read_lines(path: Path, kind: type[Record], shape: str) -> list[Record]:
    """The records of a file, blank lines left out; `shape` tells people what a line is. Raises `LinesRefused`."""
    try:
        with path.open("rb") as lines:
            records = [_record(line, kind, f"Line {at} of {path.name}", shape) for at, line in _numbered(lines)]
    except OSError as error:
        raise LinesRefused(f"{path} cannot be read: {error.strerror}.") from error
    if not records:
        raise LinesRefused(f"{path.name} is empty. {shape}")
    return records


def _numbered(lines: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    return ((at, line) for at, line in enumerate(lines, start=1) if line.strip())


def _record(line: bytes, kind: type[Record], where: str, shape: str) -> Record:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = f"{first['loc'][0]}: " if first["loc"] else ""
        raise LinesRefused(f"{where} does not fit ({key}{first['msg']}). {shape}") from error
