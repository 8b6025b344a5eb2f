"""Prompts through the unmodified client: versions, tags, folders; and what nobody should send."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_openai import ChatOpenAI
from langsmith import Client
from langsmith._client import Langsmith
from langsmith.schemas import AgentEntry, FileEntry, PromptSortField, SkillEntry
from langsmith.utils import LangSmithConflictError, LangSmithError, LangSmithNotFoundError

from app.ops.store import Conflict, NotFound, OpsStore
from app.ops.store.prompts.history import compare, history, readable
from app.ops.store.prompts.models import CommitFields, PromptFields

KEY = {"x-api-key": "a-key-for-tests"}


@pytest.fixture
def http(langsmith_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=langsmith_url, headers=KEY, timeout=30) as opened:
        yield opened


@pytest.fixture
def typed(langsmith_url: str) -> Iterator[Langsmith]:
    """The SDK's generated client, which checks every answer against its schema."""
    with Langsmith(base_url=langsmith_url, api_key=KEY["x-api-key"], _strict_response_validation=True) as opened:
        yield opened


def a_prompt(system: str = "You answer in one sentence.") -> ChatPromptTemplate:
    return ChatPromptTemplate([("system", system), ("human", "{question}")])


def pushed_hash(url: str) -> str:
    """The first characters of the version's hash, as the address that the client prints has them."""
    return url.split("?")[0].rsplit("/", 1)[1]


def test_a_langchain_prompt_comes_back_as_it_was_pushed(client: Client) -> None:
    url = client.push_prompt("greeter", object=a_prompt(), description="Greets", tags=["chat"])
    pulled = client.pull_prompt("greeter")
    assert pulled.messages == a_prompt().messages
    assert pulled.metadata["lc_hub_commit_hash"].startswith(pushed_hash(url))
    assert pulled.invoke({"question": "Why?"}).to_messages()[1].content == "Why?"
    found = client.get_prompt("greeter")
    assert found is not None
    assert (found.description, found.tags, found.num_commits) == ("Greets", ["chat"], 1)
    assert found.full_name == "default/greeter"


def test_every_way_to_name_a_version_finds_it(client: Client) -> None:
    first = pushed_hash(client.push_prompt("greeter", object=a_prompt("one"), commit_tags=["v1", "live"]))
    second = pushed_hash(client.push_prompt("greeter", object=a_prompt("two"), commit_tags="v2"))
    whole = client.pull_prompt_commit(f"greeter:{first}").commit_hash
    assert len(whole) == 64
    for name, wanted in [
        ("greeter", second),
        ("greeter:latest", second),
        (f"greeter:{second}", second),
        (f"greeter:{whole}", first),
        ("greeter:v1", first),
        ("greeter:live", first),
        ("-/greeter:v2", second),
    ]:
        assert client.pull_prompt_commit(name, skip_cache=True).commit_hash.startswith(wanted), name
    with pytest.raises(LangSmithNotFoundError):
        client.pull_prompt_commit(f"greeter:{first[:7]}", skip_cache=True)
    with pytest.raises(LangSmithNotFoundError):
        client.pull_prompt_commit("greeter:nobody", skip_cache=True)


def test_a_prompt_named_by_its_workspace_is_the_same(client: Client) -> None:
    client.push_prompt("greeter", object=a_prompt())
    commit = client.pull_prompt_commit("default/greeter", dangerously_pull_public_prompt=True)
    assert commit.owner == "default"
    with pytest.raises(LangSmithNotFoundError, match="another workspace"):
        client.pull_prompt_commit("somebody/greeter", dangerously_pull_public_prompt=True)


def test_the_model_of_a_prompt_is_given_only_on_request(client: Client) -> None:
    client.push_prompt("greeter", object=a_prompt() | ChatOpenAI(model="small", api_key="not-a-key"))
    alone = client.pull_prompt_commit("greeter")
    assert alone.manifest["id"][-1] == "ChatPromptTemplate"
    both = client.pull_prompt_commit("greeter", include_model=True)
    assert both.manifest["id"][-1] == "RunnableSequence"
    assert both.hub_model_provider == "ChatOpenAI"
    assert both.hub_model_config is not None
    assert both.hub_model_config["model_name"] == "small"
    assert client.pull_prompt("greeter").messages == a_prompt().messages


def test_a_push_that_changes_nothing_is_a_conflict(client: Client) -> None:
    client.push_prompt("greeter", object=a_prompt())
    with pytest.raises(LangSmithConflictError, match="Nothing has changed"):
        client.push_prompt("greeter", object=a_prompt())
    client.push_prompt("greeter", object=a_prompt("other"))
    client.push_prompt("greeter", object=a_prompt())  # back to the first wording is a change again
    assert len(list(client.list_prompt_commits("greeter"))) == 3


def test_a_commit_on_a_stale_parent_is_a_conflict(client: Client) -> None:
    first = pushed_hash(client.push_prompt("greeter", object=a_prompt("one")))
    second = pushed_hash(client.create_commit("greeter", a_prompt("two"), parent_commit_hash=first))
    with pytest.raises(LangSmithConflictError, match=second):
        client.create_commit("greeter", a_prompt("three"), parent_commit_hash=first)
    with pytest.raises(LangSmithConflictError, match="not the latest"):
        client.create_commit("greeter", a_prompt("three"), parent_commit_hash="f" * 64)
    assert len(list(client.list_prompt_commits("greeter"))) == 2


def test_commits_are_listed_newest_first_over_many_pages(client: Client, store: OpsStore) -> None:
    store.prompts.create(PromptFields(repo_handle="many"))
    for number in range(105):
        store.prompts.commits.create("many", CommitFields(manifest={"number": number}, description=f"no {number}"))
    listed = list(client.list_prompt_commits("many"))
    assert [commit.description for commit in listed] == [f"no {number}" for number in reversed(range(105))]
    assert listed[0].parent_commit_hash == listed[1].commit_hash
    assert listed[-1].parent_commit_hash is None
    assert len(list(client.list_prompt_commits("many", limit=7))) == 7


def test_prompts_are_found_sorted_and_paged(client: Client, typed: Langsmith) -> None:
    client.create_prompt("alpha", description="Writes poems", is_public=True)
    client.create_prompt("beta", tags=["legal"])
    client.push_prompt("gamma", object=a_prompt())
    client.update_prompt("beta", is_archived=True)
    client.like_prompt("alpha")

    def names(**wanted: Any) -> list[str]:
        return [prompt.repo_handle for prompt in client.list_prompts(**wanted).repos]

    assert names(sort_field=PromptSortField.num_likes) == ["alpha", "gamma"]
    assert names(query="POEM") == ["alpha"]
    assert names(query="100%") == []
    assert names(is_archived=True) == ["beta"]
    assert names(is_public=True) == ["alpha"]
    assert names(is_public=False) == ["gamma"]
    assert names(limit=1, offset=1, sort_direction="asc") == ["gamma"]
    assert client.list_prompts(limit=1).total == 2
    assert [found.repo_handle for found in typed.repos.list(is_archived="allow", tags=["legal"])] == ["beta"]
    (with_manifest,) = typed.repos.list(has_commits=True, with_latest_manifest=True)
    assert with_manifest.latest_commit_manifest is not None
    assert "messages" in with_manifest.latest_commit_manifest.manifest["kwargs"]


def test_a_like_counts_once_and_can_be_taken_back(client: Client) -> None:
    client.create_prompt("alpha")
    assert client.like_prompt("alpha") == {"likes": 1}
    assert client.like_prompt("alpha") == {"likes": 1}
    found = client.get_prompt("alpha")
    assert found is not None
    assert found.liked_by_auth_user
    assert client.unlike_prompt("alpha") == {"likes": 0}


def test_a_pull_is_counted(client: Client) -> None:
    client.push_prompt("alpha", object=a_prompt())
    client.pull_prompt("alpha", skip_cache=True)
    client.pull_prompt("alpha", skip_cache=True)
    found = client.get_prompt("alpha")
    assert found is not None
    assert found.num_downloads == 2


def test_a_deleted_prompt_is_gone_with_its_versions(client: Client) -> None:
    client.push_prompt("alpha", object=a_prompt(), commit_tags="live")
    assert client._prompt_exists("alpha")
    client.delete_prompt("alpha")
    assert not client._prompt_exists("alpha")
    with pytest.raises(LangSmithNotFoundError):
        client.pull_prompt_commit("alpha", skip_cache=True)
    client.push_prompt("alpha", object=a_prompt())
    assert len(list(client.list_prompt_commits("alpha"))) == 1


def test_a_name_can_be_taken_once(client: Client) -> None:
    client.create_prompt("alpha")
    with pytest.raises(LangSmithConflictError, match="alpha"):
        client.create_prompt("alpha")
    with pytest.raises(LangSmithError, match="repo_handle"):
        client.create_prompt("Not A Name")


def test_tags_are_made_moved_listed_and_deleted(http: httpx.Client, client: Client, typed: Langsmith) -> None:
    first = pushed_hash(client.push_prompt("alpha", object=a_prompt("one"), commit_tags="production"))
    second = pushed_hash(client.push_prompt("alpha", object=a_prompt("two"), commit_tags="production"))
    (tag,) = http.get("/repos/-/alpha/tags").json()
    assert (tag["tag_name"], tag["commit_hash"][:8]) == ("production", second)
    moved = http.patch("/repos/-/alpha/tags/production", json={"commit_id": first}).json()
    assert moved["commit_hash"].startswith(first)
    assert http.get("/repos/-/alpha/tags/production").json() == moved
    assert [one.commit_hash for one in typed.commits.list("alpha", owner="-", tag="production")] == [
        moved["commit_hash"]
    ]
    assert http.patch("/repos/-/alpha/tags/missing", json={"commit_id": first}).status_code == 404
    assert http.delete("/repos/-/alpha/tags/production").status_code == 200
    assert http.get("/repos/-/alpha/tags").json() == []


def test_the_live_tag_is_pinned_and_rolled_back_step_by_step(store: OpsStore) -> None:
    store.prompts.create(PromptFields(repo_handle="alpha"))
    commits = [
        store.prompts.commits.create("alpha", CommitFields(manifest={"text": text})) for text in ("one", "two", "three")
    ]
    for commit in commits:
        store.prompts.tags.pin("alpha", commit.hash, by="ada")
    assert store.prompts.tags.rollback("alpha", by="bob").commit_hash == commits[1].hash
    assert store.prompts.tags.rollback("alpha", by="bob").commit_hash == commits[0].hash
    with pytest.raises(Conflict, match="no other version"):
        store.prompts.tags.rollback("alpha", by="bob")
    assert store.prompts.tags.pin("alpha", commits[2].hash, by="ada").commit_hash == commits[2].hash
    assert store.prompts.tags.rollback("alpha", by="bob").commit_hash == commits[0].hash
    moves = [(move.kind, move.moved_by, move.commit_hash) for move in store.prompts.tags.history("alpha")]
    assert moves[:2] == [("rollback", "bob", commits[0].hash), ("pin", "ada", commits[2].hash)]
    assert len(moves) == 7
    with pytest.raises(NotFound):
        store.prompts.tags.rollback("alpha", by="bob", name="unknown")


def test_the_history_says_what_each_version_changed(client: Client, store: OpsStore) -> None:
    client.push_prompt("alpha", object=a_prompt("Be brief.\nBe kind."), commit_tags="live")
    client.push_prompt("alpha", object=a_prompt("Be brief.\nBe exact."))
    newest, oldest = history(store.prompts, "alpha")
    assert [(line.kind, line.text) for line in newest.changes if line.kind != "same"] == [
        ("removed", "Be kind."),
        ("added", "Be exact."),
    ]
    assert newest.text == "[system]\nBe brief.\nBe exact.\n\n[human]\n{question}"
    assert {line.kind for line in oldest.changes} == {"added"}
    assert (newest.tags, oldest.tags) == ([], ["live"])
    assert [version.commit for version in history(store.prompts, "alpha", limit=1, offset=1)] == [oldest.commit]


def test_every_kind_of_manifest_reads_as_text(client: Client) -> None:
    client.push_prompt("text", object=PromptTemplate.from_template("Tell {story}"))
    client.push_prompt("model", object=a_prompt() | ChatOpenAI(model="small", api_key="not-a-key"))
    assert readable(client.pull_prompt_commit("text").manifest) == "Tell {story}"
    assert '"model_name": "small"' in readable(client.pull_prompt_commit("model", include_model=True).manifest)
    assert readable({"files": {"a.md": {"type": "file", "content": "Hello"}}}) == "[a.md]\nHello"
    for odd in ({}, {"kwargs": {"messages": [1, {"kwargs": {"content": 2}, "id": 3}]}}, {"kwargs": {"template": 5}}):
        assert isinstance(readable(odd), str)
    long = {"kwargs": {"template": "\n".join(map(str, range(5000)))}}
    assert len(compare(long, {"kwargs": {"template": "short"}})) == 5001


def test_the_typed_client_reads_and_writes_versions(typed: Langsmith) -> None:
    typed.repos.create(repo_handle="alpha", is_public=False, repo_type="prompt")
    first = typed.commits.create("alpha", owner="-", manifest={"text": "one"}, description="first").commit
    assert first is not None
    assert first.commit_hash is not None
    second = typed.commits.create("alpha", owner="-", manifest={"text": "two"}, parent_commit=first.commit_hash[:8])
    assert second.commit is not None
    assert second.commit.parent_id == first.id
    assert typed.commits.retrieve("latest", owner="-", repo="alpha").manifest == {"text": "two"}
    assert typed.commits.retrieve(first.commit_hash, owner="-", repo="alpha").description == "first"
    assert [one.id for one in typed.commits.list("alpha", owner="-")] == [second.commit.id, first.id]
    assert typed.repos.update("alpha", owner="-", readme="Read me").repo.readme == "Read me"
    typed.repos.create(repo_handle="tool", is_public=False, repo_type="skill")
    files: Any = {"SKILL.md": {"type": "file", "content": "How"}}
    made = typed.repos.directories.commit("tool", owner="-", files=files).commit
    assert made is not None
    read = typed.repos.directories.list("tool", owner="-")
    assert (read.commit_hash, read.files["SKILL.md"].type) == (made.commit_hash, "file")
    typed.repos.directories.delete("tool", owner="-")
    typed.repos.delete("alpha", owner="-")
    assert list(typed.repos.list()) == []


def test_agents_and_skills_are_folders_with_links(client: Client) -> None:
    client.push_skill("search", files={"SKILL.md": FileEntry(content="How to search")})
    url = client.push_agent(
        "helper",
        files={"AGENTS.md": FileEntry(content="v1"), "docs/a.md": FileEntry(content="a")},
        description="Helps",
    )
    client.push_agent(
        "helper",
        files={"AGENTS.md": FileEntry(content="v2"), "docs/a.md": None, "tools/search": _a_link("skill", "search")},
    )
    now = client.pull_agent("helper")
    assert now.files["AGENTS.md"].content == "v2"
    assert set(now.files) == {"AGENTS.md", "tools/search"}
    link = now.files["tools/search"]
    assert (link.repo_handle, link.owner, link.commit_hash) == (
        "search",
        "default",
        client.pull_skill("search").commit_hash,
    )
    assert client.pull_agent("helper", version=pushed_hash(url)).files["docs/a.md"].content == "a"
    assert client.agent_exists("helper")
    assert [repo.repo_handle for repo in client.list_agents().repos] == ["helper"]
    assert [repo.repo_handle for repo in client.list_skills().repos] == ["search"]
    client.delete_skill("search")
    assert not client.skill_exists("search")
    assert client.pull_agent("helper").files["tools/search"].commit_hash == ""


def _a_link(kind: str, handle: str) -> Any:
    return {"skill": SkillEntry, "agent": AgentEntry}[kind](repo_handle=handle)


def test_folders_refuse_stale_parents_dead_links_and_paths_that_lead_out(client: Client) -> None:
    first = pushed_hash(client.push_agent("helper", files={"a.md": FileEntry(content="1")}))
    client.push_agent("helper", files={"a.md": FileEntry(content="2")}, parent_commit=first)
    with pytest.raises(LangSmithConflictError, match="not the latest"):
        client.push_agent("helper", files={"a.md": FileEntry(content="3")}, parent_commit=first)
    with pytest.raises(LangSmithConflictError, match="Nothing"):
        client.push_agent("helper", files={"a.md": FileEntry(content="2")})
    with pytest.raises(LangSmithError, match="nowhere"):
        client.push_agent("helper", files={"b": _a_link("skill", "missing")})
    for path in ("../up.md", "/etc/passwd", "a//b", "", "a\\b", "x/../y"):
        with pytest.raises(LangSmithError, match="path inside"):
            client.push_agent("helper", files={path: FileEntry(content="3")})
    client.push_prompt("plain", object=a_prompt())
    with pytest.raises(LangSmithNotFoundError):
        client.pull_agent("plain")


def test_webhooks_are_kept_and_never_called(typed: Langsmith, http: httpx.Client) -> None:
    kept = typed.prompt_webhooks.create(url="https://example.com/hook", triggers=["commit"], headers={"a": "b"})
    changed = typed.prompt_webhooks.update(kept.id, triggers=["tag:create"])
    assert (changed.url, changed.triggers) == ("https://example.com/hook", ["tag:create"])
    assert [one.id for one in typed.prompt_webhooks.list()] == [kept.id]
    assert typed.prompt_webhooks.retrieve(kept.id).headers == {"a": "b"}
    typed.prompt_webhooks.delete(kept.id)
    assert typed.prompt_webhooks.list() == []
    refused = http.post("/prompt-webhooks/test", json={})
    assert (refused.status_code, "never delivered" in refused.json()["detail"]) == (501, True)
    assert http.post("/prompt-webhooks", json={"url": "file:///etc/passwd"}).status_code == 422


ODD_REQUESTS = [
    ("POST", "/repos/", b"[]", 422),
    ("POST", "/repos/", b'{"repo_handle": "a\\u0000b"}', 422),
    ("POST", "/repos/", b'{"repo_handle": "a", "tags": "x"}', 422),
    ("POST", "/repos/", b'{"repo_handle": "a", "repo_type": "virus"}', 422),
    ("POST", "/repos/", b'{"repo_handle": "a", "description": "\\ud800"}', 422),
    ("GET", "/repos/?limit=0", None, 422),
    ("GET", "/repos/?limit=101", None, 422),
    ("GET", "/repos/?offset=99999999999999999999", None, 422),
    ("GET", "/repos/?sort_field=password", None, 422),
    ("GET", "/repos/?query=%00&tags=%00", None, 200),
    ("GET", "/repos/-/a%00b", None, 404),
    ("GET", "/repos/-/nobody", None, 404),
    ("GET", "/repos/-/%27%20OR%201=1", None, 404),
    ("PATCH", "/repos/-/alpha", b'{"is_public": "perhaps"}', 422),
    ("POST", "/likes/-/alpha", b"{}", 422),
    ("POST", "/commits/-/alpha", b"{}", 422),
    ("POST", "/commits/-/alpha", b'{"manifest": []}', 422),
    ("POST", "/commits/-/alpha", b'{"manifest": {}, "parent_commit": "%"}', 409),
    ("POST", "/commits/-/alpha", b'{"manifest": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", 422),
    ("GET", "/commits/-/alpha/%25%25%25%25%25%25%25%25", None, 422),
    ("GET", "/commits/-/alpha/" + "f" * 64, None, 404),
    ("GET", "/commits/-/alpha?tag=%00", None, 422),
    ("POST", "/repos/-/alpha/tags", b'{"tag_name": "a/b", "commit_id": "latest"}', 422),
    ("POST", "/repos/-/alpha/tags", b'{"tag_name": "a", "commit_id": "\\u0000"}', 422),
    ("POST", "/repos/-/alpha/tags", b'{"tag_name": "a", "commit_id": "00000000-0000-0000-0000-000000000000"}', 404),
    ("POST", "/hub/repos/-/alpha/directories/commits", b'{"files": {}}', 404),
    ("GET", "/prompt-webhooks/not-a-uuid", None, 422),
    ("DELETE", f"/prompt-webhooks/{uuid.UUID(int=0)}", None, 404),
]


def test_what_nobody_should_send_gets_a_sentence(
    http: httpx.Client, store: OpsStore, subtests: pytest.Subtests
) -> None:
    store.prompts.create(PromptFields(repo_handle="alpha"))
    store.prompts.commits.create("alpha", CommitFields(manifest={"text": "one"}))
    for method, path, body, status in ODD_REQUESTS:
        with subtests.test(method=method, path=path, body=body):
            answer = http.request(method, path, content=body)
            assert answer.status_code == status, answer.text
            if status >= 400:
                assert answer.json()["detail"].endswith(".")
            assert store.prompts.commits.find("alpha").total == 1


def test_odd_characters_in_a_manifest_come_back(store: OpsStore) -> None:
    store.prompts.create(PromptFields(repo_handle="alpha"))
    manifest = {"nul": "a\x00b", "big": 10**40, "emoji": "🙂", "nested": [[{"x": None}]]}
    store.prompts.commits.create("alpha", CommitFields(manifest=manifest))
    assert store.prompts.commits.get("alpha").manifest == manifest


def test_versions_survive_a_restart(open_store: Callable[[], OpsStore]) -> None:
    store = open_store()
    store.prompts.create(PromptFields(repo_handle="alpha"))
    made = store.prompts.commits.create("alpha", CommitFields(manifest={"text": "one"}))
    store.prompts.tags.pin("alpha", "latest", by="ada")
    store.close()
    again = open_store()
    assert again.prompts.commits.get("alpha", "live") == made
