"""The ingested files: for their readers alone, and shown so that they cannot act."""

from __future__ import annotations

import httpx
import pytest


@pytest.fixture(scope="module")
def reader(served) -> httpx.Client:
    return served.browser(served.user())


def test_a_file_comes_back_as_it_was_ingested(served, reader) -> None:
    response = reader.get(f"/documents/{served.document_id('leave.md')}")
    assert response.status_code == 200
    assert response.text.startswith("# Leave")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Cache-Control"] == "private, no-cache"


def test_html_is_shown_as_text_that_cannot_act(served, reader) -> None:
    response = reader.get(f"/documents/{served.document_id('page.html')}")
    assert "<script>" in response.text
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_a_pdf_opens_in_the_browser_and_other_formats_are_downloaded(served, reader) -> None:
    pdf = reader.get(f"/documents/{served.document_id('fees.pdf')}")
    assert pdf.content.startswith(b"%PDF")
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert pdf.headers["Content-Disposition"].startswith("inline")
    word = reader.get(f"/documents/{served.document_id('travel.docx')}")
    assert word.headers["Content-Type"] == "application/octet-stream"
    assert word.headers["Content-Disposition"] == 'attachment; filename="travel.docx"'


def test_only_readers_of_its_groups_get_it(served, reader) -> None:
    minutes = f"/documents/{served.document_id('minutes.md')}"
    member = served.browser(served.user(groups=("board",)))
    assert "40,000" in member.get(minutes).text
    refused, unknown = reader.get(minutes), reader.get("/documents/no-such-id")
    assert (refused.status_code, refused.json()) == (unknown.status_code, unknown.json())
    assert refused.status_code == 404


def test_a_reader_who_leaves_a_group_loses_its_documents_at_once(served) -> None:
    account = served.user(groups=("board",))
    minutes, browser = f"/documents/{served.document_id('minutes.md')}", served.browser(account)
    assert browser.get(minutes).status_code == 200
    served.parley.accounts.set_groups(account.name, [])
    assert browser.get(minutes).status_code == 404


def test_nobody_reads_without_signing_in(served) -> None:
    stranger, path = served.browser(), f"/documents/{served.document_id('leave.md')}"
    assert stranger.get(path).status_code == 401
    page = stranger.get(path, headers={"Accept": "text/html"})
    assert page.status_code == 303
    assert page.headers["Location"].startswith("/signin?next=%2Fdocuments")
    assert stranger.get(path, headers={"Authorization": f"Bearer {served.key()}"}).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/documents/..%2f..%2fsecret", "/documents/%2e%2e/%2e%2e/secret", "/documents/x%00", "/documents/" + "x" * 9000],
)
def test_a_path_leads_nowhere_else(served, reader, path: str) -> None:
    response = reader.get(path)
    assert response.status_code in (200, 404)
    assert served.parley.secret.value not in response.text
    assert response.status_code == 404 or "text/html" in response.headers["Content-Type"], "the chat's page"
