"""Prompts: pushed, changed, pulled by name, commit and tag."""

from __future__ import annotations

from inspect import signature
from typing import Any

from langchain_core.prompts import PromptTemplate
from langsmith import Client
from material import MATERIAL, refusal

NAME = "greeting"
TEMPLATES = {name: manifest["kwargs"]["template"] for name, manifest in MATERIAL["manifests"].items()}


def write(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Push two versions, and the second once more; like and describe the prompt; delete another."""
    first, second = (PromptTemplate.from_template(text) for text in TEMPLATES.values())
    tagging = {"commit_tags": "live"} if "commit_tags" in signature(client.push_prompt).parameters else {}
    client.push_prompt(NAME, object=first, description="Greets.", tags=["polite"], **tagging)
    client.push_prompt(NAME, object=second)
    unchanged = refusal(lambda: client.push_prompt(NAME, object=second))
    state["commits"] = [commit.commit_hash for commit in client.list_prompt_commits(NAME)]
    likes = client.like_prompt(NAME)["likes"]
    client.update_prompt(NAME, description="Greets kindly.", readme="Say a name.")
    client.create_prompt("doomed")
    client.delete_prompt("doomed")
    return {
        "commits": len(state["commits"]),
        "unchanged": unchanged,
        "likes": likes,
        "unliked": client.unlike_prompt(NAME)["likes"],
        "doomed": client.get_prompt("doomed"),
    }


def recall(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """Pull the newest, an older and a tagged version; read the prompt and its history."""
    newest, oldest = state["commits"]
    prompt = client.get_prompt(NAME)
    assert prompt is not None
    history = list(client.list_prompt_commits(NAME))
    seen = {
        "newest": client.pull_prompt(NAME).template,
        "oldest": client.pull_prompt(f"{NAME}:{oldest}").template,
        "by the start of its hash": client.pull_prompt(f"{NAME}:{newest[:8]}").template,
        "commit": client.pull_prompt_commit(NAME).commit_hash == newest,
        "parents": [commit.parent_commit_hash == oldest for commit in history],
        "prompt": [prompt.repo_handle, prompt.description, prompt.readme, prompt.tags, prompt.num_commits],
        "listed": [one.repo_handle for one in client.list_prompts(query="greet").repos],
        "missing": refusal(lambda: client.pull_prompt("doomed")),
    }
    if "commit_tags" in signature(client.push_prompt).parameters:
        seen["tagged"] = client.pull_prompt(f"{NAME}:live").template
    return seen
