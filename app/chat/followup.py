"""Telling users what became of their thumbs-down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

import chainlit as cl

from app.chat.markdown import for_page
from app.chat.wiring import Wiring
from app.complaints import good_news
from app.ops.store.complaints import Complaint
from retrieval.passages import EVERYONE

log = logging.getLogger(__name__)


async def tell_good_news(wiring: Wiring) -> None:
    """Show the new answers to questions that this user complained about, once."""
    account = wiring.sessions.account_of(cl.user_session.get("user"))
    if account is None:
        return
    complaints = wiring.parley.store.complaints
    try:
        fixed = await asyncio.to_thread(complaints.untold, wiring.parley.asker(account).user_hash)
        if fixed:
            withheld = await asyncio.to_thread(_not_for_everybody, wiring, fixed)
            await cl.Message(content=for_page(good_news(fixed, withheld)), author="Parley").send()
            await asyncio.to_thread(complaints.told, [one.run_id for one in fixed])
    except Exception:
        log.exception("what became of complaints could not be told; it is tried again with the next chat")


def _not_for_everybody(wiring: Wiring, fixed: Sequence[Complaint]) -> set[UUID]:
    """The runs whose answers rest on what not everybody may read: a message that is told stays, whoever reads then."""
    clearance = wiring.parley.clearance
    return {UUID(turn) for one in fixed if one.thread_id for turn in clearance.withheld(one.thread_id, [EVERYONE])}
