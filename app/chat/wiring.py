"""Hands the running Parley to Chainlit's handlers.

Chainlit loads `app/main.py` by path and calls its module-level functions, so they cannot be given arguments:
this is the one place of the project that keeps a value in a module.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from app.auth.sessions import Sessions
from app.bootstrap import Parley
from app.chat.data import ChatData
from app.chat.feedback import FeedbackSink
from app.chat.history import Json
from app.chat.stale import say_what_changed
from app.chat.starters import Starters
from app.chat.withheld import withhold


@dataclass(frozen=True)
class Wiring:
    """What the handlers work with."""

    parley: Parley
    sessions: Sessions
    data: ChatData
    starters: Starters


_connected: list[Wiring] = []


def connect(parley: Parley, sessions: Sessions) -> Wiring:
    """Let the handlers serve this Parley from now on."""
    sink = FeedbackSink(parley.traces, parley.settings.tracing.project, parley.secret.user_hash)
    data = ChatData.open(
        parley.settings.data_dir / "chat.db",
        parley.accounts,
        redact=parley.rails.redact,
        on_rated=sink.rate,
        on_unrated=sink.undo,
        on_thread_deleted=parley.forget,
        annotate=partial(_as_it_is_now, parley),
    )
    wiring = Wiring(parley, sessions, data, Starters(parley.corpus, parley.settings.answering))
    _connected[:] = [wiring]
    return wiring


def _as_it_is_now(parley: Parley, thread: Json) -> None:
    """Say what has changed since beneath a thread's answers, and withhold those that its user may not read any more."""
    say_what_changed(parley.evidence.stale_sources, thread)
    account = parley.accounts.get(thread["userId"])
    withhold(parley.clearance.withheld(thread["id"], account.groups if account else ()), thread)


def connected() -> Wiring:
    """What is being served."""
    return _connected[0]
