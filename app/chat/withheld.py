"""Old answers that their reader may no longer read."""

from __future__ import annotations

from collections.abc import Collection

from app.chat.history import Json

WITHHELD = "*This answer is no longer shown: it rests on a document that you may not read any more.*"


def withhold(turns: Collection[str], thread: Json) -> None:
    """Take the answers of these turns out of the thread, and their sources. What is stored stays as it is."""
    said = [step for step in thread["steps"] if step["type"] == "assistant_message"]
    answers = [step for step in said if step.get("parentId") in turns]
    for answer in answers:
        answer["output"] = WITHHELD
    hidden = {answer["id"] for answer in answers}
    thread["elements"] = [element for element in thread["elements"] if element.get("forId") not in hidden]
