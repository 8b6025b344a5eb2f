"""Clients of several versions and languages, unmodified, each from a process of its own; the API is killed between."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "tests" / "clients"
INSTALLED = ROOT / ".venv" / "clients"
AREAS = ("tracing", "feedback", "projects", "datasets", "experiments", "pairwise", "prompts", "queues", "sharing")
"""What every client can do."""
ALL_AREAS = (*AREAS, "resources")
"""The second version of the API is spoken by the newer clients only."""
ABSENT = object()


@dataclass(frozen=True)
class ClientLibrary:
    """A library as it is installed, and in what its answers differ: what it cannot do at all, or does not send."""

    name: str
    command: Sequence[str]
    path: tuple[str, Path]
    differs: dict[tuple[str, str], Any] = field(default_factory=dict)
    areas: Sequence[str] = ALL_AREAS

    def __str__(self) -> str:
        return self.name

    def run(self, url: str, key: str, state: Path, *steps: str) -> dict[str, Any]:
        """What each step saw, or why it failed."""
        variable, folder = self.path
        environment = {"LANGSMITH_ENDPOINT": url, "LANGSMITH_API_KEY": key, variable: str(folder)}
        ran = subprocess.run(
            [*self.command, str(state), *steps],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        answers = [json.loads(line) for line in ran.stdout.splitlines()]
        assert answers, ran.stderr
        return {answer["step"]: answer.get("seen", answer.get("failed")) for answer in answers}

    def expected(self) -> dict[str, Any]:
        """The answers of the suite, as this library gives them."""
        answers: dict[str, Any] = deepcopy(json.loads((SUITE / "expected.json").read_text()))
        for (step, question), answer in self.differs.items():
            del answers[step][question]
            if answer is not ABSENT:
                answers[step][question] = answer
        return answers


def _python(version: str, **settings: Any) -> ClientLibrary:
    command = [sys.executable, "-S", str(SUITE / "python" / "drive.py")]  # -S: nothing but what is in the folder
    return ClientLibrary(
        f"langsmith {version}", command, ("PYTHONPATH", INSTALLED / f"langsmith-{version}"), **settings
    )


LIBRARIES = [
    ClientLibrary("langsmith, current", [sys.executable, str(SUITE / "python" / "drive.py")], ("PYTHONPATH", SUITE)),
    _python("0.3", areas=AREAS, differs={("prompts.recall", "tagged"): ABSENT}),
    _python("0.7", areas=AREAS),
    ClientLibrary(
        "npm langsmith",
        ["node", str(SUITE / "javascript" / "drive.cjs")],
        ("NODE_PATH", INSTALLED / "npm" / "node_modules"),
        {
            ("pairwise.recall", "groups"): 0,
            ("sharing.recall", "run"): ABSENT,
            ("sharing.recall", "runs"): ABSENT,
            ("sharing.recall", "child"): ABSENT,
            ("sharing.recall", "experiments"): ABSENT,
            ("sharing.recall", "run, after"): ABSENT,
        },
    ),
]


CASES = [(library, "sqlite") for library in LIBRARIES] + [(LIBRARIES[0], "postgresql"), (LIBRARIES[-1], "postgresql")]
"""Each client, and one of each language on the other engine too, which clients know nothing of."""


@pytest.fixture
def library(request: pytest.FixtureRequest) -> ClientLibrary:
    chosen: ClientLibrary = request.param
    if shutil.which(chosen.command[0]) is None:
        pytest.skip(f"{chosen.command[0]} is not installed")
    if not chosen.path[1].is_dir():
        pytest.skip(f"{chosen.name} is not installed; `make clients` installs it")
    return chosen


def _lives(areas: Sequence[str]) -> Iterator[list[str]]:
    """The steps for each life of the API: what was written before its death is read back after it."""
    yield [f"{areas[0]}.write"]
    for before, now in pairwise(areas):
        yield [f"{before}.recall", f"{now}.write"]
    yield [f"{areas[-1]}.recall"]


@pytest.mark.parametrize(("library", "api"), CASES, indirect=True, ids=str)
def test_a_client_finds_after_each_kill_what_it_wrote_before(library: ClientLibrary, api: Any, tmp_path: Path) -> None:
    expected = library.expected()
    for steps in _lives(library.areas):
        seen = library.run(api.url, api.key, tmp_path / "state.json", *steps)
        for step in steps:
            assert seen.get(step) == expected[step], step
        api.restart()
