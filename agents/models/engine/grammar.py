"""From a JSON schema to the grammar that keeps an answer to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agents.errors import Refused


def schema_grammar(schema: Mapping[str, Any]) -> str:
    """GBNF for the JSON values that a schema allows. Raises `Refused` for a schema that cannot be one.

    Texts and numbers without a bound may run on to the end of the answer's tokens: give them `maxLength` or `enum`.
    """
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    try:
        return json_schema_to_gbnf(json.dumps(schema))
    except Exception as error:
        raise Refused(f"The JSON schema cannot be turned into a grammar: {error}") from error
