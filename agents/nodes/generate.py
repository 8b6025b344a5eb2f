"""generate: a model phrases the quotes; each of its sentences is checked before a character of it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from math import ceil

from langgraph.runtime import Runtime

from agents.answering.claims import ClaimFilter
from agents.answering.quotes import Quote
from agents.chain import Chain
from agents.context import Reading
from agents.errors import DeadlineExceeded, ModelBusy, OverBudget, RailsUnavailable, Refused, TooLong, TurnError
from agents.state import Turn, TurnState
from agents.turn import Attempt, Delta, Notice, Waiting
from rails import RailFailed, SentenceGate

CUT = "*The answer breaks off here.*"
NEARLY_FULL = 0.8
"""Share of a model's context from which on the reader is told."""
_LOOK_EVERY_S = 0.3
_WHY = {
    ModelBusy.code: "The model is busy with other users.",
    DeadlineExceeded.code: "The model took too long.",
    TooLong.code: "This is too long for the model.",
    Refused.code: "The model refused to answer.",
    RailsUnavailable.code: "The model's words could not be checked.",
}


async def generate(state: TurnState, runtime: Runtime[Turn]) -> None:
    """Stream the sentences of a model through the citation check and the output rails.

    Models or rails that fail leave what is shown as the answer, if only the quotes, and the reader is told why.
    """
    turn = runtime.context
    turn.result.prompt_version = turn.prompt.version
    speech = CheckedSpeech(runtime, state["quotes"])
    try:
        chain = Chain(turn, Reading(turn.prompt, state["search_question"], state["quotes"]), speech)
        async with told_of_waiting(runtime):
            await chain.ask(turn.parts.models.chain(state["first_model"]))
        tell_of_ladder(turn.result.attempts, runtime.stream_writer)
        tell_of_context(turn.result.attempts[-1], len(state["quotes"]), runtime.stream_writer)
    except TurnError as error:
        fall_back(error, speech, runtime)
    except RailFailed:
        fall_back(RailsUnavailable(), speech, runtime)


class CheckedSpeech:
    """Shows what the citation check and the output rails leave of a model's sentences."""

    def __init__(self, runtime: Runtime[Turn], quotes: Sequence[Quote]) -> None:
        self.shown = False
        self._runtime = runtime
        self._quotes = quotes

    async def take(self, text: AsyncIterator[str]) -> None:
        """Take a model's text from its beginning. Raises `RailFailed`."""
        turn = self._runtime.context
        claims = ClaimFilter(self._quotes, turn.result.question, turn.parts.answering)
        async for sentence in whole_sentences(text):
            await self._show(sentence, claims)
            if claims.complete:
                return

    async def _show(self, sentence: str, claims: ClaimFilter) -> None:
        turn = self._runtime.context
        supported = claims.feed(sentence)
        turn.result.sentences, turn.result.unsupported = claims.sentences, claims.unsupported
        if supported is None:
            return
        checked = await asyncio.to_thread(turn.parts.rails.check_output, supported)
        turn.note(checked.verdicts)
        if not checked.blocked:
            self._runtime.stream_writer(Delta(text=checked.text))
            self.shown = True


def fall_back(error: TurnError, speech: CheckedSpeech, runtime: Runtime[Turn]) -> None:
    """Let what is shown be the answer, and say what happened."""
    runtime.context.result.error = {"code": error.code, "message": error.message}
    if speech.shown:
        runtime.stream_writer(Delta(text=f"\n\n{CUT}"))
    else:
        runtime.stream_writer(Notice(text=f"{_why(error)} These are the passages themselves."))


def _why(error: TurnError) -> str:
    """What kept the models from answering, for the reader."""
    if isinstance(error, OverBudget):
        return error.message
    return _WHY.get(error.code, "The model could not be reached.")


def tell_of_ladder(attempts: Sequence[Attempt], write: Callable[[Notice], None]) -> None:
    """Say so where another model answered than the one that the budget was too small for."""
    spent = [attempt.reason for attempt in attempts if attempt.outcome == OverBudget.code]
    if spent:
        write(Notice(text=f"{spent[0]} Answered by {attempts[-1].model}."))


def tell_of_context(attempt: Attempt, quotes: int, write: Callable[[Notice], None]) -> None:
    """Say so where the model could not read all that is quoted, or might not if the question were longer."""
    if attempt.quotes_left_out:
        read = quotes - attempt.quotes_left_out
        write(Notice(text=f"The model had room for {read} of the {quotes} quotes; its answer rests on these alone."))
    elif attempt.context_share > NEARLY_FULL:
        share = f"{attempt.context_share:.0%}"
        write(
            Notice(text=f"Question and quotes fill {share} of what the model can read; a longer question costs quotes.")
        )


async def whole_sentences(text: AsyncIterator[str]) -> AsyncGenerator[str, None]:
    """The stream's sentences, each as soon as it is complete."""
    gate = SentenceGate()
    async for piece in text:
        for sentence in gate.feed(piece):
            yield sentence
    for sentence in gate.flush():
        yield sentence


@asynccontextmanager
async def told_of_waiting(runtime: Runtime[Turn]) -> AsyncIterator[None]:
    """Say, for as long as the turn stands in line before a local model, at which place and how long."""
    telling = asyncio.create_task(tell_of_waiting(runtime.context, runtime.stream_writer))
    try:
        yield
    finally:
        telling.cancel()


async def tell_of_waiting(turn: Turn, write: Callable[[Waiting], None]) -> None:
    """Write the place and the wait whenever the place has changed."""
    told = 0
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        outlook = turn.parts.models.outlook(str(turn.request.turn_id), turn.asked)
        if outlook and outlook.place != told:
            told = outlook.place
            write(Waiting(place=told, wait_s=ceil(outlook.wait_s)))
