"""JSON Schemas that the examples of a dataset must fit. Nothing is ever fetched for them."""

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


def check_schema(field: str, schema: Schema | None) -> None:
    """Make sure that this is a JSON Schema. Raises InvalidRecord."""
    if schema is None:
        return
    if not isinstance(schema.get("$schema", ""), str):
        raise InvalidRecord(f"{field} is not a JSON Schema: $schema is not a text.")
    try:
        validator_for(schema, Draft202012Validator).check_schema(schema)
        check_patterns(field, _without_dialect(schema))
    except SchemaError as error:
        raise InvalidRecord(f"{field} is not a JSON Schema: {error.message[:500]}.") from error
    except RecursionError as error:
        raise InvalidRecord(f"{field} is nested too deep.") from error


class ExampleCheck:
    """Whether inputs and outputs fit the schemas of their dataset."""

    def __init__(self, inputs_schema: Schema | None, outputs_schema: Schema | None) -> None:
        self._inputs = _validator(inputs_schema)
        self._outputs = _validator(outputs_schema)

    def check(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None) -> None:
        """Raises InvalidRecord that says where the example does not fit; outputs may always be left out."""
        _fits(self._inputs, "inputs", inputs)
        if outputs is not None:
            _fits(self._outputs, "outputs", outputs)


def _validator(schema: Schema | None) -> Validator | None:
    if schema is None:
        return None
    linear: type[Validator] = extend(validator_for(schema, Draft202012Validator), _KEYWORDS)
    # A part with a dialect of its own would be checked by that dialect's own keywords.
    return linear(_without_dialect(schema), registry=_KNOWN)


def _without_dialect(schema: Schema) -> Schema:
    return {name: part for name, part in schema.items() if name != "$schema"}


def _fits(validator: Validator | None, name: str, value: Mapping[str, Any]) -> None:
    if validator is None:
        return
    try:
        error = next(validator.iter_errors(value), None)
    except Unresolvable as problem:
        raise InvalidRecord(
            f"The schema of the {name} refers to {problem.ref!r}, which is not known here."
        ) from problem
    except RecursionError as problem:
        raise InvalidRecord(f"The schema of the {name} has no end.") from problem
    if error is not None:
        raise InvalidRecord(_sentence(name, error))


def _sentence(name: str, error: ValidationError) -> str:
    where = ".".join([name, *(str(step) for step in error.absolute_path)])
    return f"The example does not fit the schema of its dataset: {where}: {error.message[:500]}."
