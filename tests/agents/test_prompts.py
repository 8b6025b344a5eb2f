from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from agents.answering.quotes import Quote
from agents.answering.ranking import Match
from agents.prompts import UnknownPrompt, known_prompts, load_prompt
from retrieval.passages import Hit, Passage


def quote(text: str, heading: str = "") -> Quote:
    passage = Passage(
        id="p", document_id="d", document="d.md", title="d", page=None, heading=heading, text=text, position=0
    )
    match = Match(similarity=1, coverage=1, passage_coverage=1, lacks_number=False)
    return Quote(number=1, hit=Hit(passage=passage, score=1), start=0, end=len(text), text=text, score=1, match=match)


@pytest.mark.parametrize("name", known_prompts())
def test_every_prompt_is_short_and_holds_question_and_quotes(name: str) -> None:
    quotes = [quote("Line one.\nLine $two.", heading="Leave > Annual leave")]
    system, user = load_prompt(name).render("How many $quotes days?", quotes)
    assert isinstance(system, SystemMessage)
    assert isinstance(user, HumanMessage)
    assert "[1] Annual leave: Line one. Line $two." in user.text
    assert user.text.count("How many $quotes days?") == 1
    assert len((system.text + user.text).split()) < 70


@pytest.mark.parametrize("name", ["nothing@1", "../loader@1", "answer", "answer@1.md", ""])
def test_an_unknown_prompt_names_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownPrompt, match="answer@1"):
        load_prompt(name)
