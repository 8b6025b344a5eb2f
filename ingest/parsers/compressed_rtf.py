"""Rich text as Outlook's messages hold it, compressed (the "LZFu" scheme of MS-OXRTFCP)."""

from __future__ import annotations

import struct

from ingest.errors import RefusedFile

_COMPRESSED, _STORED = b"LZFu", b"MELA"
_WINDOW = 4096
# what every window begins with, by the standard
_COMMON = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def decompress(data: bytes) -> bytes:
    """The rich text. Raises RefusedFile("broken")."""
    if len(data) < 16 or data[8:12] not in {_COMPRESSED, _STORED}:
        raise RefusedFile("broken", "The mail's rich text is damaged.")
    [size] = struct.unpack_from("<I", data, 4)
    body = data[16:]
    return body[:size] if data[8:12] == _STORED else _expand(body, size)


def _expand(body: bytes, size: int) -> bytes:
    """Signs, and references to what came before: eight of them after each byte that tells which is which."""
    text = bytearray(_COMMON)
    place = 0
    while place < len(body) and len(text) < len(_COMMON) + size:
        kinds, place = body[place], place + 1
        for bit in range(8):
            width = 2 if kinds >> bit & 1 else 1
            token, place = body[place : place + width], place + width
            if width == 2 and not _repeat(text, int.from_bytes(token)):
                return bytes(text[len(_COMMON) :])
            if width == 1:
                text += token
    return bytes(text[len(_COMMON) :][:size])


def _repeat(text: bytearray, reference: int) -> bool:
    """Append what a reference points at, sign by sign, as it may reach into what it appends; False at the end mark."""
    back = (len(text) - (reference >> 4)) % _WINDOW
    for _ in range((reference & 15) + 2 if back else 0):
        text.append(text[-back] if back <= len(text) else 0)
    return back > 0
