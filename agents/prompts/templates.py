"""Templates of LangChain into ours and back. Only a plain variable passes: no attribute, no section, no code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from string import Formatter, Template

from agents.prompts.errors import PromptRefused
from agents.prompts.prompt import VARIABLES, unknown_variable

_TAG = re.compile(r"\{\{\{(?P<whole>[^{}]*)\}\}\}|\{\{(?P<sign>[&#^/>!=]?)(?P<name>[^{}]*)\}\}")
_MARKED = {name: f"\x00{name}\x00" for name in VARIABLES}


def literal(text: str) -> str:
    """A template that says just this."""
    return text.replace("$", "$$")


def from_f_string(template: str) -> str:
    """`{question}` into `$question`. Raises `PromptRefused`."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise PromptRefused(f"Its braces don't pair up ({error}); write {{{{ or }}}} for one that is meant.") from None
    return _unbraced("".join(literal(text) + _field(name, spec, conversion) for text, name, spec, conversion in pieces))


def from_mustache(template: str) -> str:
    """`{{question}}` into `$question`. Raises `PromptRefused`."""
    converted, end = "", 0
    for tag in _TAG.finditer(template):
        if tag["sign"] not in (None, "", "&"):
            raise PromptRefused(f"It holds {tag[0]!r}; of mustache, only variables are understood.")
        name = (tag["whole"] or tag["name"] or "").strip()
        converted += literal(template[end : tag.start()]) + _variable(name)
        end = tag.end()
    return _unbraced(converted + literal(template[end:]))


FORMATS: Mapping[str, Callable[[str], str]] = {"f-string": from_f_string, "mustache": from_mustache}
"""What LangChain calls them. Its third, jinja2, can hold code and is not read."""


def to_f_string(template: str) -> str:
    """`$question` into `{question}`."""
    text = Template(template).substitute(_MARKED).replace("{", "{{").replace("}", "}}")
    for name, mark in _MARKED.items():
        text = text.replace(mark, f"{{{name}}}")
    return text


def _field(name: str | None, spec: str | None, conversion: str | None) -> str:
    if name is None:
        return ""
    if spec or conversion:
        raise PromptRefused(f"It formats the variable {name!r}; write {{{name}}} alone.")
    return _variable(name)


def _variable(name: str) -> str:
    if name not in VARIABLES:
        raise unknown_variable(name)
    return f"${{{name}}}"


def _unbraced(template: str) -> str:
    """`$question` for `${question}`, as people write it, unless a letter or digit follows."""

    def shorter(found: re.Match[str]) -> str:
        follows = template[found.end() : found.end() + 1]
        return f"${found['braced']}" if found["braced"] and not re.match(r"\w", follows) else found[0]

    return Template.pattern.sub(shorter, template)
