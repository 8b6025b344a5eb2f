"""`parley ops …`, as an operator types it, on real stores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import TypeAdapter
from rich.console import Console
from typer.testing import CliRunner, Result

from app.ops.command import OpsCommands, ops_app
from app.ops.store import Ingest
from app.ops.store.models import RunFields
from app.ops.store.workspaces import Workspaces

Parley = Callable[..., Result]
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


@contextmanager
def opened(folder: Path) -> Iterator[Workspaces]:
    workspaces = Workspaces(folder)
    try:
        yield workspaces
    finally:
        workspaces.close()


@pytest.fixture
def served() -> list[tuple[str | None, int | None]]:
    """Where the commands were told to listen."""
    return []


@pytest.fixture
def parley(tmp_path: Path, served: list[tuple[str | None, int | None]]) -> Parley:
    """`parley("keys", "list")`: the outcome, with all that was printed as its `output`."""

    def run(*arguments: str, keep_days: int = 0) -> Result:
        printed = StringIO()
        commands = OpsCommands(
            workspaces=lambda: opened(tmp_path / "ops"),
            serve=lambda host, port: served.append((host, port)),
            keep_days=lambda: keep_days,
            out=Console(file=printed, width=300),
        )
        result = CliRunner().invoke(ops_app(commands), list(arguments))
        result.stdout_bytes = printed.getvalue().encode() + result.stdout_bytes
        return result

    return run


def record(folder: Path, workspace: str = "default", age_days: int = 0) -> None:
    with opened(folder) as workspaces:
        store = workspaces.store(workspaces.named(workspace))
        start = datetime.now(UTC) - timedelta(days=age_days)
        store.ingest(Ingest(posts=[_RUN.validate_python({"id": uuid4(), "name": "turn", "start_time": start})]))


def test_alone_it_serves(parley: Parley, served: list[tuple[str | None, int | None]]) -> None:
    assert parley().exit_code == 0
    assert parley("run", "--host", "0.0.0.0", "--port", "9000").exit_code == 0
    assert served == [(None, None), ("0.0.0.0", 9000)]


def test_workspaces_and_keys(parley: Parley, tmp_path: Path) -> None:
    added = parley("workspaces", "add", "team")
    key = added.stdout.split()[-1]
    assert "team" in parley("workspaces", "list").stdout
    made = parley("keys", "create", "--workspace", "team", "--label", "notebook").stdout.split()[-1]
    assert "notebook" in parley("keys", "list").stdout
    with opened(tmp_path / "ops") as workspaces:
        found = [workspaces.key(secret) for secret in (key, made)]
        assert [one.workspace_id for one in found if one] == [workspaces.named("team").id] * 2
        (first, _) = workspaces.api_keys()
    assert parley("keys", "revoke", str(first.id)).exit_code == 0
    with opened(tmp_path / "ops") as workspaces:
        assert workspaces.key(key) is None
        assert workspaces.key(made) is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["workspaces", "add", "default"], "There already is"),
        (["keys", "create", "--workspace", "nobody"], "no workspace 'nobody'"),
        (["keys", "revoke", str(uuid4())], "There is no key"),
        (["retention", "set", "nowhere", "3"], "no project 'nowhere'"),
        (["sweep", "--workspace", "nobody"], "no workspace"),
        (["export", "OUT", "--project", "nowhere"], "no project"),
        (["import", "OUT"], "no completed export"),
    ],
)
def test_a_refusal_is_one_line(parley: Parley, tmp_path: Path, arguments: list[str], said: str) -> None:
    result = parley(*[str(tmp_path / "out") if each == "OUT" else each for each in arguments])
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_old_traces_are_counted_then_deleted(parley: Parley, tmp_path: Path) -> None:
    for age_days in (0, 10, 20):
        record(tmp_path / "ops", age_days=age_days)
    assert "0 traces" in parley("sweep").stdout
    assert "2 traces with 2 runs would be deleted" in parley("sweep", "--dry-run", keep_days=7).stdout
    assert "15 days" in parley("retention", "set", "default", "15").stdout
    assert "15 days" in parley("retention", "list").stdout
    assert "1 traces with 1 runs deleted" in parley("sweep", keep_days=7).stdout
    assert "as ops.keep_days says" in parley("retention", "set", "default", "default").stdout
    assert "1 traces with 1 runs deleted" in parley("sweep", keep_days=7).stdout
    assert parley("vacuum").exit_code == 0
    assert parley("retention", "set", "default", "soon").exit_code == 2


def test_everything_moves_from_one_workspace_to_another(parley: Parley, tmp_path: Path) -> None:
    record(tmp_path / "ops")
    parley("workspaces", "add", "copy")
    exported = parley("export", str(tmp_path / "out"))
    assert exported.exit_code == 0, exported.output
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["rows"]["runs"] == 1
    assert parley("import", str(tmp_path / "out"), "--workspace", "copy").exit_code == 0
    with opened(tmp_path / "ops") as workspaces:
        copied = workspaces.store(workspaces.named("copy"))
        assert copied.runs_received() == 1
    assert "holds records" in parley("import", str(tmp_path / "out")).stderr
