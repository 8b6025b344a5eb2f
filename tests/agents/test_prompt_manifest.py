"""Prompts of the hub: LangChain's form there and back, hostile content, names and pins."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.load import dumpd, load
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate

from agents.prompts import Prompt, known_prompts, load_prompt
from agents.prompts.errors import BadHubName, NotPinned, PromptRefused
from agents.prompts.examples import SAMPLE
from agents.prompts.hub_name import HubName
from agents.prompts.manifest import from_manifest, has_model, to_manifest
from agents.prompts.pins import Pin, Pins
from agents.prompts.templates import from_f_string, from_mustache, to_f_string

HASH = "0123456789abcdef" * 4


def chat(system: str, human: str = "{quotes} {question}", form: Any = "f-string") -> dict[str, Any]:
    """A manifest with these templates, whatever they are."""

    def message(kind: str, template: str) -> dict[str, Any]:
        inner = {"lc": 1, "type": "constructor", "id": ["langchain", "prompts", "prompt", "PromptTemplate"]}
        prompt = inner | {"kwargs": {"template": template, "template_format": form, "input_variables": []}}
        return inner | {"id": ["langchain", "prompts", "chat", kind], "kwargs": {"prompt": prompt}}

    messages = [message("SystemMessagePromptTemplate", system), message("HumanMessagePromptTemplate", human)]
    return {"lc": 1, "type": "constructor", "id": ["x", "ChatPromptTemplate"], "kwargs": {"messages": messages}}


@pytest.mark.parametrize("name", known_prompts())
def test_a_file_is_for_langchain_what_it_is_for_us(name: str) -> None:
    prompt = load_prompt(name)
    (number, text), question = (1, SAMPLE.quotes[0]), "What costs {this} $much?"
    told = (
        load(to_manifest(prompt), allowed_objects="core")
        .invoke({"question": question, "quotes": f"[{number}] {text}"})
        .to_messages()
    )
    assert told == prompt.render(question, SAMPLE.evidence)
    assert from_manifest(to_manifest(prompt), name) == prompt


PIECES = st.lists(st.sampled_from(["$question.", "${question}", "$$", "{", "}", "a", "_1", "\n", "€"])).map("".join)


@given(PIECES)
def test_any_template_comes_back_from_its_f_string_with_the_same_meaning(template: str) -> None:
    prompt = Prompt("answer@9", "Be brief.", template)
    again = Prompt("answer@9", "Be brief.", from_f_string(to_f_string(template)))
    assert again.render("Why?", []) == prompt.render("Why?", [])


def test_both_of_langchains_plain_formats_are_read() -> None:
    braces = from_manifest(chat("Cite {{n}}, not $n.", "{quotes}\r\n{question}"), "v")
    assert (braces.system, braces.user) == ("Cite {n}, not $$n.", "$quotes\n$question")
    tags = from_manifest(chat("Cite {n}.", "{{{quotes}}} {{&quotes}}s {{ question }}", "mustache"), "v")
    assert (tags.system, tags.user) == ("Cite {n}.", "$quotes ${quotes}s $question")


def test_messages_without_variables_are_taken_word_for_word() -> None:
    said = ChatPromptTemplate.from_messages([("system", "x"), ("human", "{quotes} {question}")])
    manifest = dumpd(said)
    manifest["kwargs"]["messages"][0] = {"id": ["SystemMessage"], "kwargs": {"content": "Use {braces} and $5."}}
    assert from_manifest(manifest, "v").render("Why?", [])[0].text == "Use {braces} and $5."


def test_a_model_that_is_attached_is_left_out() -> None:
    plain = dumpd(ChatPromptTemplate([("system", "Be brief."), ("human", "{quotes} {question}")]))
    model = {"lc": 1, "type": "constructor", "id": ["ChatOpenAI"], "kwargs": {"base_url": "http://127.0.0.1:9"}}
    manifest = {"lc": 1, "id": ["RunnableSequence"], "kwargs": {"first": plain, "last": model}}
    assert has_model(manifest)
    assert not has_model(plain)
    assert from_manifest(manifest, "v") == Prompt("v", "Be brief.", "$quotes $question")


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{question.__class__}", r"'question.__class__'"),
        ("{question[0]}", r"'question\[0\]'"),
        ("{question!r}", "formats the variable 'question'"),
        ("{question:>9999999999}", "formats the variable 'question'"),
        ("{question:{quotes}}", "formats the variable 'question'"),
        ("{history}", "'history'"),
        ("{}", "''"),
        ("{ question }", "' question '"),
        ("{question", "don't pair up"),
        ("question}", "don't pair up"),
    ],
)
def test_an_f_string_that_is_more_than_a_variable_is_refused(template: str, complaint: str) -> None:
    with pytest.raises(PromptRefused, match=complaint):
        from_f_string(template)


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{{question.text}}", "'question.text'"),
        ("{{history}}", "'history'"),
        ("{{{history}}}", "'history'"),
        ("{{#question}}x{{/question}}", "'{{#question}}'"),
        ("{{>partial}}", "'{{>partial}}'"),
        ("{{=<% %>=}}", "'{{=<% %>=}}'"),
        ("{{! a remark }}", "only variables"),
    ],
)
def test_of_mustache_only_variables_are_read(template: str, complaint: str) -> None:
    with pytest.raises(PromptRefused, match=complaint):
        from_mustache(template)


def _deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"id": ["RunnableSequence"], "kwargs": {"first": value}}
    return value


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        ({}, "not in LangChain's form"),
        ({"id": [], "kwargs": {}}, "not in LangChain's form"),
        ({"id": ["ChatPromptTemplate"], "kwargs": []}, "not in LangChain's form"),
        ({"id": [{"a": 1}], "kwargs": {}}, "chat prompt"),
        ({"id": ["ChatPromptTemplate"], "kwargs": {"messages": None}}, "one system message"),
        ({"id": ["ChatPromptTemplate"], "kwargs": {"messages": [5]}}, "not in LangChain's form"),
        (_deep(3), "RunnableSequence"),
        (dumpd(PromptTemplate.from_template("{quotes} {question}")), "PromptTemplate"),
        ({"files": {"a.md": {"type": "file", "content": "x"}}}, "not in LangChain's form"),
        (dumpd(ChatPromptTemplate([("human", "{quotes} {question}")])), "one system message"),
        (dumpd(ChatPromptTemplate([("human", "{quotes}"), ("system", "{question}")])), "one system message"),
        (dumpd(ChatPromptTemplate([("system", "x"), ("ai", "{quotes} {question}")])), "AIMessagePromptTemplate"),
        (dumpd(ChatPromptTemplate([("system", "x"), MessagesPlaceholder("history")])), "MessagesPlaceholder"),
        (dumpd(ChatPromptTemplate([("system", [{"type": "text", "text": "x"}]), ("human", "x")])), "form|plain text"),
        (chat("{tone}"), "'tone'"),
        (chat("x", "{quotes}"), "question 0 times"),
        (chat("x" * 100_000), "8000"),
        (chat("x", "{quotes}" * 1000 + "{question}"), "quotes 1000 times|8000"),
        (chat("{% for x in y %}", form="jinja2"), "jinja2"),
        (chat("x", form=["f-string"]), "template format"),
        (chat("\x1b]0;owned\x07"), "control character"),
        (chat(""), "empty"),
        (dumpd(ChatPromptTemplate([("system", "x"), ("human", "{quotes} {question}")]).partial(quotes="y")), "partial"),
    ],
)
def test_what_is_no_plain_chat_prompt_is_refused_in_a_sentence(manifest: dict[str, Any], complaint: str) -> None:
    with pytest.raises(PromptRefused, match=complaint):
        from_manifest(manifest, "v")


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["ChatPromptTemplate", "f-string"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "kwargs", "messages", "prompt", "template", "content"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["id", "kwargs"]), JUNK))
def test_no_manifest_is_anything_but_refused_or_read(manifest: dict[str, Any]) -> None:
    with suppress(PromptRefused):
        assert from_manifest(manifest, "v").system


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("answer", "hub:answer:latest"),
        ("hub:answer:live", "hub:answer:live"),
        ("-/answer:live", "hub:answer:live"),
        ("acme/answer:0123abcd", "hub:acme/answer:0123abcd"),
    ],
)
def test_names_are_read_as_langsmith_writes_them(text: str, written: str) -> None:
    assert str(HubName.parse(text)) == written
    assert HubName.parse(written) == HubName.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "hub:", "Answer", "answer:", "a/b/c", "../answer", "answer:../x", "answer:a/b", "answer\n", "a:b:c", "é"],
)
def test_a_name_that_could_mean_something_else_is_refused(text: str) -> None:
    with pytest.raises(BadHubName, match="hub:NAME:TAG"):
        HubName.parse(text)


def pin(name: str = "hub:answer:live", commit: str = HASH, **texts: str) -> Pin:
    said = {"system": "Be brief.", "user": "$quotes $question", **texts}
    return Pin(name=name, commit=commit, pinned_at=datetime(2026, 3, 2, tzinfo=UTC), **said)


def test_a_pin_says_what_its_name_means_and_which_commit_that_is(tmp_path: Path) -> None:
    pins = Pins(tmp_path / "prompts")
    assert pins.all() == []
    for name in ("hub:answer:live", "hub:acme/answer:live"):
        pins.put(pin(name))
    pins.put(pin(commit="f" * 64))
    again = Pins(tmp_path / "prompts")
    assert [each.name for each in again.all()] == ["hub:acme/answer:live", "hub:answer:live"]
    assert again.get(HubName.parse("answer:live")).prompt.version == f"hub:answer:{'f' * 64}"
    with pytest.raises(NotPinned, match="`parley prompts pull hub:answer:test`"):
        pins.get(HubName.parse("answer:test"))


@pytest.mark.parametrize(
    "damage", [{"commit": "../../etc"}, {"user": "$quotes $question $tone"}, {"name": "hub:"}, {"extra": 1}]
)
def test_a_damaged_pin_is_named_and_never_used(tmp_path: Path, damage: dict[str, Any]) -> None:
    pins = Pins(tmp_path)
    pins.put(pin())
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | damage))
    for read in (pins.all, lambda: pins.get(HubName.parse("answer:live"))):
        with pytest.raises(NotPinned, match=r"answer@live\.json cannot be read"):
            read()
