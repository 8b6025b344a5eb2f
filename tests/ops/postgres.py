"""A PostgreSQL server of the tests' own, started from the binaries that are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL, make_url

URL_VARIABLE = "TEST_POSTGRES_URL"
"""Set it to use a server that runs already, as somebody who may make databases there."""
OPTIONS = (
    "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c wal_level=minimal"
    " -c max_wal_senders=0 -c max_connections=200 -c autovacuum=off -c jit=off"
)
MEMORY = Path("/dev/shm")
MOST_BYTES = 2 << 30
"""Far more than servers come to hold. A test's tables are a hundred files, which are made twice as fast in memory."""


def folder_for_data() -> str:
    """Where a server's data go: into memory if there is enough. The path is short, as a socket lies there too."""
    return str(MEMORY) if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MOST_BYTES else "/tmp"


def find_binaries() -> Path | None:
    """The newest installed server's folder of programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
        Path(program) for program in [shutil.which("initdb")] if program
    ]
    return found[-1].parent if found else None


@contextmanager
def running(binaries: Path, folder: Path) -> Iterator[str]:
    """The address of a fresh server, reached through a socket in `folder`."""
    folder.mkdir(parents=True)
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        folder.chmod(0o700)
        folder.parent.chmod(0o711)
    data = folder / "data"
    _run(binaries / "initdb", "-D", data, "-U", "parley", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8")
    _run(binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", f"{OPTIONS} -k {folder}", "start")
    try:
        yield f"postgresql://parley@/postgres?host={folder}"
    finally:
        _run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def create(server: str, name: str, like: str = "template1") -> str:
    """A new database, which is a copy of the one named; its address. Nobody may be connected to the one named."""
    _at(server, f'CREATE DATABASE "{name}" TEMPLATE "{like}" STRATEGY FILE_COPY')
    return _address(make_url(server), name)


def drop(database: str) -> None:
    """Delete a database, whoever is connected to it."""
    url = make_url(database)
    _at(_address(url, "postgres"), f'DROP DATABASE "{url.database}" WITH (FORCE)')


def _address(server: URL, database: str) -> str:
    return server.set(database=database).render_as_string(hide_password=False)


def _at(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(statement)


def _run(*command: object) -> None:
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*as_owner, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")
