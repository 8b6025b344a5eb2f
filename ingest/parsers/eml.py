"""Mails (EML): who wrote what to whom, and what is attached."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from mimetypes import guess_extension

from ingest.errors import RefusedFile
from ingest.parsers import html, text
from ingest.parsers.base import Block, Outline, ParsedDocument, one_line
from ingest.parsers.nested import NestedFiles, ParseFile

_FIELDS = ("From", "To", "Cc", "Date", "Subject")
_ENCRYPTED = {"application/pgp-encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
_SIGNED = "signed-data"
_PEEK_BYTES = 64


def parse(data: bytes, stem: str, parse_file: ParseFile) -> ParsedDocument:
    """The mail's fields and text below its subject, then its attachments, each read by the parser of its format."""
    if b"\x00" in data[:_PEEK_BYTES]:
        data = text.decode(data).encode()
    message = message_from_bytes(data, policy=policy.default)
    if not any(_field(message, name) for name in _FIELDS):
        raise RefusedFile("broken", "It has none of a mail's fields.")
    return parse_message(message, stem, parse_file)


def parse_message(message: EmailMessage, stem: str, parse_file: ParseFile) -> ParsedDocument:
    """The same, of a mail that is already taken apart."""
    parts = list(_leaves(message))
    if any(part.get_content_type() in _ENCRYPTED and part.get_param("smime-type") != _SIGNED for part in parts):
        raise RefusedFile("encrypted")
    subject = one_line(_field(message, "Subject"))
    body = _body(parts)
    outline = Outline()
    outline.heading(subject, 1)
    outline.add("\n".join(f"{name}: {value}" for name in _FIELDS if (value := _field(message, name))), "list")
    for part in body:
        outline.extend(_blocks(part))
    attachments = NestedFiles(parse_file)
    for part in parts:
        if part not in body and (name := _file_name(part)):
            attachments.read(name, _content(part), (subject,) if subject else ())
    return attachments.document(subject or stem, outline.finish())


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that hold something; an attached mail is one of them."""
    if not message.is_multipart() or message.get_content_maintype() == "message":
        yield message
        return
    for part in message.get_payload():
        if isinstance(part, Message):
            yield from _leaves(part)


def _body(parts: list[Message]) -> list[Message]:
    """The parts that are the mail's text: the plain ones where there are any, else those in HTML."""
    texts = [part for part in parts if not part.get_filename() and part.get_content_disposition() != "attachment"]
    for kind in ("text/plain", "text/html"):
        body = [part for part in texts if part.get_content_type() == kind and _content(part).strip()]
        if body:
            return body
    return []


def _blocks(part: Message) -> list[Block]:
    """What a part of the text says."""
    parse_part = html.parse_markup if part.get_content_type() == "text/html" else text.parse_text
    return parse_part(_text(part), "").blocks


def _text(part: Message) -> str:
    """A part's text by the character set that it names, where that one fits."""
    data = _content(part)
    try:
        return data.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return text.decode(data)


def _content(part: Message) -> bytes:
    if part.is_multipart():
        return b"".join(inner.as_bytes() for inner in part.get_payload() if isinstance(inner, Message))
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _file_name(part: Message) -> str:
    """What an attachment is called; one without a name, as mails often are, gets one by its type."""
    if part.get_content_type() == "message/rfc822":
        return "attached.eml"
    if name := one_line(part.get_filename() or ""):
        return name
    is_attached = part.get_content_disposition() == "attachment"
    return f"attachment{guess_extension(part.get_content_type()) or ''}" if is_attached else ""


def _field(message: Message, name: str) -> str:
    """A header's decoded value; one that is beyond decoding counts as absent."""
    try:
        return one_line(str(message.get(name) or ""))
    except (ValueError, IndexError, AttributeError, TypeError, LookupError):
        return ""
