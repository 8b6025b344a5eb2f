"""What a turn takes into account: the conversation so far, and what fits into the model's context."""

from __future__ import annotations

import pytest

from agents.answering.quotes import Quote
from agents.context import Reading, room
from agents.errors import TooLong
from agents.models.settings import ModelSettings
from agents.prompts import Prompt
from agents.settings import TurnSettings
from agents.turn import Notice, TurnRequest
from retrieval.passages import Hit, Passage

QUESTION = "How many days of unused leave may be carried over?"
PROMPT = Prompt(version="test@1", system="Answer.", user="$quotes $question")


def quote(number: int, words: int) -> Quote:
    text = " ".join(f"q{number}" for _ in range(words))
    passage = Passage(
        id=str(number), document_id="d", document="d.md", title="D", page=None, heading="", text=text, position=0
    )
    return Quote.model_construct(
        number=number, hit=Hit(passage=passage, score=1.0), start=0, end=len(text), text=text, score=1.0, match=None
    )


def words(messages: list) -> int:
    return sum(len(message.text.split()) for message in messages)


QUOTES = [quote(1, 10), quote(2, 10), quote(3, 10)]


def test_all_quotes_are_read_where_they_fit() -> None:
    fitted = Reading(PROMPT, "Why?", QUOTES).fitted(words, 1 + 3 * 11 + 1)
    assert (fitted.tokens, fitted.left_out) == (35, 0)
    assert all(f"[{number}]" in fitted.messages[1].text for number in (1, 2, 3))


@pytest.mark.parametrize(("limit", "left_out"), [(34, 1), (24, 1), (23, 2), (13, 2)])
def test_the_last_quotes_are_left_out_whole_where_they_do_not_fit(limit: int, left_out: int) -> None:
    fitted = Reading(PROMPT, "Why?", QUOTES).fitted(words, limit)
    assert fitted.left_out == left_out
    assert fitted.tokens <= limit
    assert fitted.messages[1].text.count("q1") == 10


def test_a_question_that_leaves_no_room_for_a_quote_is_too_long() -> None:
    with pytest.raises(TooLong, match="12 at most"):
        Reading(PROMPT, "Why?", QUOTES).fitted(words, 12)


def test_without_a_limit_everything_is_read() -> None:
    assert Reading(PROMPT, "Why?", QUOTES).fitted(words, None).left_out == 0


def test_the_answer_has_its_place_in_a_local_model_and_only_a_provider_knows_its_own_limit() -> None:
    assert room(ModelSettings(context_tokens=1000, max_tokens=300)) == 700
    assert room(ModelSettings(name="openai:gpt-5-mini")) is None


async def test_a_long_conversation_says_once_that_it_is_no_longer_read_whole(open_assistant, ask) -> None:
    told, left_out = [], []
    async with open_assistant(turn=TurnSettings(history_messages=2)) as assistant:
        for _ in range(4):
            request: TurnRequest = ask(QUESTION)
            events = [event async for event in assistant.stream(request)]
            told.append([event.text for event in events if isinstance(event, Notice) and "its last 2" in event.text])
            left_out.append(events[-1].result.messages_left_out)
    assert [len(notices) for notices in told] == [0, 0, 1, 0]
    assert left_out == [0, 0, 2, 4]


async def test_of_a_history_that_the_caller_sends_too_what_is_left_out_is_counted_and_told(open_assistant, ask) -> None:
    sent = [("user", "Who signs a contract?"), ("assistant", "The director.")] * 2
    async with open_assistant(turn=TurnSettings(history_messages=2)) as assistant:
        events = [event async for event in assistant.stream(ask(QUESTION, history=sent))]
    assert events[-1].result.messages_left_out == 2
    assert any(isinstance(event, Notice) and "its last 2" in event.text for event in events)
