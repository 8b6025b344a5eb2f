"""`parley prompts` as typed, and turns that are answered with what it has pinned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from agents.models import ModelPool
from agents.models.scripted import ScriptedChat
from agents.prompts import Prompt
from agents.prompts.examples import examples_of
from agents.prompts.manifest import to_manifest
from agents.settings import TurnSettings
from app.bootstrap import Parley, build_parley
from app.ops.store import OpsStore
from app.ops.store.prompts.models import CommitFields, PromptFields
from app.ops_store import open_workspaces
from app.prompts.commands import prompts_app
from app.prompts.desk import PromptDesk
from app.prompts.hub import Hub, HubError, StoreHub
from app.prompts.pins import copy_pins, pinned_prompts
from app.settings import ConfigurationError, Settings, load_settings
from retrieval.embedding import HashingEmbedder

RIGHT = {example.question: example.quotes[0] for example in examples_of("answer")}
"""A model that answers every example well."""
WRONG = {next(iter(RIGHT)): "Nobody knows.", **dict(list(RIGHT.items())[1:])}
BRIEF = Prompt("", "Be brief.", "$quotes\n$question")
POLITE = Prompt("", "Be polite.", "$quotes\n$question")
Command = Callable[..., Result]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def hub(settings: Settings) -> Iterator[OpsStore]:
    """The embedded store, as the pages of a running server have it open at the same time."""
    with closing(open_workspaces(settings)) as workspaces:
        yield workspaces.default


def with_model(rules: dict[str, str]) -> Callable[[Settings], ModelPool]:
    return lambda settings: ModelPool(settings.model, settings.models, default=ScriptedChat(rules=rules))


def command(settings: Settings, rules: dict[str, str] = RIGHT, **parts: Any) -> Command:
    """`parley prompts …` with these settings and a model that answers so."""
    desk = PromptDesk(settings, models=with_model(rules), now=lambda: datetime(2026, 3, 2, tzinfo=UTC), **parts)
    app = prompts_app(lambda: desk, Console(width=200))
    return lambda *words: CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.fixture
def prompts(settings: Settings) -> Command:
    return command(settings)


def commit(hub: OpsStore, prompt: Prompt, name: str = "answer") -> str:
    """A new version, as somebody writes it on the page of the prompt; it is live at once."""
    made = StoreHub(hub).push(name, to_manifest(prompt), "")
    hub.prompts.tags.pin(name, made.hash, by="ann")
    return made.hash


def test_a_file_is_pushed_shown_compared_and_listed(prompts: Command, hub: OpsStore) -> None:
    pushed = prompts("push", "answer@2").output
    newest = hub.prompts.commits.get("answer").hash
    assert f"answer@2 is hub:answer:{newest} now." in pushed
    assert pushed.count("passed") == len(RIGHT)
    assert f"[1] {examples_of('answer')[0].quotes[0]}" in prompts("show", "answer").output
    assert prompts("diff", "answer@2", "hub:answer:latest").output == "They say the same.\n"
    assert "\n+Answer in one sentence." in prompts("diff", "answer@1", "answer").output
    rows = json.loads(prompts("--json").output)["rows"]
    assert rows == [
        {"name": "answer@1", "commit": "", "used_by": ["default"], "state": ""},
        {"name": "answer@2", "commit": "", "used_by": [], "state": ""},
        {"name": "hub:answer:latest", "commit": newest, "used_by": [], "state": "as answer@2"},
    ]


def test_a_prompt_whose_examples_fail_is_not_pushed_or_pinned_unless_forced(settings: Settings, hub: OpsStore) -> None:
    prompts = command(settings, WRONG)
    for words in (["test", "answer@2"], ["push", "answer@2"]):
        done = prompts(*words)
        assert (done.exit_code, "FAILED" in done.output, "does not say" in done.output) == (1, True, True)
    assert StoreHub(hub).names() == []
    assert prompts("push", "answer@2", "--force").exit_code == 0
    assert prompts("pull", "answer").exit_code == 1
    assert "Nothing is pinned." in prompts("pin").output
    assert prompts("pull", "answer", "--force").exit_code == 0
    trials = json.loads(prompts("test", "answer", "--json").output)
    assert [bool(trial["faults"]) for trial in trials] == [True, *[False] * (len(RIGHT) - 1)]


def test_examples_of_your_own_take_the_place_of_those_that_come_along(
    prompts: Command, hub: OpsStore, tmp_path: Path
) -> None:
    own = tmp_path / "own.jsonl"
    own.write_text('{"question": "Who?", "quotes": ["Ada does."], "contains": ["Bob"], "supported": false}\n')
    assert "does not say 'Bob'" in prompts("test", "answer@1", "--examples", str(own)).output
    own.write_text('{"question": "Who?"}\n')
    assert "own.jsonl, line 1: quotes" in prompts("test", "answer@1", "--examples", str(own)).stderr
    commit(hub, BRIEF, "greeting")
    assert "no examples of greeting" in prompts("pull", "greeting:live").output


def test_a_name_is_pinned_to_what_it_means_now_and_to_any_version_of_choice(prompts: Command, hub: OpsStore) -> None:
    first = commit(hub, BRIEF)
    assert f"hub:answer:live means {first}" in prompts("pull", "answer:live").output
    second = commit(hub, POLITE)
    assert f"the hub means {second[:8]} by now, in no file" in prompts("list").output
    prompts("pull", "hub:answer:live")
    assert f"hub:answer:live means {second}, pinned 2026-03-02" in prompts("pin").output
    prompts("pin", "answer:live", first[:8])
    assert f"hub:answer:live means {first}, pinned" in prompts("pin", "answer:live").output
    hub.prompts.delete("answer")
    assert "the hub has it no more" in prompts("list").output


def test_what_cannot_be_used_is_refused_and_nothing_is_pinned(prompts: Command, hub: OpsStore) -> None:
    hub.prompts.create(PromptFields(repo_handle="odd"))
    hub.prompts.commits.create("odd", CommitFields(manifest={"id": ["MessagesPlaceholder"], "kwargs": {}}))
    assert "It is a 'MessagesPlaceholder'" in prompts("list").output
    for words, complaint in [
        (["pull", "odd"], "hub:odd:latest cannot be used. It is a 'MessagesPlaceholder'"),
        (["pull", "nobody"], "There is no prompt named 'nobody'"),
        (["pull", "acme/odd"], "acme/odd"),
        (["pull", "../odd"], "names no prompt of the hub"),
        (["push", "odd"], "There is no prompt 'odd'; there are: answer@1"),
        (["show", "answer@99"], "There is no prompt 'answer@99'"),
        (["pin", "answer:live"], "hub:answer:live is not pinned"),
        (["test", "answer@1", "--model", "gpt"], "No model gpt is configured"),
    ]:
        done = prompts(*words)
        assert (done.exit_code, complaint in done.stderr) == (1, True), done.stderr
    assert "Nothing is pinned." in prompts("pin").output


def test_a_model_that_is_attached_is_said_to_be_left_out(prompts: Command, hub: OpsStore) -> None:
    model = {"id": ["ChatOpenAI"], "kwargs": {}}
    StoreHub(hub).push(
        "answer", {"id": ["RunnableSequence"], "kwargs": {"first": to_manifest(BRIEF), "last": model}}, ""
    )
    assert "model settings attached to it are left out" in prompts("pull", "answer").output


def test_without_its_hub_the_list_shows_files_and_pins(settings: Settings, prompts: Command, hub: OpsStore) -> None:
    prompts("pull", f"answer:{commit(hub, BRIEF)}")

    def away(settings: Settings) -> AbstractContextManager[Hub]:
        raise HubError("the hub did not answer")

    shown = json.loads(command(settings, open_hub=away)("list", "--json").output)
    assert [row["state"] for row in shown["rows"]] == ["", "", "pinned, in no file"]
    assert shown["problem"] == "the hub did not answer"


def arms(settings: Settings, *prompts: str | None, enabled: bool = True) -> Settings:
    """An experiment whose arms answer with these prompts."""
    chosen = [{"name": f"arm{n}", "prompt": prompt} for n, prompt in enumerate(prompts)]
    return Settings(data_dir=settings.data_dir, experiments={"wording": {"arms": chosen, "enabled": enabled}})


def test_what_a_running_experiment_answers_with_is_not_pinned_anew(settings: Settings, hub: OpsStore) -> None:
    first = commit(hub, BRIEF)
    running = arms(settings, None, "hub:answer:live")
    assert "not pinned: `parley prompts pull hub:answer:live`" in command(running)("list").output
    assert command(running)("pull", "answer:live").exit_code == 0
    second = commit(hub, POLITE)
    refused = command(running)("pull", "answer:live")
    assert (refused.exit_code, f"Give hub:answer:{second} an arm of its own" in refused.stderr) == (1, True)
    assert f"hub:answer:live means {first}" in command(running)("pin").output
    assert command(running)("pull", f"answer:{second}").exit_code == 0
    default = settings.model_copy(update={"turn": TurnSettings(prompt="hub:answer")})
    assert command(default)("pull", "answer:latest").exit_code == 0
    assert command(arms(settings, None, "hub:answer:live", enabled=False))("pull", "answer:live").exit_code == 0


def test_an_arm_without_a_prompt_of_its_own_keeps_the_default_one_too(settings: Settings, hub: OpsStore) -> None:
    running = arms(settings, None, "answer@2").model_copy(update={"turn": TurnSettings(prompt="hub:answer:live")})
    commit(hub, BRIEF)
    assert command(running)("pull", "answer:live").exit_code == 0
    commit(hub, POLITE)
    assert "Arm arm0 of the running experiment" in command(running)("pull", "answer:live").stderr


@pytest.fixture
def build() -> Iterator[Callable[[Settings], Parley]]:
    built: list[Parley] = []

    def build(chosen: Settings) -> Parley:
        built.append(build_parley(chosen, model=ScriptedChat(), embedder=HashingEmbedder()))
        return built[-1]

    yield build
    for parley in built:
        parley._close_blocking()


def test_turns_are_given_the_commit_that_was_pinned_at_the_start_whatever_happens_to_the_hub(
    settings: Settings, hub: OpsStore, build: Callable[[Settings], Parley]
) -> None:
    """The tag moves, another version is pinned under a running process, the prompt is deleted."""
    first = commit(hub, BRIEF)
    chosen = arms(settings, None, "hub:answer:live")
    command(chosen)("pull", "answer:live")
    running = build(chosen).parts.load_prompt
    assert running("hub:answer:live") == replace(BRIEF, version=f"hub:answer:{first}")
    assert running("answer@1").version == "answer@1"
    second = commit(hub, POLITE)
    assert command(settings)("pull", "answer:live").exit_code == 0
    assert running("hub:answer:live").version == f"hub:answer:{first}"
    hub.prompts.delete("answer")
    assert build(chosen).parts.load_prompt("hub:answer:live") == replace(POLITE, version=f"hub:answer:{second}")


def test_what_is_pinned_holds_for_a_measurement_too(settings: Settings, hub: OpsStore, tmp_path: Path) -> None:
    first = commit(hub, BRIEF)
    command(settings)("pull", "answer:live")
    aside = Settings(data_dir=tmp_path / "aside", turn=TurnSettings(prompt="hub:answer:live"))
    copy_pins(settings, aside)
    assert pinned_prompts(aside)["hub:answer:live"].version == f"hub:answer:{first}"


def test_a_prompt_that_is_not_pinned_ends_the_start_with_a_sentence(settings: Settings) -> None:
    wanted = r"arm arm1: hub:answer:live is not pinned: run `parley prompts pull hub:answer:live`"
    with pytest.raises(ConfigurationError, match=wanted):
        build_parley(arms(settings, None, "hub:answer:live"))
    with pytest.raises(ConfigurationError, match=r"turn\.prompt: hub:answer:latest is not pinned"):
        build_parley(settings.model_copy(update={"turn": TurnSettings(prompt="hub:answer")}))


def test_a_name_that_means_nothing_is_a_mistake_in_the_settings() -> None:
    for name in ("hub:", "hub:An swer", "answer@99"):
        with pytest.raises(ConfigurationError, match=r"hub:NAME:TAG|there are: answer@1"):
            load_settings(turn=TurnSettings(prompt=name))
