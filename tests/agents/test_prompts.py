"""Prompt files: they render, they are small, and one that has been used is never edited."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.messages.utils import count_tokens_approximately

import agents.prompts
from agents.answering.quotes import Quote
from agents.answering.ranking import Match
from agents.models import ModelPool, ModelSettings
from agents.models.scripted import ScriptedChat
from agents.prompts import Prompt, UnknownPrompt, known_prompts, load_prompt
from agents.prompts.errors import BadExamples, PromptRefused
from agents.prompts.examples import SAMPLE, Example, examples_of, read_examples, try_out
from agents.prompts.prompt import MAX_CHARS, require_usable
from agents.settings import TurnSettings
from retrieval.passages import Hit, Passage

FOLDER = Path(agents.prompts.__file__).parent
RELEASED = FOLDER / "released.sha256"
EXAMPLES = [(name, example) for name in known_prompts() for example in examples_of(name.partition("@")[0])]


def quote(text: str, heading: str = "") -> Quote:
    passage = Passage(
        id="p", document_id="d", document="d.md", title="d", page=None, heading=heading, text=text, position=0
    )
    match = Match(similarity=1, coverage=1, passage_coverage=1, lacks_number=False)
    return Quote(number=1, hit=Hit(passage=passage, score=1), start=0, end=len(text), text=text, score=1, match=match)


@pytest.mark.parametrize("name", known_prompts())
def test_every_prompt_holds_question_and_quotes_and_is_usable(name: str) -> None:
    quotes = [quote("Line one.\nLine $two.", heading="Leave > Annual leave")]
    prompt = require_usable(load_prompt(name))
    system, user = prompt.render("How many $quotes days?", quotes)
    assert isinstance(system, SystemMessage)
    assert isinstance(user, HumanMessage)
    assert "[1] Annual leave: Line one. Line $two." in user.text
    assert user.text.count("How many $quotes days?") == 1


@pytest.mark.parametrize("name", known_prompts())
def test_every_prompt_leaves_a_small_model_room_for_quotes_and_answer(name: str) -> None:
    assert count_tokens_approximately(load_prompt(name).render("", [])) < 200


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}-{e.question}" for name, e in EXAMPLES])
def test_every_example_renders_and_one_of_its_quotes_answers_it(name: str, example: Example) -> None:
    user = load_prompt(name).render(example.question, example.evidence)[1].text
    assert example.question in user
    assert all(text in user for text in example.quotes)
    assert any(not example.faults(text) for text in example.quotes)


@pytest.mark.parametrize("name", known_prompts())
def test_every_prompt_comes_with_examples(name: str) -> None:
    assert examples_of(name.partition("@")[0])


def test_a_released_prompt_is_never_edited() -> None:
    """A text that has been used stands in traces by its name. Write the next version instead, and add its hash:
    `cd agents/prompts && sha256sum *@*.md > released.sha256`."""
    released = {line.split()[1]: line.split()[0] for line in RELEASED.read_text().splitlines()}
    assert released == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*@*.md")}


@pytest.mark.parametrize("name", ["nothing@1", "../loader@1", "answer", "answer@1.md", "", "hub:answer:live"])
def test_an_unknown_prompt_names_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownPrompt, match="answer@1"):
        load_prompt(name)


def test_a_pinned_prompt_is_found_under_the_name_that_settings_give_it() -> None:
    pinned = {"hub:answer:live": Prompt("hub:answer:0123abcd", "Be brief.", "$quotes $question")}
    assert load_prompt("hub:answer:live", pinned).version == "hub:answer:0123abcd"
    assert load_prompt("answer@1", pinned).version == "answer@1"
    with pytest.raises(UnknownPrompt, match="hub:answer:live"):
        load_prompt("hub:answer:test", pinned)


@pytest.mark.parametrize(
    ("system", "user", "complaint"),
    [
        ("", "$quotes $question", "empty"),
        ("Be brief.", "", "empty"),
        ("Be brief.", "$question", "quotes 0 times"),
        ("Be brief.", "$quotes", "question 0 times"),
        ("Be brief.", "$quotes $question $question $question", "question 3 times"),
        ("Be $tone.", "$quotes $question", "'tone'"),
        ("Be ${tone}.", "$quotes $question", "'tone'"),
        ("It costs $5.", "$quotes $question", r"write \$\$"),
        ("x" * MAX_CHARS, "$quotes $question", str(MAX_CHARS)),
        ("Be \x1b[31mred.", "$quotes $question", "control character"),
        ("Be \ud800.", "$quotes $question", "control character"),
    ],
)
def test_what_a_turn_could_not_use_is_refused_in_a_sentence(system: str, user: str, complaint: str) -> None:
    with pytest.raises(PromptRefused, match=complaint):
        require_usable(Prompt("answer@9", system, user))


def test_a_variable_may_stand_in_either_message_and_a_dollar_sign_is_written_twice() -> None:
    prompt = require_usable(Prompt("answer@9", "You know:\n$quotes", "It may cost $$5. ${question}s?"))
    system, user = prompt.render("Permit", SAMPLE.evidence)
    assert system.text == "You know:\n[1] A permit costs ten euros a month."
    assert user.text == "It may cost $5. Permits?"


def test_an_example_says_what_is_wrong_with_an_answer() -> None:
    example = Example(
        question="What does a permit cost?",
        quotes=("A permit costs ten euros a month.", "Ask the reception."),
        contains=("TEN  euros",),
        lacks=("reception",),
    )
    assert example.faults("A permit costs ten euros.") == []
    assert example.faults("Ask the reception.") == ["does not say 'TEN  euros'", "says 'reception'"]
    assert example.faults("A permit costs ten euros and 300 hours of work.") == [
        "says what no quote supports: 'A permit costs ten euros and 300 hours of work.'"
    ]
    free = example.model_copy(update={"supported": False})
    assert free.faults("A permit costs ten euros and 300 hours of work.") == []


async def test_examples_are_tried_out_through_the_model_with_the_prompt() -> None:
    model = ScriptedChat(rules={"permit": "A permit costs ten euros a month [1]."})
    (trial,) = await try_out(Prompt("answer@9", "Be brief.", "$quotes $question"), [SAMPLE], model)
    assert (trial.question, trial.answer) == (SAMPLE.question, "A permit costs ten euros a month [1].")
    assert trial.faults == []


@pytest.mark.model
async def test_the_packaged_model_passes_the_examples_of_the_default_prompt() -> None:
    models = ModelPool(ModelSettings(parallel=1))
    default = TurnSettings().prompt
    try:
        trials = await try_out(load_prompt(default), examples_of(default.partition("@")[0]), models.get())
    finally:
        models.close()
    assert {trial.question: trial.faults for trial in trials if trial.faults} == {}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{", "line 2"),
        (b'{"question": "Why?"}', "quotes: Field required"),
        (b'{"question": "Why?", "quotes": []}', "quotes: "),
        (b'{"question": "Why?", "quotes": ["Because."], "contain": ["x"]}', "contain: Extra"),
        (b'{"question": "\xff", "quotes": ["Because."]}', "line 2"),
        (b'{"question": "Why?", "quotes": ["' + b"x" * 3000 + b'"]}', "2000 characters"),
    ],
)
def test_a_bad_line_of_examples_is_named(tmp_path: Path, line: bytes, complaint: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(SAMPLE.model_dump_json().encode() + b"\n" + line + b"\n\n")
    with pytest.raises(BadExamples, match=complaint):
        read_examples(path)
