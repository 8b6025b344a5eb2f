"""Outlook mails (MSG): their MAPI properties, which lie in streams of an OLE file, become the mail that they were."""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from ingest.errors import RefusedFile
from ingest.parsers.archive import Allowance
from ingest.parsers.base import ParsedDocument, one_line
from ingest.parsers.compressed_rtf import decompress
from ingest.parsers.eml import parse_message
from ingest.parsers.nested import ParseFile
from ingest.parsers.rtf import to_text
from ingest.parsers.text import decode

_CLASS, _SUBJECT, _SENT = 0x001A, 0x0037, 0x0039
_SENDER, _SENDER_ADDRESS, _TO, _CC = 0x0C1A, 0x0C1F, 0x0E04, 0x0E03
_BODY, _RICH, _HTML = 0x1000, 0x1009, 0x1013
_FILE, _LONG_NAME, _SHORT_NAME, _MIME_TYPE = 0x3701, 0x3707, 0x3704, 0x370E
_UNICODE, _BYTES, _STORAGE = "001F", "0102", "000D"
_TEXT_TYPES = (_UNICODE, "001E")
_TIME = 0x0040
_APPLICATION = re.compile(r"application/([\w.+-]+)")
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_Path = tuple[str, ...]


def parse(data: bytes, stem: str, allowance: Allowance, parse_file: ParseFile) -> ParsedDocument:
    """The mail's fields, text and attachments, as of an EML file."""
    import olefile

    try:
        with olefile.OleFileIO(data) as ole:
            message = _message(ole, (), allowance)
    except (OSError, struct.error, IndexError) as error:
        raise RefusedFile("broken", "Its OLE container is damaged.") from error
    return parse_message(message, stem, parse_file)


def _message(ole: Any, at: _Path, allowance: Allowance) -> EmailMessage:
    """The mail below a path of the container. Raises RefusedFile."""
    kind = _text(ole, at, _CLASS).upper()
    if "SMIME" in kind and not kind.endswith("MULTIPARTSIGNED"):
        raise RefusedFile("encrypted")
    message = EmailMessage()
    _add_fields(message, ole, at)
    _add_body(message, ole, at)
    allowance.enter()
    for storage in _attachments(ole, at):
        _attach(message, ole, (*at, storage), allowance)
    allowance.leave()
    return message


def _add_fields(message: EmailMessage, ole: Any, at: _Path) -> None:
    address = one_line(_text(ole, at, _SENDER_ADDRESS))
    sender = [one_line(_text(ole, at, _SENDER)), f"<{address}>" if "@" in address else ""]
    fields = {
        "Subject": _text(ole, at, _SUBJECT),
        "From": " ".join(filter(None, sender)),
        "To": _text(ole, at, _TO),
        "Cc": _text(ole, at, _CC),
        "Date": _sent(ole, at),
    }
    for name, value in fields.items():
        with suppress(IndexError):  # the standard library trips over some addresses
            message[name] = one_line(value)


def _add_body(message: EmailMessage, ole: Any, at: _Path) -> None:
    """The text, else that in HTML, else the rich text, which some messages have alone."""
    text = _text(ole, at, _BODY)
    if text.strip():
        message.set_content(text)
    elif markup := _stream(ole, at, _HTML, _BYTES):
        message.set_content(decode(markup), subtype="html")
    elif rich := _stream(ole, at, _RICH, _BYTES):
        message.set_content(to_text(decompress(rich)))
    else:
        message.set_content("")


def _attachments(ole: Any, at: _Path) -> list[str]:
    entries = ole.listdir(streams=False, storages=True)
    below = {entry[len(at)] for entry in entries if len(entry) == len(at) + 1 and tuple(entry[: len(at)]) == at}
    return sorted(name for name in below if name.startswith("__attach_"))


def _attach(message: EmailMessage, ole: Any, at: _Path, allowance: Allowance) -> None:
    """Add a file, or a mail that was attached as such."""
    inner = (*at, _stream_name(_FILE, _STORAGE))
    if ole.exists("/".join(inner)):
        message.add_attachment(_message(ole, inner, allowance))
        return
    name = one_line(_text(ole, at, _LONG_NAME) or _text(ole, at, _SHORT_NAME)) or "attachment"
    subtype = _APPLICATION.fullmatch(_text(ole, at, _MIME_TYPE).strip("\x00"))
    data = _stream(ole, at, _FILE, _BYTES)
    message.add_attachment(data, "application", subtype[1] if subtype else "octet-stream", filename=name)


def _text(ole: Any, at: _Path, tag: int) -> str:
    """A property that is text, or nothing."""
    for kind in _TEXT_TYPES:
        if data := _stream(ole, at, tag, kind):
            return data.decode("utf-16-le", "replace") if kind == _UNICODE else decode(data)
    return ""


def _stream(ole: Any, at: _Path, tag: int, kind: str) -> bytes:
    path = [*at, _stream_name(tag, kind)]
    return ole.openstream(path).read() if ole.exists("/".join(path)) else b""


def _stream_name(tag: int, kind: str) -> str:
    return f"__substg1.0_{tag:04X}{kind}"


def _sent(ole: Any, at: _Path) -> str:
    """When it was sent, as a mail's date: a property of fixed length, kept in a table of 16 bytes for each."""
    path = [*at, "__properties_version1.0"]
    table = ole.openstream(path).read() if ole.exists("/".join(path)) else b""
    for start in range(24 if at else 32, len(table) - 15, 16):
        kind, tag, _, ticks = struct.unpack_from("<HHIQ", table, start)
        if (tag, kind) == (_SENT, _TIME) and ticks < 2**62:
            return format_datetime(_EPOCH + timedelta(microseconds=ticks // 10))
    return ""
