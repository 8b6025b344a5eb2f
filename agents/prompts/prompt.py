"""What the model is told, and what of it may vary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from agents.answering.quotes import Quote
from agents.prompts.errors import PromptRefused

SEPARATOR = "\n---\n"
"""Between the two messages, in a file."""
VARIABLES = ("question", "quotes")
MAX_CHARS = 8000
"""Of both messages together, before the question and the quotes are filled in: half of a small model's context."""
_MAX_USES = 2
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Prompt:
    """One version of what the model is told: templates with `$question` and `$quotes`, and `$$` for a dollar sign."""

    version: str
    """Its name, such as `answer@1`, or its commit in the prompt hub."""
    system: str
    user: str

    @property
    def text(self) -> str:
        """Both messages, as a prompt file holds them."""
        return f"{self.system}{SEPARATOR}{self.user}"

    def render(self, question: str, quotes: Sequence[Quote]) -> list[BaseMessage]:
        """The messages for one question; each quote is a line `[n] text`."""
        lines = "\n".join(f"[{quote.number}] {_line(quote)}" for quote in quotes)
        values = {"question": question.strip(), "quotes": lines}
        return [
            SystemMessage(Template(self.system).substitute(values)),
            HumanMessage(Template(self.user).substitute(values)),
        ]


def require_usable(prompt: Prompt) -> Prompt:
    """The prompt, if a turn can use it. Raises `PromptRefused`."""
    text = prompt.text
    if not prompt.system or not prompt.user:
        raise PromptRefused("One of its two messages is empty; write both.")
    if len(text) > MAX_CHARS:
        raise PromptRefused(f"It has {len(text)} characters, and may have {MAX_CHARS}; shorten it.")
    if found := _CONTROL.search(text):
        raise PromptRefused(f"It holds the control character {found[0]!r}; take it out.")
    if not Template(text).is_valid():
        raise PromptRefused("It holds a dollar sign that stands for nothing; write $$ for one.")
    _require_variables(text)
    return prompt


def _require_variables(text: str) -> None:
    used = [found["named"] or found["braced"] for found in Template.pattern.finditer(text) if not found["escaped"]]
    if unknown := sorted(set(used) - set(VARIABLES)):
        raise unknown_variable(unknown[0])
    for name in VARIABLES:
        if not 1 <= used.count(name) <= _MAX_USES:
            raise PromptRefused(f"It uses the variable {name} {used.count(name)} times; use it once or twice.")


def unknown_variable(name: str) -> PromptRefused:
    """What to raise for a variable that no turn fills in."""
    return PromptRefused(f"It uses the variable {name!r}; there are only question and quotes.")


def _line(quote: Quote) -> str:
    heading = quote.hit.passage.heading.rsplit(" > ", 1)[-1]
    text = " ".join(quote.text.split())
    return f"{heading}: {text}" if heading else text
