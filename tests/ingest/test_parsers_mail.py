"""Mails yield who wrote what to whom, and the text of what is attached."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from ingest.errors import RefusedFile
from ingest.parsers import ParsedDocument, parse
from ingest.settings import IngestSettings

SETTINGS = IngestSettings()
FROM_1601_TO_1970_S = 11_644_473_600


def mail(subject: str = "Offsite", body: str = "We meet in Ghent.") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ann <ann@example.org>"
    message["To"] = "Bob <bob@example.org>"
    message["Date"] = "Tue, 03 Mar 2026 09:30:00 +0100"
    message["Subject"] = subject
    message.set_content(body)
    return message


def read(message: EmailMessage) -> ParsedDocument:
    return parse("mail.eml", message.as_bytes(), SETTINGS)


def refusal(name: str, data: bytes) -> RefusedFile:
    with pytest.raises(RefusedFile) as caught:
        parse(name, data, SETTINGS)
    return caught.value


def test_a_mail_yields_its_fields_and_text_below_its_subject() -> None:
    document = read(mail())
    fields, body = document.blocks
    assert document.title == "Offsite"
    assert fields.text == (
        "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\n"
        "Date: Tue, 03 Mar 2026 09:30:00 +0100\nSubject: Offsite"
    )
    assert (body.text, body.headings) == ("We meet in Ghent.", ("Offsite",))


def test_plain_text_is_preferred_and_html_read_where_it_is_all_there_is() -> None:
    both = mail(body="Plain words.")
    both.add_alternative("<p>Marked words.</p>", subtype="html")
    assert [block.text for block in read(both).blocks[1:]] == ["Plain words."]
    alone = mail()
    alone.set_content("<h1>Plan</h1><p>Marked <b>words</b>.</p><script>1</script>", subtype="html")
    [block] = read(alone).blocks[1:]
    assert (block.text, block.headings) == ("Marked words.", ("Offsite", "Plan"))


def test_attachments_are_read_by_the_parsers_of_their_formats(make_pdf, word_file: bytes) -> None:
    message = mail()
    files = {"report.pdf": make_pdf(["one"], ["two"]), "leave.docx": word_file, "days.csv": b"a,b\nx,y"}
    for name, data in files.items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    message.add_attachment(b"\xff\xd8\xff", maintype="image", subtype="jpeg", filename="logo.heic")
    document = read(message)
    assert [(block.headings[1:], block.page) for block in document.blocks if block.text == "two"] == [
        (("report.pdf",), 2)
    ]
    assert ("Offsite", "leave.docx", "Leave", "Carry-over") in {block.headings for block in document.blocks}
    assert document.blocks[-1].text == "a: x | b: y"
    assert [(name, refused.reason) for name, refused in document.left_out] == [("logo.heic", "unsupported")]


def test_all_parts_of_the_text_and_attachments_without_a_name_are_read(make_pdf) -> None:
    message = mail(body="First.")
    message.add_attachment(make_pdf(["Unnamed."]), maintype="application", subtype="pdf")
    message.add_attachment("Second.", disposition="inline")
    texts = [(block.headings[1:], block.text) for block in read(message).blocks[1:]]
    assert texts == [((), "First."), ((), "Second."), (("attachment.pdf",), "Unnamed.")]


def test_mails_in_mails_are_read_down_to_a_limit() -> None:
    message = mail("Level 0", "Deepest.")
    for level in range(1, 4):
        outer = mail(f"Level {level}", f"Text {level}.")
        outer.add_attachment(message)
        message = outer
    assert "Deepest." in {block.text for block in read(message).blocks}
    for level in range(4, 8):
        outer = mail(f"Level {level}")
        outer.add_attachment(message)
        message = outer
    refused = refusal("mail.eml", message.as_bytes())
    assert refused.reason == "too_large"
    assert "deep" in refused.finding


def test_encrypted_mails_and_other_text_are_refused() -> None:
    locked = mail()
    locked.set_content(b"secret", maintype="application", subtype="pkcs7-mime", params={"smime-type": "enveloped-data"})
    assert refusal("a.eml", locked.as_bytes()).reason == "encrypted"
    assert refusal("a.eml", b"Just some text.\n").reason == "broken"


def test_broken_header_fields_cost_themselves_only() -> None:
    document = parse("a.eml", b"From: <\nTo: =?utf-8?q?x?= <\nSubject: Plan\n\nText.", SETTINGS)
    assert (document.title, document.blocks[-1].text) == ("Plan", "Text.")


def text(tag: str, value: str) -> dict:
    return {f"__substg1.0_{tag}001F": value.encode("utf-16-le")}


def properties(header_bytes: int) -> dict:
    """The date 2026-03-03 08:30 UTC as a MAPI property."""
    ticks = (int(datetime(2026, 3, 3, 8, 30, tzinfo=UTC).timestamp()) + FROM_1601_TO_1970_S) * 10_000_000
    return {"__properties_version1.0": bytes(header_bytes) + struct.pack("<HHIQ", 0x0040, 0x0039, 6, ticks)}


def test_outlook_messages_are_read_like_mails(make_ole) -> None:
    inner = {**text("0037", "Earlier"), **text("1000", "An earlier word."), **properties(24)}
    file = {"__substg1.0_37010102": b"a,b\nx,y", **text("3707", "days.csv")}
    message = {
        **properties(32),
        **text("0037", "Offsite"),
        **text("0C1A", "Ann"),
        **text("0C1F", "ann@example.org"),
        **text("0E04", "Bob"),
        **text("1000", "We meet in Ghent."),
        "__attach_version1.0_#00000000": file,
        "__attach_version1.0_#00000001": {"__substg1.0_3701000D": inner},
    }
    document = parse("mail.msg", make_ole(message), SETTINGS)
    assert document.title == "Offsite"
    assert document.blocks[0].text == (
        "From: Ann <ann@example.org>\nTo: Bob\nDate: Tue, 03 Mar 2026 08:30:00 +0000\nSubject: Offsite"
    )
    assert [(block.headings, block.text) for block in document.blocks[1:]] == [
        (("Offsite",), "We meet in Ghent."),
        (("Offsite", "days.csv", "A2:B2"), "a: x | b: y"),
        (("Offsite", "attached.eml", "Earlier"), "Date: Tue, 03 Mar 2026 08:30:00 +0000\nSubject: Earlier"),
        (("Offsite", "attached.eml", "Earlier"), "An earlier word."),
    ]


def test_outlook_messages_that_hold_rich_text_alone_are_read(make_ole) -> None:
    rich = bytes.fromhex(
        "4b000000620000004c5a46755ec55edb0100092046697665206404617906406f66206c6546610dd100c07920620de0639b0ac00881"
        "640e400dd0722e0aa3470db80eef04902c20660dc62e027d1310"
    )
    message = {**properties(32), **text("0037", "Leave"), "__substg1.0_10090102": rich}
    said = [block.text for block in parse("mail.msg", make_ole(message), SETTINGS).blocks]
    once, twice = "Five days of leave may be carried over.", "Five days may be carried over, five days."
    assert said[1:] == [f"{once}\n{twice}"]
    stored = rich[:4] + struct.pack("<I", 22) + b"MELA" + bytes(4) + rb"{\rtf1 Just as it is.}"
    as_stored = parse("mail.msg", make_ole({**message, "__substg1.0_10090102": stored}), SETTINGS)
    assert as_stored.blocks[1].text == "Just as it is."
    damaged = {**message, "__substg1.0_10090102": b"no rich text at all"}
    assert refusal("mail.msg", make_ole(damaged)).reason == "broken"


def test_encrypted_and_damaged_outlook_messages_are_refused(make_ole) -> None:
    locked = make_ole({**properties(32), **text("001A", "IPM.Note.SMIME"), **text("1000", "?")})
    assert refusal("a.msg", locked).reason == "encrypted"
    assert refusal("a.msg", locked[:700]).reason == "broken"
    assert refusal("a.docx", locked).reason == "wrong_extension"


def test_a_mail_may_be_stored_in_a_wide_encoding() -> None:
    wide = mail().as_bytes().decode().encode("utf-16")
    assert parse("a.eml", wide, SETTINGS).blocks == read(mail()).blocks
