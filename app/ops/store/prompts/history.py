"""The history of a prompt as people read it: what each version says, and what it changed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from app.ops.store.prompts.models import Commit, Tag
from app.ops.store.prompts.prompts import Prompts

_MAX_LINES = 1000
"""Comparing takes time that grows with the square of the lines; longer texts are shown as removed and added whole."""
_CONTEXT_LINES = 3
SPEAKERS = {
    "SystemMessagePromptTemplate": "system",
    "HumanMessagePromptTemplate": "human",
    "AIMessagePromptTemplate": "ai",
    "SystemMessage": "system",
    "HumanMessage": "human",
    "AIMessage": "ai",
}
"""Who speaks, by LangChain's name of the message's class."""


class DiffLine(BaseModel):
    """One line of a comparison; a "gap" stands for unchanged lines that are left out."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["same", "added", "removed", "gap"]
    text: str


class Version(BaseModel):
    """A version with the tags that point at it and its difference from the one before."""

    model_config = ConfigDict(frozen=True)

    commit: Commit
    tags: list[str]
    text: str
    changes: list[DiffLine]


def history(prompts: Prompts, handle: str, *, limit: int = 50, offset: int = 0) -> list[Version]:
    """Versions of a prompt, newest first. Raises NotFound."""
    commits = prompts.commits.find(handle, limit=limit + 1, offset=offset).commits
    tags = prompts.tags.find(handle)
    before = [*commits[1:], None][: len(commits)]
    return [_version(commit, parent, tags) for commit, parent in zip(commits, before, strict=True)][:limit]


def compare(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[DiffLine]:
    """What changed between the readable texts of two manifests; everything is new where there was none before."""
    old = readable(before).splitlines() if before else []
    return list(_differences(old, readable(after).splitlines()))


def readable(manifest: Mapping[str, Any]) -> str:
    """A LangChain chat prompt as its messages, a text prompt as its text, a folder as its files, others as JSON."""
    if isinstance(files := manifest.get("files"), Mapping):
        return "\n\n".join(f"[{path}]\n{_file(entry)}" for path, entry in sorted(files.items()))
    kwargs = manifest.get("kwargs")
    if not isinstance(kwargs, Mapping):
        return _json(manifest)
    if isinstance(first := kwargs.get("first"), Mapping):
        return f"{readable(first)}\n\n[model]\n{_json(kwargs.get('last'))}"
    if isinstance(messages := kwargs.get("messages"), list):
        return "\n\n".join(_message(message) for message in messages)
    return kwargs["template"] if isinstance(kwargs.get("template"), str) else _json(manifest)


def _version(commit: Commit, parent: Commit | None, tags: list[Tag]) -> Version:
    return Version(
        commit=commit,
        tags=[tag.name for tag in tags if tag.commit_id == commit.id],
        text=readable(commit.manifest),
        changes=compare(parent.manifest if parent else None, commit.manifest),
    )


def _message(message: Any) -> str:
    kwargs = message.get("kwargs") if isinstance(message, Mapping) else None
    if not isinstance(kwargs, Mapping):
        return _json(message)
    names = message.get("id")
    kind = str(names[-1]) if isinstance(names, list) and names else "message"
    prompt = kwargs.get("prompt")
    inner = prompt.get("kwargs") if isinstance(prompt, Mapping) else None
    text = inner.get("template") if isinstance(inner, Mapping) else kwargs.get("content")
    return f"[{SPEAKERS.get(kind, kind)}]\n{text if isinstance(text, str) else _json(kwargs)}"


def _file(entry: Any) -> str:
    content = entry.get("content") if isinstance(entry, Mapping) else None
    return content if isinstance(content, str) else _json(entry)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def _differences(old: list[str], new: list[str]) -> Iterator[DiffLine]:
    if max(len(old), len(new)) > _MAX_LINES:
        yield from (DiffLine(kind="removed", text=line) for line in old)
        yield from (DiffLine(kind="added", text=line) for line in new)
        return
    groups = difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_CONTEXT_LINES)
    for number, group in enumerate(groups):
        if number:
            yield DiffLine(kind="gap", text="")
        for operation, old_from, old_to, new_from, new_to in group:
            if operation == "equal":
                yield from (DiffLine(kind="same", text=line) for line in old[old_from:old_to])
                continue
            yield from (DiffLine(kind="removed", text=line) for line in old[old_from:old_to])
            yield from (DiffLine(kind="added", text=line) for line in new[new_from:new_to])
