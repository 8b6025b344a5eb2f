"""The deployment's secret: made once, kept to its owner, told to nobody."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

from app.secret import Secret

ROOT = Path(__file__).parents[2]
LOAD = """
import sys
from pathlib import Path
from app.secret import Secret
print(Secret.load(Path(sys.argv[1])).value)
"""


def test_it_is_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    first = Secret.load(path)
    assert Secret.load(path) == first
    assert len(first.value) >= 64
    assert Secret.load(tmp_path / "another") != first


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    Secret.load(tmp_path / "secret")
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOAD, str(tmp_path / "secret")]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    assert {process.communicate(timeout=60)[0].strip() for process in started} == {
        Secret.load(tmp_path / "secret").value
    }


def test_keys_and_pseudonyms_tell_nothing_of_the_secret(tmp_path: Path) -> None:
    secret = Secret.load(tmp_path / "secret")
    derived = {secret.derive("sessions"), secret.derive("ops"), secret.user_hash("sessions"), secret.user_hash("ann")}
    assert len(derived) == 4
    assert secret.derive("ops") == Secret.load(tmp_path / "secret").derive("ops")
    assert secret.user_hash("ann") == secret.user_hash("ann")
    assert len(secret.user_hash("ann")) == 16
    assert not any(secret.value in each or each in secret.value for each in derived)


def test_it_is_not_printed(tmp_path: Path) -> None:
    secret = Secret.load(tmp_path / "secret")
    assert secret.value not in f"{secret!r} {secret}"
