"""A prompt as the hub stores it: LangChain's serialized form, read as plain data and never brought to life."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from agents.prompts.errors import PromptRefused
from agents.prompts.prompt import Prompt, require_usable
from agents.prompts.templates import FORMATS, literal, to_f_string

_ROLES = {
    "SystemMessagePromptTemplate": "system",
    "HumanMessagePromptTemplate": "human",
    "SystemMessage": "system",
    "HumanMessage": "human",
}


class _Node(NamedTuple):
    kind: str
    kwargs: Mapping[str, Any]


def to_manifest(prompt: Prompt) -> dict[str, Any]:
    """The `ChatPromptTemplate` that a LangSmith client's `pull_prompt` makes of it."""
    from langchain_core.load import dumpd
    from langchain_core.prompts import ChatPromptTemplate

    messages = [("system", to_f_string(prompt.system)), ("human", to_f_string(prompt.user))]
    manifest: dict[str, Any] = dumpd(ChatPromptTemplate(messages))
    return manifest


def from_manifest(manifest: Mapping[str, Any], version: str) -> Prompt:
    """The prompt in a commit, without the model that may be attached to it. Raises `PromptRefused`."""
    chat = _node(manifest)
    if has_model(manifest):
        chat = _node(chat.kwargs.get("first"))
    if chat.kind != "ChatPromptTemplate":
        raise PromptRefused(f"It is a {chat.kind!r}; save it as a chat prompt.")
    _refuse_partials(chat)
    messages = chat.kwargs.get("messages")
    said = [_message(each) for each in messages] if isinstance(messages, list) else []
    if [role for role, _ in said] != ["system", "human"]:
        raise PromptRefused("It must be one system message and then one human message.")
    system, user = (text.replace("\r\n", "\n").strip() for _, text in said)
    return require_usable(Prompt(version=version, system=system, user=user))


def has_model(manifest: Mapping[str, Any]) -> bool:
    """Whether a model is attached to the prompt."""
    return _node(manifest).kind == "RunnableSequence"


def _message(value: Any) -> tuple[str, str]:
    """Who speaks, and the template of what is said."""
    node = _node(value)
    if node.kind not in _ROLES:
        raise PromptRefused(f"It holds a {node.kind!r}; only system and human messages are read.")
    if isinstance(content := node.kwargs.get("content"), str):
        return _ROLES[node.kind], literal(content)
    return _ROLES[node.kind], _template(node.kwargs.get("prompt"))


def _template(value: Any) -> str:
    text = _node(value)
    _refuse_partials(text)
    template, form = text.kwargs.get("template"), text.kwargs.get("template_format", "f-string")
    if text.kind != "PromptTemplate" or not isinstance(template, str):
        raise PromptRefused("One of its messages is more than plain text.")
    if not isinstance(form, str) or form not in FORMATS:
        raise PromptRefused(f"Its template format is {form!r}; f-string and mustache are read.")
    return FORMATS[form](template)


def _refuse_partials(node: _Node) -> None:
    if node.kwargs.get("partial_variables"):
        raise PromptRefused("It fills in variables by itself (partial_variables); write their text into the prompt.")


def _node(value: Any) -> _Node:
    """Its class, and what the class is built with."""
    names = value.get("id") if isinstance(value, Mapping) else None
    kwargs = value.get("kwargs") if isinstance(value, Mapping) else None
    if not isinstance(names, list) or not names or not isinstance(kwargs, Mapping):
        raise PromptRefused("A part of it is not in LangChain's form.")
    return _Node(str(names[-1])[:100], kwargs)
