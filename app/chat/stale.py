"""Old answers say what has changed since beneath them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from agents.answering.markdown import one_line
from app.chat.history import Json
from app.chat.markdown import for_page
from app.evidence import StaleSource

log = logging.getLogger(__name__)

StaleSources = Callable[[str], Mapping[str, Sequence[StaleSource]]]
"""The sources of a thread's answers that have changed since, by turn."""


def say_what_changed(stale_sources: StaleSources, thread: Json) -> None:
    """Write a note below each answer of the thread whose sources have changed, and mark those sources.

    What is stored stays as it is. A thread is shown without notes rather than not at all.
    """
    try:
        stale = stale_sources(thread["id"])
    except Exception:
        log.exception("the thread %s is shown without what has changed since", thread["id"])
        return
    for turn_id, sources in stale.items():
        answers = [step for step in thread["steps"] if _answers(step, turn_id)]
        if answers:
            answers[-1]["output"] = f"{answers[-1]['output'].rstrip()}\n\n{note(sources)}"
            _mark(thread["elements"], answers[-1]["id"], sources)


def note(sources: Sequence[StaleSource]) -> str:
    """The note as Markdown: which documents have changed, and which are no longer there."""
    changed = _said("changed", (source.document for source in sources if not source.gone))
    removed = _said("removed", (source.document for source in sources if source.gone))
    return for_page(f"*{' '.join(filter(None, [changed, removed]))}*")


def panel_note(changed: int | None, gone: int | None) -> str:
    """What stands above a source that has changed in, or gone with, a release; nothing above any other."""
    if gone is not None:
        return f"> Source removed since, with release {gone}. This is the text that the answer rests on.\n\n"
    if changed is not None:
        return f"> Source changed since, in release {changed}. This is the text that the answer rests on.\n\n"
    return ""


def _answers(step: Json, turn_id: str) -> bool:
    return step["type"] == "assistant_message" and step.get("parentId") == turn_id


def _mark(elements: Iterable[Json], answer_id: str, sources: Sequence[StaleSource]) -> None:
    """The address of a source says what has become of it: its content is stored as the answer was given."""
    marks = {f"[{one.number}]": f"?{'gone' if one.gone else 'changed'}={one.since}" for one in sources}
    for element in elements:
        if element.get("forId") == answer_id and element.get("url"):
            element["url"] += marks.get(element["name"], "")


def _said(what: str, documents: Iterable[str]) -> str:
    names = list(dict.fromkeys(one_line(name) for name in documents))
    return f"{'Sources' if len(names) > 1 else 'Source'} {what} since: {', '.join(names)}." if names else ""
