"""Routes of prompts: repos, likes, tags, commits.

The owner in a path is "-" or the workspace's own name: other workspaces' prompts are not served.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from app.ops.langsmith.request import API_CALLER, Store, read_json
from app.ops.store import NotFound, OpsStore
from app.ops.store.prompts.models import (
    Commit,
    CommitFields,
    Prompt,
    PromptChange,
    PromptFields,
    PromptQuery,
    Reference,
    RepoType,
    SortField,
    Tag,
    TagName,
)

router = APIRouter()


class _Like(BaseModel):
    like: bool


class _TagFields(BaseModel):
    tag_name: TagName
    commit_id: Reference


class _TagChange(BaseModel):
    commit_id: Reference


def _own_repo(owner: str, repo: str, store: Store) -> str:
    if owner not in ("-", store.workspace.name):
        raise NotFound(f"{owner!r} is another workspace; this store serves its own prompts only. Use - as owner.")
    if "\x00" in repo:
        raise NotFound("There is no prompt of that name.")
    return repo


Repo = Annotated[str, Depends(_own_repo)]
"""The name of a prompt of this workspace, from `{owner}/{repo}` in the path."""
Offset = Annotated[int, Query(ge=0, le=2**31)]


@router.post("/repos")
@router.post("/repos/", include_in_schema=False)
async def create_prompt(request: Request, store: Store) -> dict[str, Any]:
    """Make a prompt, an agent or a skill, without versions."""
    fields = await read_json(request, PromptFields)
    return {"repo": _repo(store, await run_in_threadpool(store.prompts.create, fields))}


@router.get("/repos")
@router.get("/repos/", include_in_schema=False)
def list_prompts(
    store: Store,
    query: str | None = None,
    tags: Annotated[list[str] | None, Query()] = None,
    repo_type: RepoType | None = None,
    repo_types: Annotated[list[RepoType] | None, Query()] = None,
    is_public: bool | None = None,
    is_archived: Literal["true", "allow", "false"] = "false",
    has_commits: bool | None = None,
    sort_field: SortField = "updated_at",
    sort_direction: Literal["asc", "desc"] = "desc",
    with_latest_manifest: bool = False,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Offset = 0,
) -> dict[str, Any]:
    """Prompts, agents and skills."""
    wanted = PromptQuery(
        search=query,
        labels=tags,
        repo_types=[repo_type] if repo_type else repo_types,
        is_public=is_public,
        is_archived={"true": True, "allow": None, "false": False}[is_archived],
        has_commits=has_commits,
        sort_field=sort_field,
        descending=sort_direction == "desc",
        with_latest_manifest=with_latest_manifest,
        limit=limit,
        offset=offset,
    )
    found, total = store.prompts.find(wanted)
    return {"repos": [_repo(store, prompt) for prompt in found], "total": total}


@router.get("/repos/{owner}/{repo}")
def read_prompt(repo: Repo, store: Store) -> dict[str, Any]:
    """One prompt."""
    return {"repo": _repo(store, store.prompts.get(repo))}


@router.patch("/repos/{owner}/{repo}")
async def update_prompt(repo: Repo, request: Request, store: Store) -> dict[str, Any]:
    """Change what is said about a prompt; its versions never change."""
    change = await read_json(request, PromptChange)
    return {"repo": _repo(store, await run_in_threadpool(store.prompts.change, repo, change))}


@router.delete("/repos/{owner}/{repo}")
def delete_prompt(repo: Repo, store: Store) -> dict[str, str]:
    """Delete a prompt with its versions."""
    store.prompts.delete(repo)
    return {"message": "deleted"}


@router.post("/likes/{owner}/{repo}")
async def like_prompt(repo: Repo, request: Request, store: Store) -> dict[str, int]:
    """Like a prompt, or no longer."""
    like = (await read_json(request, _Like)).like
    return {"likes": int((await run_in_threadpool(store.prompts.like, repo, like)).liked)}


@router.get("/repos/{owner}/{repo}/tags")
def list_tags(repo: Repo, store: Store) -> list[dict[str, Any]]:
    """The tags of a prompt, each with the version that it points at."""
    return [_tag(tag) for tag in store.prompts.tags.find(repo)]


@router.post("/repos/{owner}/{repo}/tags")
async def create_tag(repo: Repo, request: Request, store: Store) -> dict[str, Any]:
    """Let a tag point at a version; one that exists is moved."""
    fields = await read_json(request, _TagFields)
    return _tag(await run_in_threadpool(_pin, store, repo, fields.tag_name, fields.commit_id))


@router.get("/repos/{owner}/{repo}/tags/{tag}")
def read_tag(repo: Repo, tag: Reference, store: Store) -> dict[str, Any]:
    """One tag."""
    return _tag(store.prompts.tags.get(repo, tag))


@router.patch("/repos/{owner}/{repo}/tags/{tag}")
async def move_tag(repo: Repo, tag: Reference, request: Request, store: Store) -> dict[str, Any]:
    """Let a tag that exists point at another version."""
    change = await read_json(request, _TagChange)
    await run_in_threadpool(store.prompts.tags.get, repo, tag)
    return _tag(await run_in_threadpool(_pin, store, repo, tag, change.commit_id))


@router.delete("/repos/{owner}/{repo}/tags/{tag}")
def delete_tag(repo: Repo, tag: Reference, store: Store) -> dict[str, str]:
    """Delete a tag."""
    store.prompts.tags.remove(repo, tag, by=API_CALLER)
    return {"message": "deleted"}


@router.post("/commits/{owner}/{repo}")
@router.post("/commits/{owner}/{repo}/", include_in_schema=False)
async def create_commit(repo: Repo, request: Request, store: Store) -> dict[str, Any]:
    """Add a version after the latest."""
    fields = await read_json(request, CommitFields)
    return {"commit": _listed_commit(await run_in_threadpool(store.prompts.commits.create, repo, fields))}


@router.get("/commits/{owner}/{repo}")
@router.get("/commits/{owner}/{repo}/", include_in_schema=False)
def list_commits(
    repo: Repo,
    store: Store,
    tag: Annotated[str | None, Query(pattern=r"^[^\x00]+$")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Offset = 0,
) -> dict[str, Any]:
    """Versions, newest first."""
    page = store.prompts.commits.find(repo, tag=tag, limit=limit, offset=offset)
    return {"commits": [_listed_commit(commit) for commit in page.commits], "total": page.total}


@router.get("/commits/{owner}/{repo}/{reference}")
def read_commit(
    repo: Repo,
    reference: Reference,
    store: Store,
    include: str = "",
    include_model: bool = False,
    is_view: bool = False,
) -> dict[str, Any]:
    """The version that a hash, a tag or "latest" stands for; the model that it was pushed with only on request."""
    commit = store.prompts.commits.get(repo, reference)
    store.prompts.count(repo, view=is_view)
    prompt, model = _split(commit.manifest)
    answer: dict[str, Any] = {
        "commit_hash": commit.hash,
        "description": commit.description,
        "examples": [],
        "is_draft": False,
    }
    if include_model or "model" in include.split(","):
        return answer | {"manifest": commit.manifest} | _model(model)
    return answer | {"manifest": prompt}


def _pin(store: OpsStore, repo: str, tag: str, reference: str) -> Tag:
    return store.prompts.tags.pin(repo, reference, by=API_CALLER, name=tag)


def _split(manifest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The prompt in a manifest, and the model where the two were pushed as a sequence."""
    names, kwargs = manifest.get("id"), manifest.get("kwargs")
    is_sequence = isinstance(names, list) and names[-1:] == ["RunnableSequence"] and isinstance(kwargs, dict)
    if not is_sequence or not isinstance(kwargs, dict) or not isinstance(kwargs.get("first"), dict):
        return manifest, None
    last = kwargs.get("last")
    return kwargs["first"], last if isinstance(last, dict) else None


def _model(model: dict[str, Any] | None) -> dict[str, Any]:
    names = model.get("id") if model else None
    if model is None or not isinstance(names, list) or not names:
        return {}
    return {"model_provider": str(names[-1]), "model_config": model.get("kwargs")}


def _repo(store: OpsStore, prompt: Prompt) -> dict[str, Any]:
    owner = store.workspace.name
    fields = prompt.model_dump(mode="json", exclude={"handle", "labels", "liked", "latest_manifest"})
    manifest: dict[str, Any] | None = None
    if prompt.latest_manifest is not None:
        manifest = {"commit_hash": prompt.last_commit_hash, "manifest": prompt.latest_manifest, "examples": []}
    return fields | {
        "repo_handle": prompt.handle,
        "tags": prompt.labels,
        "tenant_id": str(store.workspace.id),
        "owner": owner,
        "full_name": f"{owner}/{prompt.handle}",
        "num_likes": int(prompt.liked),
        "liked_by_auth_user": prompt.liked,
        "latest_commit_manifest": manifest,
        "source": "internal",
    }


def _tag(tag: Tag) -> dict[str, Any]:
    fields = tag.model_dump(mode="json", exclude={"name", "prompt_id"})
    return fields | {"tag_name": tag.name, "repo_id": str(tag.prompt_id)}


def _listed_commit(commit: Commit) -> dict[str, Any]:
    fields = commit.model_dump(mode="json", exclude={"hash", "parent_hash", "prompt_id", "number"})
    return fields | {
        "commit_hash": commit.hash,
        "parent_commit_hash": commit.parent_hash,
        "repo_id": str(commit.prompt_id),
        "updated_at": commit.created_at.isoformat(),
        "example_run_ids": [],
    }
