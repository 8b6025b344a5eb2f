"""reuse: what a model has said of the same question and the same evidence before, without asking it again."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agents.cache.basis import Basis, evidence_of
from agents.cache.cache import Reused
from agents.models.settings import DEFAULT
from agents.routing import Asked, first_that_holds
from agents.state import Turn, TurnState
from agents.turn import Delta
from rails import RailFailed

_WAIT = 0.5
"""Share of a turn's time that it waits for another's answer, so that enough is left to ask a model itself."""


async def reuse(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Show the kept answer, through today's output rails; where there is none, the turn may ask a model."""
    turn = runtime.context
    model, wait_s = first_model(turn, state), turn.left_s() * _WAIT
    found = await turn.parts.cache.find(basis(turn, state, model), state["search_question"], wait_s=wait_s)
    if isinstance(found, Reused):
        return {"first_model": model, "reused": await shown_again(found, runtime)}
    turn.asking = found
    return {"first_model": model, "reused": False}


def reused(state: TurnState) -> bool:
    """Whether no model need be asked."""
    return state["reused"]


def first_model(turn: Turn, state: TurnState) -> str | None:
    """The one to begin with: the arm's, else that of the first routing rule that holds, else None, the default."""
    if turn.arm.model is not None:
        return turn.arm.model
    asked = Asked(
        question=state["search_question"],
        quotes=[quote.text for quote in state["quotes"]],
        answerability=turn.result.answerability or 0.0,
        groups=turn.request.asker.groups,
    )
    rule = first_that_holds(turn.parts.routing, asked)
    turn.result.route = rule.name if rule else ""
    return rule.model if rule and rule.model != DEFAULT else None


def basis(turn: Turn, state: TurnState, model: str | None) -> Basis:
    """What an answer would rest on that begins with this model."""
    return Basis(
        evidence=evidence_of(state["quotes"]),
        prompt=turn.prompt,
        model=turn.parts.models.settings_of(model),
        release=turn.result.corpus_release,
        arm=turn.arm,
        groups=frozenset(turn.request.asker.groups),
    )


async def shown_again(found: Reused, runtime: Runtime[Turn]) -> bool:
    """Show a kept answer and record what it spares; False where the rails fail, and nothing is shown."""
    turn, answer = runtime.context, found.answer
    try:
        checked = await asyncio.to_thread(lambda: [*map(turn.parts.rails.check_output, answer.sentences)])
    except RailFailed:
        return False
    for sentence in checked:
        turn.note(sentence.verdicts)
        if not sentence.blocked:
            runtime.stream_writer(Delta(text=sentence.text))
    result = turn.result
    result.cache, result.model, result.prompt_version = found.kind, answer.model, answer.prompt_version
    result.saved_usd, result.saved_s, result.saved_tokens = answer.cost_usd, answer.seconds, answer.tokens
    return True
