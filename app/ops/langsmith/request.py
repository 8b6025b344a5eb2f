"""What every route is given: the workspace's store, and the body within its limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

import zstandard
from fastapi import Depends, Request
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.ops.langsmith.errors import BadRequest, TooLarge, Unprocessable, UnsupportedEncoding
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore

_CHUNK_BYTES = 1 << 20
_PATIENCE = 5
"""How many times the limit is still read, so that the sender hears why instead of a broken connection."""

M = TypeVar("M", bound=BaseModel)
_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def current_store(request: Request) -> OpsStore:
    """The store of the workspace whose key the request carries."""
    store: OpsStore = request.state.store
    return store


Store = Annotated[OpsStore, Depends(current_store)]
"""The parameter of a route that reads or writes: never another workspace's store."""


def limits(request: Request) -> OpsSettings:
    """The settings of this API."""
    settings: OpsSettings = request.app.state.settings
    return settings


async def read_body(request: Request) -> bytes:
    """The body as it was sent. Raises TooLarge."""
    limit_bytes = limits(request).upload_limit_bytes
    body, size_bytes = bytearray(), 0
    async for chunk in request.stream():
        size_bytes += len(chunk)
        if size_bytes <= limit_bytes:
            body += chunk
        elif size_bytes > _PATIENCE * limit_bytes:
            break
    if size_bytes > limit_bytes:
        raise TooLarge(f"The request is larger than {limit_bytes} bytes. Send fewer or smaller records at once.")
    return bytes(body)


def expanded(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """The body, decompressed. Raises TooLarge, BadRequest, UnsupportedEncoding."""
    if encoding in ("", "identity"):
        return body
    if encoding != "zstd":
        raise UnsupportedEncoding(f"Content-Encoding {encoding!r} is not understood; send zstd, or none.")
    pieces, size_bytes = [], 0
    with zstandard.ZstdDecompressor().stream_reader(body) as reader:
        for piece in _pieces(reader):
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                raise TooLarge(f"The request is larger than {limit_bytes} bytes when decompressed.")
            pieces.append(piece)
    return b"".join(pieces)


def _pieces(reader: zstandard.ZstdDecompressionReader) -> Iterator[bytes]:
    try:
        while piece := reader.read(_CHUNK_BYTES):
            yield piece
    except zstandard.ZstdError as error:
        raise BadRequest("The request says that it is zstd, but cannot be decompressed.") from error


async def read_json(request: Request, model: type[M], **known: Any) -> M:
    """The JSON object in the body, as `model`; `known` fields, such as an id in the path, go first.

    Raises TooLarge, Unprocessable.
    """
    body = await read_body(request)
    try:
        return model.model_validate(_OBJECT.validate_json(body) | known)
    except ValidationError as error:
        raise Unprocessable(explain(error)) from error


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, as a sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return f"{where}: {first['msg']}." if where else f"{first['msg']}."
