"""All prompts side by side: the files, what is pinned, what the hub has, and who answers with which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from agents.prompts import Prompt, PromptError, known_prompts, load_prompt
from agents.prompts.hub_name import LATEST, HubName, is_hub_name
from agents.prompts.manifest import to_manifest
from agents.prompts.pins import Pin
from app.prompts.desk import PromptDesk, read_commit
from app.prompts.hub import Hub, HubCommit, HubError

SHORT = 8
"""Characters of a hash that people are shown."""
Uses = Mapping[str, Sequence[str]]


class PromptRow(BaseModel):
    """One prompt, under one of its names."""

    model_config = ConfigDict(frozen=True)

    name: str
    commit: str = ""
    used_by: list[str] = []
    state: str = ""
    """Whether the hub, the pins and the files say the same, in words."""


class Overview(BaseModel):
    """The rows, and why the hub has none, where it could not be asked."""

    model_config = ConfigDict(frozen=True)

    rows: list[PromptRow]
    problem: str = ""


def overview(desk: PromptDesk) -> Overview:
    """Files first, then the names that are pinned or used, then the newest versions in the hub."""
    uses = {_canonical(name): by for name, by in desk.settings.prompt_uses.items()}
    pins = {pin.name: pin for pin in desk.pins()}
    files = [PromptRow(name=name, used_by=list(uses.get(name, ()))) for name in known_prompts()]
    named = sorted({*pins, *filter(is_hub_name, uses)})
    try:
        with desk.open_hub(desk.settings) as hub:
            newest = list(_newest(hub, known_names=named))
            of_hub = [_named(name, uses, pins.get(name), hub) for name in named]
    except HubError as error:
        away = [_named(name, uses, pins.get(name), None) for name in named]
        return Overview(rows=[*files, *away], problem=str(error))
    return Overview(rows=[*files, *of_hub, *newest])


def _canonical(name: str) -> str:
    return str(HubName.parse(name)) if is_hub_name(name) else name


def _named(name: str, uses: Uses, pin: Pin | None, hub: Hub | None) -> PromptRow:
    """A name of the hub that means something here, or should."""
    if pin is None:
        return PromptRow(name=name, used_by=list(uses[name]), state=f"not pinned: `parley prompts pull {name}`")
    state = f"{_drift(pin, hub) if hub else 'pinned'}, {_like_a_file(pin.prompt)}"
    return PromptRow(name=name, commit=pin.commit, used_by=list(uses.get(name, ())), state=state)


def _drift(pin: Pin, hub: Hub) -> str:
    try:
        now = hub.commit(HubName.parse(pin.name)).hash
    except HubError:
        return "pinned; the hub has it no more"
    return "pinned, in step with the hub" if now == pin.commit else f"pinned; the hub means {now[:SHORT]} by now"


def _newest(hub: Hub, known_names: Sequence[str]) -> Iterator[PromptRow]:
    for repo in hub.names():
        name = HubName("", repo, LATEST)
        if str(name) not in known_names:
            commit = hub.commit(name)
            yield PromptRow(name=str(name), commit=commit.hash, state=_content(name, commit))


def _content(name: HubName, commit: HubCommit) -> str:
    try:
        return _like_a_file(read_commit(name, commit).prompt)
    except PromptError as error:
        return str(error)


def _like_a_file(prompt: Prompt) -> str:
    same = [file for file in known_prompts() if to_manifest(load_prompt(file)) == to_manifest(prompt)]
    return f"as {' and '.join(same)}" if same else "in no file"
