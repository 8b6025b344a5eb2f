"""The names that this project imports by, and who owns them."""

from __future__ import annotations

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"app", "agents", "retrieval", "rails", "ingest", "evals"}


def test_no_installed_package_claims_one_of_our_names() -> None:
    owners = packages_distributions()
    claimed = {name: owners[name] for name in OURS if set(owners.get(name, ())) - {"parley"}}
    assert not claimed


def test_the_guardrails_name_belongs_to_the_library() -> None:
    assert packages_distributions()["guardrails"] == ["guardrails-ai"]
    assert not (ROOT / "guardrails" / "__init__.py").exists()


def test_no_file_of_app_shadows_a_library_or_a_top_level_folder() -> None:
    """Chainlit puts app/ first on the module path."""
    taken = (set(packages_distributions()) | OURS) - {"parley"}
    names = {path.stem for path in (ROOT / "app").iterdir() if path.suffix == ".py" or path.is_dir()} - {"__init__"}
    assert not names & taken


def test_compromised_releases_are_not_in_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    for bad in ("guardrails-ai==0.10.1", "litellm==1.82.7", "litellm==1.82.8", "langchain-community=="):
        assert bad not in lock


def test_the_lock_pins_every_direct_dependency_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "requirements.lock").read_text()
    for requirement in project["dependencies"]:
        name = requirement.split(">")[0].split("=")[0].split("[")[0].strip()
        assert name == "torch" or f"\n{name}==" in f"\n{lock}", f"{name} is not in requirements.lock"
    pins = [line for line in lock.splitlines() if "==" in line]
    assert lock.count("--hash=sha256:") >= len(pins) > 200
