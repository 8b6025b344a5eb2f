"""llama-server as a peer: found where somebody has built it, and done without elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.bench.llama_server import BINARY, find_llama_server, llama_server


def test_a_program_is_found_by_its_variable_and_none_is_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "its-server"
    program.write_text("#!/bin/sh\necho no such model\nexit 3\n")
    program.chmod(0o700)
    monkeypatch.setenv(BINARY, str(program))
    assert find_llama_server() == str(program)
    monkeypatch.setenv(BINARY, str(tmp_path / "absent"))
    assert find_llama_server() is None


def test_a_server_that_ends_at_once_is_reported_with_what_it_said(tmp_path: Path) -> None:
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\necho no such model\nexit 3\n")
    program.chmod(0o700)
    with (
        pytest.raises(RuntimeError, match="no such model"),
        llama_server(
            str(program), tmp_path / "none.gguf", slots=1, slot_tokens=64, threads=1, log=tmp_path / "server.log"
        ),
    ):
        pytest.fail("it did not get ready")
