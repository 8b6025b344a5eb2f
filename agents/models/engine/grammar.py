"""From a JSON schema to the grammar that keeps an answer to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.utils.json_schema import dereference_refs
from llama_cpp.llama_grammar import SchemaConverter

from agents.errors import Refused
from agents.models.engine.bounds import bounded
from agents.models.engine.forms import CallForm
from agents.models.engine.template import ToolSpec

_STYLE = {
    r'[^"\\] |': r'[^"\\\x7F\x00-\x1F] |',  # JSON has no bare line break or tab inside of a text
    '":" space': '": "',
    '"," space': '", "',
    'space ::= " "?': 'space ::= ""',
}
"""One way of spacing, the one that models have read most, where the converter's grammar leaves it to the model."""


def schema_grammar(schema: Mapping[str, Any], max_tokens: int) -> str:
    """GBNF for the JSON values that a schema allows and that so many tokens hold. Raises `Refused` for what is none."""
    with _refused("The JSON schema"):
        return _converted(bounded(schema, max_tokens))


def call_grammar(form: CallForm, tools: Sequence[ToolSpec], max_tokens: int) -> str:
    """GBNF for a call of one of the tools. Raises `Refused` for a tool whose schema cannot be one."""
    with _refused("The tools' schema"):
        calls = [bounded(_call_schema(form, tool["function"]), max_tokens) for tool in tools]
        rules = re.sub(r"^root ::=", "call ::=", _converted({"oneOf": calls}), flags=re.MULTILINE)
    call = '"[" call "]"' if form.listed else "call"
    return f"root ::= {json.dumps(form.begin)} {call} {json.dumps(form.end)}\n{rules}"


def _call_schema(form: CallForm, function: Mapping[str, Any]) -> dict[str, Any]:
    arguments = dereference_refs(dict(function.get("parameters") or {}))
    arguments.pop("$defs", None)
    if not arguments.get("properties"):
        arguments = {"const": {}}
    properties = {"name": {"const": function["name"]}, form.arguments: arguments}
    return {"type": "object", "properties": properties, "required": list(properties)}


class _Converter(SchemaConverter):
    """llama.cpp's own, which forgets to escape the backslashes in what it spells out."""

    def _format_literal(self, literal: str) -> str:
        return json.dumps(literal, ensure_ascii=False)

    def _generate_constant_rule(self, value: Any) -> str:
        return self._format_literal(json.dumps(value, ensure_ascii=False))


def _converted(schema: dict[str, Any]) -> str:
    converter = _Converter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    converter.visit(converter.resolve_refs(schema, ""), "")
    grammar = converter.format_grammar()
    for theirs, ours in _STYLE.items():
        grammar = grammar.replace(theirs, ours)
    return grammar


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """Whatever the converter raises is the schema's fault."""
    try:
        yield
    except Exception as error:
        raise Refused(f"{what} cannot be turned into a grammar: {error}") from error
