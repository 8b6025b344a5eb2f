"""Opens the ops store as the settings say, for whichever command needs it."""

from __future__ import annotations

from pathlib import Path

from app.ops.store.legacy import take_over
from app.ops.store.workspaces import Workspaces
from app.settings import Settings


def open_workspaces(settings: Settings) -> Workspaces:
    """The ops store, with what an earlier version of Parley left taken over."""
    data_dir = private_folder(settings.data_dir)
    workspaces = Workspaces(data_dir / "ops", database_url=settings.database.url.get_secret_value())
    take_over(data_dir / "ops.db", workspaces.default)
    return workspaces


def private_folder(path: Path) -> Path:
    """Make the data folder, readable by its owner only."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path
