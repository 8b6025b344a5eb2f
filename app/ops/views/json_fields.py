"""JSON that people write into forms, and what is said when it is not JSON."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json


def json_object(what: str, text: str) -> dict[str, Any] | None:
    """The object in a text, None for an empty one. Raises ValueError with a sentence about `what`."""
    if not text.strip():
        return None
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"{what} cannot be read as JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ValueError(f'{what} must be a JSON object, such as {{"question": "How many days?"}}.')
    return value


def written(value: Any) -> str:
    """A value as people edit it; empty for None."""
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)


def explained(error: Exception) -> str:
    """What is wrong with a form, as a sentence."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    where = " ".join(str(step).replace("_", " ") for step in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    sentence = f"{where}: {message}." if where else f"{message}."
    return sentence[:1].upper() + sentence[1:]
