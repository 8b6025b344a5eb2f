"""`parley ingest` without a path, `parley sources` and `parley duplicates`, as typed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from app.cli import app as cli
from app.settings import ConfigurationError, load_settings
from app.source_commands import sources_app
from app.sources import open_sources, stopped_by
from ingest.reasons import Reason
from ingest.report import FileReport, IngestReport
from ingest.sources.configured import Sources

CONFIGURED = """
[sources.notes]
kind = "folder"
path = "notes"
every = "15m"
groups = ["board"]

[sources.site]
kind = "sitemap"
url = "http://127.0.0.1:9/sitemap.xml"
allow_private = true
tries = 1

[sources.store]
kind = "s3"
bucket = "handbook"
"""
Parley = Callable[..., Result]


@pytest.fixture(autouse=True)
def _in_a_folder_with_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("parley.toml").write_text(CONFIGURED)
    Path("notes").mkdir()


@pytest.fixture
def sources() -> Sources:
    return open_sources(load_settings())


@pytest.fixture
def parley(sources: Sources) -> Parley:
    return lambda *words: CliRunner().invoke(sources_app(lambda: sources, str, Console(width=200)), words)


def record(sources: Sources, origin: str, *reasons: Reason, times: int = 1) -> None:
    rows = [FileReport(name=reason, source=f"/{reason}", status="refused", reason=reason) for reason in reasons]
    now = datetime(2026, 3, 2, tzinfo=UTC)
    for time in range(times):
        moment = now + timedelta(days=2 * time)
        sources.log.record(origin, IngestReport(files=rows, release=1), {}, "1", moment)


def test_sections_become_sources_and_secrets_come_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_SOURCES__STORE__SECRET_ACCESS_KEY", "hunter2")
    settings = load_settings()
    assert [source.kind for source in settings.sources.values()] == ["folder", "sitemap", "s3"]
    assert settings.sources["notes"].every == timedelta(minutes=15)
    secret = settings.sources["store"].secret_access_key  # type: ignore[union-attr]
    assert secret is not None
    assert secret.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('[sources.a]\nkind = "ftp"', "sources.a"),
        ('[sources.a]\nkind = "folder"', "sources.a.folder.path: Field required"),
        ('[sources.a]\nkind = "folder"\npath = "x"\nurl = "y"', "sources.a.folder.url is not a setting"),
        ('[sources.a]\nkind = "folder"\npath = "x"\nevery = "soon"', "sources.a.folder.every"),
        ('[sources.a]\nkind = "folder"\npath = "x"\nevery = "0s"', "sources.a.folder.every"),
        ('[sources."A b"]\nkind = "folder"\npath = "x"', "sources.A b"),
        ('[sources.a]\nkind = "pages"\nurls = ["ftp://a"]', "it must begin with https:// or http://"),
    ],
)
def test_a_wrong_section_is_named(section: str, said: str) -> None:
    Path("parley.toml").write_text(section)
    with pytest.raises(ConfigurationError) as error:
        load_settings()
    assert said in str(error.value)


def test_sources_are_listed_with_what_came_of_them(parley: Parley, sources: Sources) -> None:
    record(sources, "notes", "broken", "unreachable", times=3)
    record(sources, "store", "encrypted")
    sources.log.record_error("site", "It is away.", datetime(2026, 3, 2, tzinfo=UTC))
    lines = parley().stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["notes", "folder", "0:15:00"],
        ["site", "sitemap", "1:00:00"],
        ["store", "s3", "1:00:00"],
    ]
    assert "It is away." in lines[2]
    states = json.loads(parley("--json").stdout)
    assert [(state["failing"], state["dead_letters"]) for state in states] == [(2, 2), (0, 0), (1, 0)]
    assert states[0]["last_run"]["counts"] == {"refused": 2}


def test_failures_are_shown_and_tried_again_on_demand(parley: Parley, sources: Sources) -> None:
    record(sources, "notes", "broken", times=2)
    record(sources, "store", "unreachable")
    shown = parley("failures").stdout
    assert shown.index("notes") < shown.index("store")
    assert "next run" in shown
    [row] = json.loads(parley("failures", "store", "--json").stdout)
    assert (row["reason"], row["count"], row["next_at"]) == ("unreachable", 1, "2026-03-02T00:05:00Z")
    assert parley("retry", "store").stdout == "Files that are tried again with the next run: 1.\n"
    assert parley("failures", "store").stdout == "No file failed.\n"
    assert len(sources.log.failures()) == 1


def test_ingest_without_a_path_runs_every_source() -> None:
    Path("notes/a.md").write_text("The board met.")
    done = CliRunner().invoke(cli, ["ingest", "--dry-run", "--json", "--source", "notes", "--source", "site"])
    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [(file["name"], file["status"]) for file in report["notes"]["files"]] == [("a.md", "added")]
    assert report["site"]["error"].startswith("The sitemap http://127.0.0.1:9/sitemap.xml cannot be read.")


@pytest.mark.parametrize(
    "words",
    [["notes", "--source", "notes"], ["--groups", "board"], ["--owner", "Ann"]],
)
def test_ingest_refuses_what_contradicts_the_settings(words: list[str]) -> None:
    assert CliRunner().invoke(cli, ["ingest", *words]).exit_code == 2


def test_a_place_that_was_emptied_is_only_believed_on_demand() -> None:
    run = CliRunner().invoke
    Path("notes/a.md").write_text("The board met.")
    assert run(cli, ["ingest", "--source", "notes"]).exit_code == 0
    Path("notes/a.md").unlink()
    refused = run(cli, ["ingest", "--source", "notes"])
    assert (refused.exit_code, "--allow-empty" in refused.stderr) == (1, True)
    assert "1 removed" in run(cli, ["ingest", "--source", "notes", "--allow-empty"]).stdout


def test_documents_of_a_source_go_on_demand_once_it_is_configured_no_more() -> None:
    run = CliRunner().invoke
    Path("notes/a.md").write_text("The board met.")
    Path("b.md").write_text("The lift is old.")
    run(cli, ["ingest", "--source", "notes"])
    run(cli, ["ingest", "b.md"])
    refused = run(cli, ["sources", "remove", "notes"])
    assert (refused.exit_code, "still configured" in refused.stderr) == (1, True)
    Path("parley.toml").unlink()
    assert run(cli, ["sources", "remove", "notes"]).stdout.startswith("1 removed.")
    assert run(cli, ["sources", "remove", "notes"]).stdout.startswith("no files found.")


def test_a_path_that_is_not_there_is_named() -> None:
    done = CliRunner().invoke(cli, ["ingest", "nowhere"])
    assert (done.exit_code, "nowhere cannot be opened" in done.stderr) == (1, True)


def test_duplicates_of_a_corpus_that_is_empty_are_none() -> None:
    assert json.loads(CliRunner().invoke(cli, ["duplicates", "--json"]).stdout)["groups"] == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_counts_where_python_drops_its_exception() -> None:
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGUSR1)

    before = signal.getsignal(signal.SIGUSR1)
    stop = stopped_by(signal.SIGUSR1)
    Finalized()
    signal.signal(signal.SIGUSR1, before)
    assert stop.is_set()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_watch_is_ended_cleanly(signal_number: signal.Signals) -> None:
    Path("parley.toml").write_text(CONFIGURED.partition("[sources.store]")[0])
    command = [sys.executable, "-m", "app.cli", "watch"]
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": f"{root}:{root / 'guardrails'}", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True) as watch:
        assert watch.stdout is not None
        assert "Watching notes, site." in watch.stdout.readline()
        while "site: " not in watch.stdout.readline():
            assert watch.poll() is None
        watch.send_signal(signal_number)
        said, complaints = watch.communicate(timeout=30)
    assert (said.splitlines()[-1].endswith("Stopped."), complaints, watch.returncode) == (True, "", 0)
