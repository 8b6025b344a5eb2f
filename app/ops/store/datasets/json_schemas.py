"""JSON Schemas, checked and applied. Nothing is ever fetched for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import Draft202012Validator, extend, validator_for
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable

from app.ops.store.datasets.schema_patterns import additional_properties, check_patterns, pattern, pattern_properties
from app.ops.store.errors import InvalidRecord

_PUBLIC = "https://api.smith.langchain.com/public/schemas/v1"
_MESSAGE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"type": "string"},
        "content": {"type": ["string", "array", "object", "null"]},
        "tool_calls": {"type": ["array", "null"], "items": {"type": "object"}},
    },
}
_TOOL = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["type", "function"],
    "properties": {
        "type": {"type": "string"},
        "function": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    },
}
_KNOWN: Registry[Any] = Registry().with_resources(
    [
        (f"{_PUBLIC}/message.json", Resource.from_contents(_MESSAGE)),
        (f"{_PUBLIC}/tooldef.json", Resource.from_contents(_TOOL)),
    ]
)
"""The shapes that LangSmith publishes for others to refer to."""

_KEYWORDS = {
    "pattern": pattern,
    "patternProperties": pattern_properties,
    "additionalProperties": additional_properties,
}
Schema = Mapping[str, Any]


def check_schema(field: str, schema: Schema) -> None:
    """Make sure that this is a JSON Schema. Raises InvalidRecord."""
    if not isinstance(schema.get("$schema", ""), str):
        raise InvalidRecord(f"{field} is not a JSON Schema: $schema is not a text.")
    try:
        validator_for(schema, Draft202012Validator).check_schema(schema)
        check_patterns(field, _without_dialect(schema))
    except SchemaError as error:
        raise InvalidRecord(f"{field} is not a JSON Schema: {error.message[:500]}.") from error
    except RecursionError as error:
        raise InvalidRecord(f"{field} is nested too deep.") from error


class Fit:
    """Whether a value fits a schema."""

    def __init__(self, name: str, schema: Schema) -> None:
        linear: type[Validator] = extend(validator_for(schema, Draft202012Validator), _KEYWORDS)
        # A part with a dialect of its own would be checked by that dialect's own keywords.
        self._validator = linear(_without_dialect(schema), registry=_KNOWN)
        self._name = name

    def check(self, value: Mapping[str, Any]) -> None:
        """Raises InvalidRecord that says where it does not."""
        try:
            error = next(self._validator.iter_errors(value), None)
        except Unresolvable as problem:
            raise InvalidRecord(
                f"The schema of the {self._name} refers to {problem.ref!r}, which is not known here."
            ) from problem
        except RecursionError as problem:
            raise InvalidRecord(f"The schema of the {self._name} has no end.") from problem
        if error is not None:
            raise InvalidRecord(_sentence(self._name, error))


def _without_dialect(schema: Schema) -> Schema:
    return {name: part for name, part in schema.items() if name != "$schema"}


def _sentence(name: str, error: ValidationError) -> str:
    where = ".".join([name, *(str(step) for step in error.absolute_path)])
    return f"The example does not fit the schema of its dataset: {where}: {error.message[:500]}."
