"""Prompts by name: the files of this folder, and what has been pinned of the prompt hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from agents.prompts.errors import UnknownPrompt
from agents.prompts.prompt import SEPARATOR, Prompt

FOLDER = Path(__file__).parent
_NOTHING_PINNED: Mapping[str, Prompt] = MappingProxyType({})

LoadPrompt = Callable[[str], Prompt]
"""From a prompt's name, as settings write it, to the prompt. Raises `UnknownPrompt`."""


def known_prompts() -> list[str]:
    """The names of all prompt files."""
    return sorted(path.stem for path in FOLDER.glob("*@*.md"))


def load_prompt(name: str, pinned: Mapping[str, Prompt] = _NOTHING_PINNED) -> Prompt:
    """What is pinned under the name, or else the file `NAME@VERSION`; raises `UnknownPrompt`, naming the known ones."""
    if name in pinned:
        return pinned[name]
    if name not in known_prompts():
        raise UnknownPrompt(f"There is no prompt {name!r}; there are: {', '.join([*known_prompts(), *pinned])}.")
    system, _, user = (FOLDER / f"{name}.md").read_text(encoding="utf-8").partition(SEPARATOR)
    return Prompt(version=name, system=system.strip(), user=user.strip())
