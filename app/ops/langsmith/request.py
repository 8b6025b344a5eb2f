"""What every route is given: the workspace's store, and the body within its limits."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from gzip import GzipFile
from io import BytesIO
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

API_CALLER = "api"
"""Who acts, where only the workspace's key says it."""

_READERS: dict[str, Callable[[bytes], Any]] = {
    "zstd": lambda body: zstandard.ZstdDecompressor().stream_reader(body),
    "gzip": lambda body: GzipFile(fileobj=BytesIO(body)),
}

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
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


def workspaces(request: Request) -> Iterable[OpsStore]:
    """All stores, for what is read without a key: things that are shared, and files by signed links."""
    stores: Iterable[OpsStore] = request.app.state.workspaces()
    return stores


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
    if encoding not in _READERS:
        raise UnsupportedEncoding(f"Content-Encoding {encoding!r} is not understood; send zstd, gzip, or none.")
    pieces, size_bytes = [], 0
    with _READERS[encoding](body) as reader:
        for piece in _pieces(reader, encoding):
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                raise TooLarge(f"The request is larger than {limit_bytes} bytes when decompressed.")
            pieces.append(piece)
    return b"".join(pieces)


def _pieces(reader: Any, encoding: str) -> Iterator[bytes]:
    try:
        while piece := reader.read(_CHUNK_BYTES):
            yield piece
    except (zstandard.ZstdError, zlib.error, OSError, EOFError) as error:
        raise BadRequest(f"The request says that it is {encoding}, but cannot be decompressed.") from error


async def read_json(request: Request, model: type[M], **known: Any) -> M:
    """The JSON object in the body, as `model`; `known` fields, such as an id in the path, go first.

    Raises TooLarge, Unprocessable.
    """
    body = await read_body(request)
    try:
        return model.model_validate(_OBJECT.validate_json(body) | known)
    except ValidationError as error:
        raise Unprocessable(explain(error)) from error


async def read_value(request: Request, adapter: TypeAdapter[T]) -> T:
    """The JSON in the body, of whatever shape `adapter` takes. Raises TooLarge, Unprocessable."""
    body = await read_body(request)
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise Unprocessable(explain(error)) from error


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, as a sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return f"{where}: {first['msg']}." if where else f"{first['msg']}."
