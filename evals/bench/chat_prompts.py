"""Prompts of chats that share what a team's chats share: instructions, and some passages."""

from __future__ import annotations

from itertools import count

from evals.setup import DOCS

INSTRUCTIONS = (
    "You answer questions about a handbook. Use only what the passages say, and repeat numbers and names exactly. "
    "Write whole sentences and explain what you say in detail. If the passages do not answer, say so."
)
QUESTIONS = (
    "What does this say?",
    "Which steps must be taken, and in which order?",
    "What is refused, and why?",
    "Which settings are named, and what do they change?",
    "What should a new colleague know of it?",
    "What happens when something fails?",
    "Which limits are there?",
    "How would you summarise it?",
)
_STEP_CHARS = 331
"""Two passages begin at different places of the manual."""

Messages = list[dict[str, str]]


class Prompts:
    """Rounds of prompts, of which none begins as one of another round beyond the instructions."""

    def __init__(self, passage_chars: int) -> None:
        self._chars = passage_chars
        self._manual = "\n".join((DOCS / name).read_text(encoding="utf-8") for name in ("settings.md", "ingest.md"))
        self._numbers = count()

    def round(self, chats: int) -> list[Messages]:
        """One prompt for each chat: the instructions, a passage that two share, one of its own, and a question."""
        shared = [self._passage() for _ in range((chats + 1) // 2)]
        return [
            [
                {"role": "system", "content": INSTRUCTIONS},
                {"role": "user", "content": f"{shared[chat // 2]}\n\n{self._passage()}\n\nQuestion: {_question(chat)}"},
            ]
            for chat in range(chats)
        ]

    def _passage(self) -> str:
        number = next(self._numbers)
        start = number * _STEP_CHARS % (len(self._manual) - self._chars)
        return f"Passage {number}: {self._manual[start : start + self._chars]}"


def _question(chat: int) -> str:
    return QUESTIONS[chat % len(QUESTIONS)]
