"""The prompt hub: that of the ops store in this deployment, or of the LangSmith that its traces go to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from langsmith import Client
from langsmith.utils import (
    LangSmithAuthError,
    LangSmithConnectionError,
    LangSmithError,
    LangSmithNotFoundError,
    LangSmithRequestTimeout,
)
from pydantic import BaseModel, ConfigDict
from requests import RequestException

from agents.prompts import PromptError
from agents.prompts.hub_name import HubName, is_prompt_name
from agents.prompts.pins import Commit
from app.ops.store import NotFound, OpsStore, StoreError
from app.ops.store.prompts.models import CommitFields, PromptFields, PromptQuery
from app.ops_store import open_workspaces
from app.settings import Settings

_LISTED = 20
_SHOWN = 300
_TIMEOUT_MS = (3_000, 30_000)
"""To connect, and to wait for an answer."""


class HubError(PromptError):
    """The hub cannot be reached, or does not take or have what was asked for."""


class HubCommit(BaseModel):
    """One version in the hub: LangChain's serialized form, as anybody may have written it."""

    model_config = ConfigDict(frozen=True)

    hash: Commit
    manifest: dict[str, Any]


class Hub(Protocol):
    """What is asked of a prompt hub. Everything raises `HubError`."""

    def commit(self, name: HubName) -> HubCommit:
        """The version that the name means now."""

    def names(self) -> list[str]:
        """The prompts of its own that have a version, the newest first; twenty at most."""

    def push(self, name: str, manifest: dict[str, Any], description: str) -> HubCommit:
        """Add a version, and the prompt itself where it is new."""


def open_hub(settings: Settings) -> AbstractContextManager[Hub]:
    """The hub of the deployment; the embedded one needs no server."""
    return _langsmith(settings) if settings.tracing.endpoint else _embedded(settings)


@contextmanager
def _embedded(settings: Settings) -> Iterator[Hub]:
    with _store_errors("the prompt hub"):
        workspaces = open_workspaces(settings)
    try:
        yield StoreHub(workspaces.default)
    finally:
        workspaces.close()


@contextmanager
def _langsmith(settings: Settings) -> Iterator[Hub]:
    client = Client(
        api_url=settings.tracing.endpoint.rstrip("/"),
        api_key=settings.tracing.api_key.get_secret_value(),
        timeout_ms=_TIMEOUT_MS,
        auto_batch_tracing=False,
        disable_prompt_cache=True,
    )
    try:
        yield LangSmithHub(client)
    finally:
        client.close()


class StoreHub:
    """The hub of an ops store that is opened in this process."""

    def __init__(self, store: OpsStore) -> None:
        self._store = store

    def commit(self, name: HubName) -> HubCommit:
        if name.owner not in ("", self._store.workspace.name):
            raise HubError(f"{name.repo}: this hub holds the prompts of {self._store.workspace.name} only.")
        with _store_errors(name.repo):
            found = self._store.prompts.commits.get(name.name, name.reference)
        return HubCommit(hash=found.hash, manifest=found.manifest)

    def names(self) -> list[str]:
        wanted = PromptQuery(repo_types=["prompt"], has_commits=True, is_archived=False, limit=_LISTED)
        return [prompt.handle for prompt in self._store.prompts.find(wanted)[0]]

    def push(self, name: str, manifest: dict[str, Any], description: str) -> HubCommit:
        with _store_errors(name):
            self._make(name)
            fields = CommitFields(manifest=manifest, description=description)
            made = self._store.prompts.commits.create(name, fields)
        return HubCommit(hash=made.hash, manifest=made.manifest)

    def _make(self, name: str) -> None:
        try:
            self._store.prompts.get(name)
        except NotFound:
            self._store.prompts.create(PromptFields(repo_handle=name))


class LangSmithHub:
    """The hub behind a LangSmith client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def commit(self, name: HubName) -> HubCommit:
        with _client_errors(name.repo):
            # Nothing of it is brought to life, so a stranger's prompt is as harmless as one's own.
            found = self._client.pull_prompt_commit(
                name.identifier,
                include_model=True,
                skip_cache=True,
                dangerously_pull_public_prompt=True,
            )
            return HubCommit(hash=found.commit_hash, manifest=found.manifest)

    def names(self) -> list[str]:
        with _client_errors("its prompts"):
            listed = self._client.list_prompts(limit=_LISTED).repos
        names = (prompt.repo_handle for prompt in listed if prompt.last_commit_hash)
        return [name for name in names if is_prompt_name(name)]

    def push(self, name: str, manifest: dict[str, Any], description: str) -> HubCommit:
        with _client_errors(name):
            url = self._client.push_prompt(name, object=manifest, commit_description=description)
        pushed = url.partition("?")[0].rpartition("/")[2]
        return self.commit(HubName("", name, pushed))


@contextmanager
def _store_errors(what: str) -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise HubError(f"{what}: {error}") from error


@contextmanager
def _client_errors(what: str) -> Iterator[None]:
    try:
        yield
    except LangSmithNotFoundError as error:
        raise HubError(f"{what} is not in the hub, or this key may not read it.") from error
    except (LangSmithConnectionError, LangSmithRequestTimeout, RequestException) as error:
        raise HubError("The prompt hub cannot be reached: look at tracing.endpoint, or try again later.") from error
    except LangSmithAuthError as error:
        raise HubError("The prompt hub does not accept the key: look at tracing.api_key.") from error
    except (LangSmithError, ValueError) as error:
        raise HubError(f"{what}: the prompt hub refuses it: {str(error)[:_SHOWN]!r}") from error
