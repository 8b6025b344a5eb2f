"""How families of models write the calls of tools into their answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class ToolUse(NamedTuple):
    """What a model wants to be called."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class CallForm:
    """One family's way of writing a call: JSON with the tool's name and arguments, and what stands around it."""

    marks: tuple[str, ...]
    """A chat template that holds all of them has its model write calls like this."""
    begin: str = ""
    end: str = ""
    """Stands behind the JSON; nothing where a call goes on to the end of the answer."""
    arguments: str = "arguments"
    """The field of the arguments."""
    listed: bool = False
    """Whether the JSON is a list of calls."""

    def openings(self, names: Sequence[str]) -> list[str]:
        """What an answer turns into a call with, where these tools may be called."""
        if self.begin:
            return [self.begin.strip()] if names else []
        return [f'{{"name": "{name}"' for name in names]

    def written(self, name: str, arguments: Mapping[str, Any]) -> str:
        """A call as the model would write it."""
        call = {"name": name, self.arguments: arguments}
        return self.begin + json.dumps([call] if self.listed else call, ensure_ascii=False) + self.end

    def read(self, text: str) -> list[ToolUse]:
        """The calls that a piece of an answer is. Raises ValueError where it is none."""
        body = text.strip().removeprefix(self.begin.strip()).removesuffix(self.end.strip())
        value = json.loads(body, strict=False)
        calls = [self._use(call) for call in (value if self.listed else [value])]
        if not calls:
            raise ValueError("there is no call in it")
        return calls

    def _use(self, call: Any) -> ToolUse:
        arguments = call.get(self.arguments) if isinstance(call, dict) else None
        if not isinstance(arguments, dict) or not isinstance(call.get("name"), str):
            raise ValueError("a call has a name, and arguments by their names")
        return ToolUse(call["name"], arguments)


HERMES = CallForm(("<tool_call>", '"arguments'), begin="<tool_call>\n", end="\n</tool_call>")
MISTRAL = CallForm(("[TOOL_CALLS][",), begin="[TOOL_CALLS]", listed=True)
LLAMA = CallForm(('"parameters": dictionary',), arguments="parameters")


def form_of(template: str) -> CallForm | None:
    """The form of the calls that a chat template teaches its model; None for one that teaches none of these."""
    return next((form for form in (HERMES, MISTRAL, LLAMA) if all(mark in template for mark in form.marks)), None)
