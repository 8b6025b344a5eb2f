"""Patterns in JSON Schemas, matched in time that grows with the text alone.

Python's own `re` can be made to search for years, and holds up every other thread meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Validator
from jsonschema.exceptions import ValidationError
from pydantic_core import SchemaError, SchemaValidator, core_schema

from app.ops.store.errors import InvalidRecord

Errors = Iterator[ValidationError]


def check_patterns(field: str, schema: Any) -> None:
    """Make sure that every pattern in a schema, without its own `$schema`, can be matched so. Raises InvalidRecord."""
    if isinstance(schema, list):
        for part in schema:
            check_patterns(field, part)
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$schema"), str):
            raise InvalidRecord(f"{field}: $schema stands at the top only.")
        if "patternProperties" in schema and "unevaluatedProperties" in schema:
            raise InvalidRecord(f"{field}: Use additionalProperties beside patternProperties; the other is not served.")
        for pattern in _patterns(schema):
            _require_matcher(field, pattern)
        for part in schema.values():
            check_patterns(field, part)


def pattern(validator: Validator, pattern: str, instance: Any, schema: Mapping[str, Any]) -> Errors:
    """The keyword of that name."""
    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield ValidationError(f"{instance[:100]!r} does not match {pattern!r}")


def pattern_properties(validator: Validator, patterns: Any, instance: Any, schema: Mapping[str, Any]) -> Errors:
    """The keyword of that name."""
    if validator.is_type(instance, "object"):
        for pattern, part in patterns.items():
            for key in (key for key in instance if _matches(pattern, key)):
                yield from validator.descend(instance[key], part, path=key, schema_path=pattern)


def additional_properties(validator: Validator, allowed: Any, instance: Any, schema: Mapping[str, Any]) -> Errors:
    """The keyword of that name."""
    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key in instance:
        if key in known or any(_matches(pattern, key) for pattern in patterns):
            continue
        if validator.is_type(allowed, "object"):
            yield from validator.descend(instance[key], allowed, path=key)
        elif not allowed:
            yield ValidationError(f"{key!r} is not a property that is expected here")


def _patterns(schema: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(found := schema.get("pattern"), str):
        yield found
    if isinstance(found := schema.get("patternProperties"), Mapping):
        yield from found


def _require_matcher(field: str, pattern: str) -> None:
    try:
        _matcher(pattern)
    except SchemaError as error:
        raise InvalidRecord(
            f"{field}: The pattern {pattern[:200]!r} cannot be used. Write it without look-around and back-references."
        ) from error


def _matches(pattern: str, text: str) -> bool:
    return _matcher(pattern).isinstance_python(text)


@lru_cache(maxsize=1000)
def _matcher(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, strict=True))
