"""Request bodies: read within a limit, decompressed within another, parsed as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import zstandard
from fastapi import Request
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.ops.langsmith.errors import BadRequest, TooLarge, Unprocessable, UnsupportedEncoding

_CHUNK_BYTES = 64 * 1024
_PATIENCE = 5
"""How many times the limit is still read, so that the sender hears why instead of a broken connection."""

M = TypeVar("M", bound=BaseModel)
_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The body as it was sent. Raises TooLarge."""
    body, size_bytes = bytearray(), 0
    async for chunk in request.stream():
        size_bytes += len(chunk)
        if size_bytes <= limit_bytes:
            body += chunk
        elif size_bytes > _PATIENCE * limit_bytes:
            break
    if size_bytes > limit_bytes:
        raise TooLarge(f"The request is larger than {limit_bytes} bytes. Send fewer or smaller runs at once.")
    return bytes(body)


def expanded(body: bytes, encoding: str, limit_bytes: int) -> Iterator[bytes]:
    """The body piece by piece, decompressed. Raises TooLarge, BadRequest, UnsupportedEncoding."""
    if encoding in ("", "identity"):
        yield body
        return
    if encoding != "zstd":
        raise UnsupportedEncoding(f"Content-Encoding {encoding!r} is not understood; send zstd, or none.")
    size_bytes = 0
    with zstandard.ZstdDecompressor().stream_reader(body) as reader:
        while chunk := _decompressed(reader):
            size_bytes += len(chunk)
            if size_bytes > limit_bytes:
                raise TooLarge(f"The request is larger than {limit_bytes} bytes when decompressed.")
            yield chunk


def _decompressed(reader: zstandard.ZstdDecompressionReader) -> bytes:
    try:
        return reader.read(_CHUNK_BYTES)
    except zstandard.ZstdError as error:
        raise BadRequest("The request says that it is zstd, but cannot be decompressed.") from error


async def read_json(request: Request, model: type[M], limit_bytes: int, **known: Any) -> M:
    """The JSON object in the body, as `model`; `known` fields, such as an id in the path, go first.

    Raises TooLarge, Unprocessable.
    """
    body = await read_body(request, limit_bytes)
    try:
        return model.model_validate(_OBJECT.validate_json(body) | known)
    except ValidationError as error:
        raise Unprocessable(explain(error)) from error


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, as a sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return f"{where}: {first['msg']}." if where else f"{first['msg']}."
