"""The documentation says what the code does: every setting, command, route, rail and metric is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import typer
from pydantic import BaseModel

from agents import errors
from app.cli import app as cli
from app.settings import Settings
from ingest.sources.settings import SourceSettings

ROOT = Path(__file__).parents[2]
DOCS = "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
SETTINGS = (ROOT / "docs" / "settings.md").read_text()


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("name", sorted(fields(Settings)))
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in SETTINGS


@pytest.mark.parametrize("kind", get_args(get_args(SourceSettings)[0]))
def test_every_setting_of_a_source_is_documented(kind: type[BaseModel]) -> None:
    assert not {name for name in fields(kind) if f"`sources.NAME.{name}`" not in SETTINGS}


def test_no_documented_setting_is_unknown() -> None:
    known = set(fields(Settings)) | set(Settings.model_fields)
    named = set(re.findall(r"^\| `([a-z_.]+)` \|", SETTINGS, re.MULTILINE))
    assert named
    assert named <= known


def commands(group: typer.Typer, prefix: str = "parley") -> Iterator[str]:
    for command in group.registered_commands:
        yield f"{prefix} {command.name or command.callback.__name__}"
    for sub in group.registered_groups:
        yield from commands(sub.typer_instance, f"{prefix} {sub.name}")


@pytest.mark.parametrize("command", sorted(commands(cli)))
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"`{command}[` ]", DOCS), f"{command} is not in docs/"


def test_every_error_code_is_documented() -> None:
    codes = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TurnError)
    }
    missing = {code for code in codes - {"turn_failed", "refused", "unavailable"} if f"`{code}`" not in DOCS}
    assert not missing


ROUTES = ["/healthz", "/readyz", "/metrics", "/v1/chat/completions", "/v1/models", "/ops", "/langsmith"]


@pytest.mark.parametrize("route", ROUTES)
def test_every_public_route_is_documented(route: str) -> None:
    assert f"`{route}`" in DOCS or f" {route}`" in DOCS


def test_links_between_documents_lead_somewhere() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_readme_tree_is_the_tree() -> None:
    tree = re.search(r"```\n(app/.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tree
    folders = [line.split()[0] for line in tree[1].splitlines() if line and not line.startswith(" ")]
    assert folders
    for folder in folders:
        assert (ROOT / folder).is_dir(), folder
