"""Routes of agents and skills, whose versions are folders."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from app.ops.langsmith.prompts.prompts import Repo
from app.ops.langsmith.request import Store, read_json
from app.ops.store import OpsStore
from app.ops.store.prompts.directories import FolderFields
from app.ops.store.prompts.models import LATEST, Reference

router = APIRouter()
FolderType = Literal["agent", "skill"]


@router.get("/hub/repos/{owner}/{repo}/directories")
def read_directory(
    repo: Repo,
    store: Store,
    commit: Reference = LATEST,
    repo_type: FolderType | None = None,
) -> dict[str, Any]:
    """The files and links at a version."""
    folder = store.prompts.directories.get(repo, commit, repo_type)
    store.prompts.count(repo)
    return {"commit_id": str(folder.commit.id), "commit_hash": folder.commit.hash, "files": _owned(store, folder.files)}


@router.post("/hub/repos/{owner}/{repo}/directories/commits")
async def commit_directory(repo: Repo, request: Request, store: Store) -> dict[str, Any]:
    """Apply changes to the latest version."""
    fields = await read_json(request, FolderFields)
    commit = await run_in_threadpool(store.prompts.directories.commit, repo, fields)
    return {
        "commit": {
            "id": str(commit.id),
            "commit_hash": commit.hash,
            "created_at": commit.created_at.isoformat(),
        }
    }


@router.delete("/hub/repos/{owner}/{repo}/directories", status_code=204)
def delete_directory(repo: Repo, store: Store, repo_type: FolderType | None = None) -> None:
    """Delete an agent or a skill with its versions."""
    store.prompts.directories.delete(repo, repo_type)


def _owned(store: OpsStore, files: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Links with the owner of what they lead to, which is always this workspace."""
    return {
        path: entry if entry["type"] == "file" else entry | {"owner": store.workspace.name}
        for path, entry in files.items()
    }
