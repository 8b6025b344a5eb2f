"""Prompt files into chat messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from agents.answering.quotes import Quote

_FOLDER = Path(__file__).parent
_SEPARATOR = "\n---\n"


class UnknownPrompt(ValueError):
    """No prompt file has this name."""


@dataclass(frozen=True)
class Prompt:
    """One version of what the model is told."""

    version: str
    """Its name, such as `answer@1`."""
    system: str
    user: str
    """Template of the user's message, with `$question` and `$quotes`."""

    def render(self, question: str, quotes: Sequence[Quote]) -> list[BaseMessage]:
        """The messages for one question; each quote is a line `[n] text`."""
        lines = "\n".join(f"[{quote.number}] {_line(quote)}" for quote in quotes)
        content = Template(self.user).substitute(question=question.strip(), quotes=lines)
        return [SystemMessage(self.system), HumanMessage(content)]


def known_prompts() -> list[str]:
    """The names of all prompts."""
    return sorted(path.stem for path in _FOLDER.glob("*@*.md"))


def load_prompt(name: str) -> Prompt:
    """Read `NAME@VERSION`; raises `UnknownPrompt`, which names the known ones."""
    if name not in known_prompts():
        raise UnknownPrompt(f"There is no prompt {name!r}; there are: {', '.join(known_prompts())}.")
    system, _, user = (_FOLDER / f"{name}.md").read_text(encoding="utf-8").partition(_SEPARATOR)
    return Prompt(version=name, system=system.strip(), user=user.strip())


def _line(quote: Quote) -> str:
    heading = quote.hit.passage.heading.rsplit(" > ", 1)[-1]
    text = " ".join(quote.text.split())
    return f"{heading}: {text}" if heading else text
