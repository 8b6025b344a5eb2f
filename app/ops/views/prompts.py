"""Which prompt is in use, and what did it say before? Prompts, their versions, and what is live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.ops.store import Conflict, OpsStore
from app.ops.store.prompts.history import DiffLine, Version, compare, history, readable
from app.ops.store.prompts.models import LIVE, Commit, CommitFields, Prompt, PromptQuery, Tag, TagMove
from app.ops.store.prompts.wording import Said, reworded, wording
from app.ops.views.addresses import BASE, prompt_url
from app.ops.views.answers import Form, PageRoute, see
from app.ops.views.lists import Listed, asked, listed, page_number
from app.ops.views.render import page
from app.ops.views.state import OpsState
from app.ops.views.words import Piece, differences

PER_PAGE = 50
VERSIONS = 20
MOVES = 50
MAX_DESCRIPTION = 1000


@dataclass(frozen=True)
class PromptPage:
    """One prompt, with the version that is looked at."""

    prompt: Prompt
    versions: Listed[Version]
    commit: Commit | None
    """The one that is looked at; None where there is none yet."""
    text: str
    said: list[Said]
    """Its messages, for the form that writes another version; none where it is more than text."""
    tags: list[Tag]
    live: Tag | None
    moves: list[TagMove]
    """Of the live tag, newest first."""

    @property
    def before(self) -> TagMove | None:
        """Where a rollback leads back to."""
        return _before(self.moves)


@dataclass(frozen=True)
class Between:
    """What changed from one version to another."""

    old: Commit
    new: Commit
    lines: list[DiffLine]
    words: list[Piece]


def build_prompts(state: OpsState) -> APIRouter:
    """`/prompts`, one prompt, what changed between two versions, and the forms that write one and move what is live."""
    router = APIRouter(prefix=f"{BASE}/prompts", route_class=PageRoute)
    store = state.store

    @router.get("", response_class=HTMLResponse)
    def prompts(request: Request) -> HTMLResponse:
        q, number = asked(request.query_params, "q"), page_number(request.query_params)
        wanted = PromptQuery(search=q or None, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
        found, total = store.prompts.find(wanted)
        shown = listed(found, total, number, PER_PAGE, lambda to: f"{BASE}/prompts" + (f"?page={to}" if to else ""))
        return page("prompts.html", {"list": shown, "q": q})

    @router.get("/{handle}", response_class=HTMLResponse)
    def prompt(handle: str, request: Request) -> HTMLResponse:
        return _prompt_page(state, handle, "latest", request)

    @router.get("/{handle}/compare", response_class=HTMLResponse)
    def between(handle: str, request: Request) -> HTMLResponse:
        old, new = (asked(request.query_params, name) or "latest" for name in ("from", "to"))
        shown = _between(store.prompts.commits.get(handle, old), store.prompts.commits.get(handle, new))
        return page("prompt_diff.html", {"prompt": store.prompts.get(handle), "shown": shown})

    @router.get("/{handle}/live", response_class=HTMLResponse)
    def confirm(handle: str, request: Request) -> HTMLResponse:
        return _confirm_page(store, handle, asked(request.query_params, "commit"))

    @router.post("/{handle}/live")
    def make_live(handle: str, request: Request, form: Form) -> RedirectResponse:
        store.prompts.tags.pin(handle, form.get("commit", ""), by=state.who(request))
        return see(f"{prompt_url(handle)}#live")

    @router.post("/{handle}/versions")
    def add_version(handle: str, request: Request, form: Form) -> RedirectResponse:
        _add_version(store, handle, form, state.who(request))
        return see(prompt_url(handle))

    @router.post("/{handle}/rollback")
    def rollback(handle: str, request: Request, form: Form) -> RedirectResponse:
        before = _before(store.prompts.tags.history(handle))
        if form.get("commit") not in (None, before and before.commit_hash):
            raise Conflict("Somebody else moved what is live meanwhile. Look at the prompt again.")
        store.prompts.tags.rollback(handle, by=state.who(request))
        return see(f"{prompt_url(handle)}#live")

    @router.get("/{handle}/{reference}", response_class=HTMLResponse)
    def version(handle: str, reference: str, request: Request) -> HTMLResponse:
        return _prompt_page(state, handle, reference, request)

    return router


def _prompt_page(state: OpsState, handle: str, reference: str, request: Request) -> HTMLResponse:
    handle = handle.replace("\x00", "\ufffd")
    shown = prompt_page(state.store, handle, reference.replace("\x00", "\ufffd"), page_number(request.query_params))
    return page("prompt.html", {"shown": shown, "prompt": shown.prompt, "now": state.clock()})


def prompt_page(store: OpsStore, handle: str, reference: str, number: int) -> PromptPage:
    """Everything on the page. Raises NotFound."""
    prompt, tags = store.prompts.get(handle), store.prompts.tags.find(handle)
    commit = store.prompts.commits.get(handle, reference) if prompt.num_commits else None
    versions = history(store.prompts, handle, limit=VERSIONS, offset=(number - 1) * VERSIONS)
    return PromptPage(
        prompt=prompt,
        versions=listed(versions, prompt.num_commits, number, VERSIONS, lambda to: prompt_url(handle, page=to)),
        commit=commit,
        text=readable(commit.manifest) if commit else "",
        said=wording(commit.manifest) if commit else [],
        tags=tags,
        live=next((tag for tag in tags if tag.name == LIVE), None),
        moves=store.prompts.tags.history(handle)[:MOVES],
    )


def _add_version(store: OpsStore, handle: str, form: Mapping[str, str], who: str) -> None:
    """A version with the texts of the form, on top of the newest that its writer had seen."""
    written_from = store.prompts.commits.get(handle, form.get("from", ""))
    texts = [form.get(f"text{n}", "").replace("\r\n", "\n") for n in range(len(wording(written_from.manifest)))]
    fields = CommitFields(
        manifest=reworded(written_from.manifest, texts),
        parent_commit=form.get("parent"),
        description=f"{who}: {form.get('description', 'edited')}"[:MAX_DESCRIPTION],
    )
    store.prompts.commits.create(handle, fields)


def _confirm_page(store: OpsStore, handle: str, reference: str) -> HTMLResponse:
    """What would change if this version were live; without a version, if the last move were undone."""
    prompt, tags = store.prompts.get(handle), store.prompts.tags.find(handle)
    live = next((tag for tag in tags if tag.name == LIVE), None)
    before = _before(store.prompts.tags.history(handle))
    wanted = reference or (before.commit_hash if before and before.commit_hash else "")
    new = store.prompts.commits.get(handle, wanted)
    old = store.prompts.commits.get(handle, live.commit_hash) if live else None
    values = {"prompt": prompt, "old": old, "new": new, "rolls_back": not reference}
    return page("prompt_live.html", values | {"changes": compare(old.manifest if old else None, new.manifest)})


def _before(moves: list[TagMove]) -> TagMove | None:
    """The move to the version that was live before the present one."""
    trail: list[TagMove] = []
    for move in reversed(moves):
        if move.kind == "rollback":
            trail = trail[:-1]
        elif move.commit_id and (not trail or trail[-1].commit_id != move.commit_id):
            trail.append(move)
    return trail[-2] if len(trail) > 1 else None


def _between(old: Commit, new: Commit) -> Between:
    texts = (readable(old.manifest), readable(new.manifest))
    return Between(old, new, compare(old.manifest, new.manifest), differences(*texts))
