"""When a turn shows what a model said before, and when it asks anew."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from agents.arms import Arm
from agents.cache.cache import AnswerCache
from agents.cache.settings import CacheSettings
from agents.errors import ModelUnavailable
from agents.models import ModelPool
from agents.models.scripted import ScriptedChat
from agents.models.settings import ModelSettings
from agents.routing import RoutingRule
from agents.settings import TurnSettings
from agents.turn import Delta, Evidence, Finished, TurnResult
from rails import Checked, RailFailed, Rails, RailsSettings, Verdict
from rails.rails import load_checks
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.filters import Filters
from retrieval.passages import Document, Passage
from retrieval.settings import RetrievalSettings

CARRY_OVER = "How many days of unused leave may be carried over?"
HOW = "How may part-time staff carry over unused leave?"
EXPIRY = "When do days of leave that were carried over expire?"
BUDGET = "What budget did the board approve for the new office?"
PHRASED = "You may carry over at most five days of leave."
ENDLESS = f"{PHRASED} Then {'and so on ' * 1000}"
INVENTED = "You may carry over 12 days of leave."
PRICED = ModelSettings(name="scripted", prompt_usd_per_million=1_000_000, completion_usd_per_million=1_000_000)


class Counted(ScriptedChat):
    """Counts how often it is asked."""

    _asked: int = PrivateAttr(default=0)

    @property
    def asked(self) -> int:
        return self._asked

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        self._asked += 1
        async for chunk in super()._astream(*args, **kwargs):
            yield chunk


@pytest.fixture
def cache() -> AnswerCache:
    return AnswerCache(CacheSettings())


@pytest.fixture
def opened(open_assistant, cache: AnswerCache) -> Callable[..., Any]:
    """`open_assistant` with a cache."""

    def open_(model: ScriptedChat, *, parts: dict[str, Any] | None = None, **options: Any) -> Any:
        return open_assistant(model, parts={"cache": cache, **(parts or {})}, **options)

    return open_


async def test_who_asks_again_is_shown_the_same_and_no_model_is_asked(opened, ask) -> None:
    model = Counted(replies=[f"{INVENTED} {PHRASED}"])
    priced = {"models": ModelPool(PRICED, default=model)}
    async with opened(model, parts=priced) as assistant:
        first = await assistant.ask(ask(CARRY_OVER, thread="a", user="one"))
        events = [event async for event in assistant.stream(ask(CARRY_OVER, thread="b", user="another"))]
    assert [type(event) for event in events] == [Evidence, Delta, Finished]
    again = events[-1].result
    assert model.asked == 1
    assert (again.status, again.text, again.citations) == (first.status, first.text, first.citations)
    assert "12" not in again.text, "what was withheld comes back"
    assert (again.model, again.prompt_version) == (first.model, first.prompt_version)
    assert (first.cache, first.saved_usd, first.saved_s, first.saved_tokens) == (None, 0, 0, 0)
    assert again.cache == "exact"
    used = first.usage.prompt_tokens + first.usage.completion_tokens
    assert (again.saved_tokens, again.saved_usd) == (used, first.cost_usd)
    assert used == first.cost_usd > 0
    assert again.saved_s == first.attempts[0].seconds > 0
    assert (again.usage.prompt_tokens, again.cost_usd, again.attempts, again.first_token_s) == (0, 0, [], None)
    assert (again.sentences, again.unsupported) == (0, 0), "nothing was written"
    assert "generate" not in again.stages_ms


@pytest.mark.parametrize(
    ("then", "kind"),
    [
        ("Could you tell me how part-time staff may carry over the unused leave, please?", "semantic"),
        ("How may part-time staff not carry over unused leave?", None),
        ("Who may carry over unused leave?", None),
    ],
)
async def test_on_the_same_evidence_the_words_decide(opened, ask, then: str, kind: str | None) -> None:
    one_sentence = {"where": Filters(documents=("part-time.md",))}
    model = Counted()
    async with opened(model) as assistant:
        asked = [ask(question, thread=question) for question in (HOW, then)]
        first, other = [await assistant.ask(one.model_copy(update=one_sentence)) for one in asked]
    assert [one.quotes for one in other.citations] == [one.quotes for one in first.citations] != []
    assert (other.cache, other.question, model.asked) == (kind, then, 1 if kind else 2)


async def test_a_follow_up_is_the_question_that_it_stands_for(opened, ask) -> None:
    async with opened(Counted()) as assistant:

        async def follow_up(thread: str, before: str) -> TurnResult:
            await assistant.ask(ask(before, thread=thread))
            asked = ask("And for part-time staff?", thread=thread)
            return await assistant.ask(asked.model_copy(update={"where": Filters(documents=("part-time.md",))}))

        first, same = await follow_up("a", CARRY_OVER), await follow_up("b", CARRY_OVER)
        other = await follow_up("c", "In what proportion may unused leave be carried over?")
    assert (first.cache, same.cache, other.cache) == (None, "exact", None)
    assert first.citations[0].quotes == same.citations[0].quotes == other.citations[0].quotes


async def test_the_turn_says_in_its_thread_what_it_has_shown(opened, ask, remembered) -> None:
    async with opened(Counted()) as assistant:
        await assistant.ask(ask(CARRY_OVER, thread="a"))
        again = await assistant.ask(ask(CARRY_OVER, thread="b"))
    assert await remembered("b") == [("user", CARRY_OVER), ("assistant", again.text)]


async def test_the_same_question_on_other_evidence_is_asked(opened, ask) -> None:
    model = Counted()
    async with opened(model) as assistant:
        for document in ("leave.md", "part-time.md"):
            asked = ask("May unused leave be carried over?", thread=document)
            within = asked.model_copy(update={"where": Filters(documents=(document,))})
            result = await assistant.ask(within)
            assert [citation.passage.document for citation in result.citations][:1] == [document]
            assert result.cache is None
    assert model.asked == 2


# Who, and by what


async def test_readers_of_other_groups_learn_nothing_of_one_anothers_questions(opened, ask) -> None:
    leave = {"where": Filters(documents=("leave.md",))}
    board, everyone = ("everyone", "board"), ("everyone",)
    async with opened(Counted()) as assistant:

        async def shown(question: str, groups: tuple[str, ...], **more: Any) -> TurnResult:
            request = ask(question, thread=f"{question} {groups}", groups=groups)
            return await assistant.ask(request.model_copy(update=more))

        first, outsider = [await shown(CARRY_OVER, groups, **leave) for groups in (board, everyone)]
        await shown(BUDGET, board)
        stranger, member = await shown(BUDGET, everyone), await shown(BUDGET, board[::-1])
    assert outsider.text == first.text
    assert (outsider.cache, stranger.cache, member.cache) == (None, None, "exact")
    assert "40,000" in member.text
    assert "40,000" not in stranger.model_dump_json()


@pytest.mark.parametrize(
    "other",
    [
        Arm(experiment="e", variant="b"),
        Arm(experiment="e", variant="a", model="other"),
        Arm(experiment="e", variant="a", prompt="answer@2"),
    ],
    ids=["arm", "model", "prompt"],
)
async def test_arms_never_feed_one_another(opened, ask, other: Arm) -> None:
    model = Counted()
    arms = {"one": Arm(experiment="e", variant="a"), "two": other}
    named = {"other": ModelSettings(name="scripted", max_tokens=100)}
    async with opened(model, assign=arms.__getitem__, named=named) as assistant:
        first, second, again = [
            await assistant.ask(ask(CARRY_OVER, thread=u, user=u[:3])) for u in ("one", "two", "one ")
        ]
    assert (first.cache, second.cache, again.cache) == (None, None, "exact")
    assert again.variant == "a"


async def test_the_release_and_the_prompt_are_part_of_the_question(opened, ask) -> None:
    model = Counted()
    async with opened(model) as assistant:
        await assistant.ask(ask(CARRY_OVER, thread="a"))
    async with opened(model, turn=TurnSettings(prompt="answer@2")) as assistant:
        assert (await assistant.ask(ask(CARRY_OVER, thread="b"))).cache is None
    async with opened(model, assign=lambda user: Arm(release=1)) as assistant:
        assert (await assistant.ask(ask(CARRY_OVER, thread="c"))).cache is None
    async with opened(model) as assistant:
        assert (await assistant.ask(ask(CARRY_OVER, thread="d"))).cache == "exact"


async def test_what_has_changed_in_the_documents_is_never_told_as_it_was(opened, ask, tmp_path) -> None:
    corpus = Corpus.open(RetrievalSettings(), tmp_path / "changing", HashingEmbedder())

    def publish(days: str, name: str = "leave.md") -> None:
        text = f"At most {days} days of unused leave may be carried over to the next year."
        document = Document(
            id=str(uuid5(NAMESPACE_URL, name)), source=name, name=name, title="Leave",
            content_hash=hashlib.sha256(text.encode()).hexdigest(), media_type="text/markdown", size_bytes=1,
        )  # fmt: skip
        passage = Passage(
            id=str(uuid5(NAMESPACE_URL, text)), document_id=document.id, document=name, title="Leave", page=None,
            heading="", text=text, position=0,
        )  # fmt: skip
        with corpus.draft() as draft:
            draft.put(document, [passage], text.encode())
            draft.publish()

    publish("five")
    async with opened(Counted(), parts={"corpus": corpus}) as assistant:

        async def asked(thread: str) -> TurnResult:
            leave = {"where": Filters(documents=("leave.md",))}
            return await assistant.ask(ask(CARRY_OVER, thread=thread).model_copy(update=leave))

        first = await asked("a")
        publish("eleven")
        changed = await asked("b")
        assert changed.cache is None
        assert "eleven" in changed.text
        assert "five" not in changed.text
        corpus.releases().rollback()
        again = await asked("c")
        assert (again.text, again.corpus_release, again.cache) == (first.text, first.corpus_release, "exact")
        publish("ten", "other.md")
        later = await asked("d")
        assert (later.text, later.corpus_release > first.corpus_release, later.cache) == (first.text, True, None)
    corpus.close()


# What is kept


@pytest.mark.parametrize("reply", [ModelUnavailable(), ""], ids=["failed", "said nothing"])
async def test_a_failure_is_not_kept(opened, ask, cache: AnswerCache, reply: Any) -> None:
    async with opened(Counted(rules={"": reply})) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    assert result.status == "answered"
    assert len(cache) == (0 if isinstance(reply, Exception) else 1)


async def test_what_another_model_said_in_its_place_is_not_kept(opened, ask, cache: AnswerCache) -> None:
    first = ScriptedChat(rules={"": ModelUnavailable()})
    settings = ModelSettings(name="scripted", fallbacks=("other",), retries=0)
    pool = ModelPool(settings, {"other": ModelSettings(name="scripted", max_tokens=100)}, default=first)
    async with opened(first, parts={"models": pool}) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    assert [attempt.outcome for attempt in result.attempts] == ["model_unavailable", "answered"]
    assert len(cache) == 0


async def test_what_the_model_of_a_routing_rule_said_is_kept(opened, ask) -> None:
    model = Counted()
    pool = ModelPool(PRICED, {"small": ModelSettings(name="scripted", max_tokens=100)}, default=model)
    rule = RoutingRule(name="short", model="small", max_question_chars=1000)
    async with opened(model, parts={"models": pool, "routing": [rule]}) as assistant:
        first = await assistant.ask(ask(CARRY_OVER, thread="a"))
        again = await assistant.ask(ask(CARRY_OVER, thread="b"))
    assert (first.route, again.route, again.cache, model.asked) == ("short", "short", "exact", 0)


async def test_a_stopped_answer_is_not_kept(opened, ask, cache: AnswerCache) -> None:
    async with (
        opened(Counted(replies=[ENDLESS], delay_s=0.01)) as assistant,
        aclosing(assistant.stream(ask(CARRY_OVER))) as events,
    ):
        async for event in events:
            if isinstance(event, Delta):
                break
    assert len(cache) == 0


async def test_what_the_documents_dont_answer_and_small_talk_are_not_kept(opened, ask, cache: AnswerCache) -> None:
    async with opened(Counted()) as assistant:
        for question in ("Hello!", "Who won the football final of 1990?"):
            assert (await assistant.ask(ask(question))).cache is None
    assert len(cache) == 0


# The rails of today


def judging(judge: Callable[[str], Any]) -> Rails:
    checks = load_checks(RailsSettings())

    class Judge:
        def run(self, text: str) -> Any:
            return judge(text) or checks.answer.run(text)

    return Rails(lambda: replace(checks, answer=Judge()))


@pytest.mark.parametrize(("action", "left"), [("block", ""), ("redact", "You may carry over [removed]. ")])
async def test_a_kept_answer_passes_the_rails_again(opened, ask, action: Any, left: str) -> None:
    today: list[Verdict] = []

    def judge(text: str) -> Checked | None:
        return Checked(left or text, tuple(today)) if today and text.startswith(PHRASED) else None

    async with opened(Counted(replies=[PHRASED]), parts={"rails": judging(judge)}) as assistant:
        first = await assistant.ask(ask(CARRY_OVER, thread="a"))
        today.append(Verdict("topic", "output", action, "not today"))
        again = await assistant.ask(ask(CARRY_OVER, thread="b"))
    assert again.cache == "exact"
    assert again.text == first.text.replace(f"{PHRASED} [1] ", left) != first.text
    assert ("topic", action) in [(verdict.rail, verdict.action) for verdict in again.verdicts]


async def test_where_the_rails_fail_nothing_kept_is_shown(opened, ask) -> None:
    model = Counted(rules={"": PHRASED})
    fails = {"on": False}

    def judge(text: str) -> None:
        if fails["on"] and text.startswith(PHRASED):
            raise RailFailed("The rails stopped.")

    async with opened(model, parts={"rails": judging(judge)}) as assistant:
        await assistant.ask(ask(CARRY_OVER, thread="a"))
        fails["on"] = True
        again = await assistant.ask(ask(CARRY_OVER, thread="b"))
    assert (again.cache, again.error["code"]) == (None, "rails_unavailable")
    assert PHRASED not in again.text


# Many at once


async def test_eight_who_ask_the_same_at_once_are_answered_by_one_call(opened, ask) -> None:
    model = Counted(replies=[PHRASED], delay_s=0.02)
    async with opened(model) as assistant:
        results = await asyncio.gather(
            *(assistant.ask(ask(CARRY_OVER, thread=f"t{n}", user=f"u{n}")) for n in range(8))
        )
    assert model.asked == 1
    assert len({result.text for result in results}) == 1
    assert sorted(str(result.cache) for result in results) == ["None"] + 7 * ["exact"]


async def test_when_the_one_is_stopped_the_others_ask_by_themselves(opened, ask) -> None:
    model = Counted(replies=[ENDLESS, *[PHRASED] * 3], delay_s=0.01)
    async with opened(model) as assistant:
        first = assistant.stream(ask(CARRY_OVER, thread="first"))
        assert isinstance(await anext(first), Evidence)
        while not model.asked:
            await asyncio.sleep(0.005)
        others = [assistant.stream(ask(CARRY_OVER, thread=f"t{n}")) for n in range(3)]
        for events in others:
            assert isinstance(await anext(events), Evidence)
        await first.aclose()
        results = await asyncio.gather(*map(result_of, others))
    assert {result.status for result in results} == {"answered"}
    assert all(PHRASED in result.text for result in results)
    assert model.asked > 1


async def result_of(events: AsyncIterator[Any]) -> TurnResult:
    async for event in events:
        if isinstance(event, Finished):
            return event.result
    raise AssertionError("a turn ends with Finished")
