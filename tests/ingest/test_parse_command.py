"""What `parley parse` shows of a file."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from ingest.parse_command import run
from ingest.settings import IngestSettings


def show(path: Path, **options: int | bool) -> tuple[int, str, str]:
    out, err = (Console(file=io.StringIO(), width=120) for _ in range(2))
    code = run(path, IngestSettings(), out=out, err=err, **options)
    return code, out.file.getvalue(), err.file.getvalue()


def test_each_passage_stands_below_its_position_page_and_heading(tmp_path: Path, make_pdf) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(make_pdf(["# Results", "Revenue grew."], ["Outlook is good."]))
    code, out, err = show(path)
    assert (code, out) == (
        0,
        "--- 0 · page 1 · Results\nRevenue grew.\n\n--- 1 · page 2 · Results\nOutlook is good.\n\n",
    )
    assert err == "report: 2 of 2 passages.\n"


def test_one_page_is_shown_with_the_positions_of_the_whole(tmp_path: Path, make_pdf) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(make_pdf(["One."], ["Two."]))
    assert show(path, page=2)[1] == "--- 1 · page 2\nTwo.\n\n"
    code, out, err = show(path, page=3)
    assert (code, out) == (0, "")
    assert "Page 3 has no text." in err


def test_json_holds_the_passages(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    path.write_text("Grade,Days\nSenior,28\n")
    code, out, _ = show(path, as_json=True)
    assert code == 0
    assert json.loads(out) == {
        "title": "days",
        "pages": None,
        "left_out": [],
        "passages": [{"position": 0, "page": None, "heading": "A2:B2", "text": "Grade: Senior | Days: 28"}],
    }


def test_a_refused_file_says_why(tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\xff\xd8\xff")
    code, out, err = show(path)
    assert (code, out) == (1, "")
    assert err.startswith("unsupported: This format cannot be read.")
