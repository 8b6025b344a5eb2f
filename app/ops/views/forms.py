"""What a page's form sends."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import HTTPException, Request

LARGEST_BYTES = 64 * 1024
MOST_FIELDS = 2000


async def read_form(request: Request) -> dict[str, str]:
    """The fields that were filled in, without spaces around them. Raises HTTPException (413, 400)."""
    return dict(await read_fields(request, LARGEST_BYTES))


async def read_fields(request: Request, largest_bytes: int) -> list[tuple[str, str]]:
    """The same, of a form in which a name may come several times. Raises HTTPException (413, 400)."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest_bytes:
            raise HTTPException(413, f"The form is larger than {largest_bytes:,} bytes. Send less at once.")
    try:
        pairs = parse_qsl(body.decode(), max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise HTTPException(400, "The form cannot be read. Send it from the page itself.") from error
    return [(name, text) for name, value in pairs if (text := value.replace("\x00", "\ufffd").strip())]
