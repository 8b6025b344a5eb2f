"""Which commit a name of the prompt hub means here, and what it says: turns read this copy and never the hub.

One JSON file for each name. A hub that is away, or a tag that has been moved, changes nothing until somebody pins anew.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, model_validator

from agents.prompts.errors import NotPinned
from agents.prompts.hub_name import HubName
from agents.prompts.prompt import Prompt, require_usable

Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]


class Pin(BaseModel):
    """A commit of the hub under the name that it is used by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """As in the settings, such as `hub:answer:live`."""
    commit: Commit
    system: str
    user: str
    pinned_at: AwareDatetime

    @model_validator(mode="after")
    def _usable(self) -> Self:
        require_usable(self.prompt)
        return self

    @property
    def prompt(self) -> Prompt:
        """The prompt; its version is the exact commit."""
        version = str(HubName.parse(self.name).at(self.commit))
        return Prompt(version=version, system=self.system, user=self.user)


class Pins:
    """The pins below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[Pin]:
        """Every pin, by name. Raises `NotPinned` for a file that cannot be read."""
        return sorted((_read(path) for path in self._folder.rglob("*.json")), key=lambda pin: pin.name)

    def get(self, name: HubName) -> Pin:
        """What the name means. Raises `NotPinned`."""
        path = self._path(name)
        if not path.exists():
            raise NotPinned(f"{name} is not pinned: run `parley prompts pull {name}`.")
        return _read(path)

    def put(self, pin: Pin) -> None:
        """Let its name mean this commit from the next start on; whole or not at all."""
        path = self._path(HubName.parse(pin.name))
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(pin.model_dump_json(indent=2).encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, path)

    def _path(self, name: HubName) -> Path:
        return self._folder / name.owner / f"{name.name}@{name.reference}.json"


def _read(path: Path) -> Pin:
    try:
        return Pin.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise NotPinned(f"{path} cannot be read; delete it and pull the prompt again.") from error
