"""reuse: what a model has said of the same question and the same evidence before, without asking it again."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agents.cache.basis import Basis, evidence_of
from agents.cache.cache import Reused
from agents.nodes.generate import first_model
from agents.state import Turn, TurnState
from agents.turn import Delta
from rails import RailFailed

_WAIT = 0.5
"""Share of a turn's time that it waits for another's answer, so that enough is left to ask a model itself."""


async def reuse(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Show the kept answer, through today's output rails; where there is none, the turn may ask a model."""
    turn = runtime.context
    wait_s = turn.left_s() * _WAIT
    found = await turn.parts.cache.find(basis(turn, state), state["search_question"], wait_s=wait_s)
    if isinstance(found, Reused):
        return {"reused": await shown_again(found, runtime)}
    turn.asking = found
    return {"reused": False}


def reused(state: TurnState) -> bool:
    """Whether no model need be asked."""
    return state["reused"]


def basis(turn: Turn, state: TurnState) -> Basis:
    """What a model's answer would rest on."""
    return Basis(
        evidence=evidence_of(state["quotes"]),
        prompt=turn.prompt,
        model=turn.parts.models.settings_of(first_model(turn, state)),
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
