"""The words of a prompt apart from its form: what people edit, while all else in the version stays as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from app.ops.store.errors import InvalidRecord
from app.ops.store.prompts.history import SPEAKERS
from app.ops.store.tables.base import json_text


@dataclass(frozen=True)
class Said:
    """One message of a prompt that is plain text, and where its text lies."""

    speaker: str
    """Empty for a prompt that is one text."""
    place: dict[str, Any]
    key: str

    @property
    def text(self) -> str:
        """What it says."""
        text: str = self.place[self.key]
        return text


def wording(manifest: Mapping[str, Any]) -> list[Said]:
    """The texts of a prompt, in order; none where a part of it is more than text."""
    chat = _chat(manifest)
    messages = chat.get("messages")
    if not isinstance(messages, list):
        return [Said("", chat, "template")] if isinstance(chat.get("template"), str) else []
    said = [_said(message) for message in messages]
    return [each for each in said if each] if all(said) else []


def reworded(manifest: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """The manifest with these texts in place of its own. Raises InvalidRecord."""
    changed: dict[str, Any] = from_json(json_text(manifest))
    places = wording(changed)
    if len(places) != len(texts) or not all(texts):
        raise InvalidRecord("Write something into each message; then save the version.")
    for said, text in zip(places, texts, strict=True):
        said.place[said.key] = text
        said.place.pop("input_variables", None)  # they follow from the text
    _chat(changed).pop("input_variables", None)
    return changed


def _said(message: Any) -> Said | None:
    kwargs = _kwargs(message)
    names = message.get("id") if isinstance(message, Mapping) else None
    kind = str(names[-1]) if isinstance(names, list) and names else ""
    for place, key in ((_kwargs(kwargs.get("prompt")), "template"), (kwargs, "content")):
        if kind in SPEAKERS and isinstance(place.get(key), str):
            return Said(SPEAKERS[kind], place, key)
    return None


def _chat(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the prompt itself is built with, apart from a model that may follow it."""
    kwargs = _kwargs(manifest)
    return _kwargs(kwargs["first"]) if "first" in kwargs else kwargs


def _kwargs(node: Any) -> dict[str, Any]:
    kwargs = node.get("kwargs") if isinstance(node, Mapping) else None
    return kwargs if isinstance(kwargs, dict) else {}
