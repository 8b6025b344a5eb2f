"""`parley ask`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import cli


def parley(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def test_a_pattern_that_is_none_is_refused() -> None:
    result = parley("ask", "How many days?", "--in", "")
    assert result.exit_code == 2
    assert "--in" in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.model
def test_a_question_is_asked_of_the_documents_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"leave.md": "Five days of leave carry over.", "travel.md": "Trains leave on time."}.items():
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / "files" / name).write_text(text)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PARLEY_MODEL__NAME", "scripted")
    assert parley("ingest", str(tmp_path / "files")).exit_code == 0
    question = "How many days of leave carry over?"
    anywhere, elsewhere = (
        json.loads(parley("ask", question, "--json", *within).stdout) for within in ([], ["--in", "travel.*"])
    )
    assert anywhere["citations"][0]["passage"]["document"] == "leave.md"
    assert "leave.md" not in json.dumps(elsewhere)
