"""The JSON Schemas that a dataset may have, and that its examples must then fit.

What reads schemas takes a second to load, which no process should spend that meets none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.ops.store.datasets.json_schemas import Fit

Schema = Mapping[str, Any]


def check_schema(field: str, schema: Schema | None) -> None:
    """Make sure that this is a JSON Schema, or none. Raises InvalidRecord."""
    if schema is not None:
        from app.ops.store.datasets import json_schemas

        json_schemas.check_schema(field, schema)


class ExampleCheck:
    """Whether inputs and outputs fit the schemas of their dataset."""

    def __init__(self, inputs_schema: Schema | None, outputs_schema: Schema | None) -> None:
        self._inputs = _fit("inputs", inputs_schema)
        self._outputs = _fit("outputs", outputs_schema)

    def check(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None) -> None:
        """Raises InvalidRecord that says where the example does not fit; outputs may always be left out."""
        if self._inputs:
            self._inputs.check(inputs)
        if self._outputs and outputs is not None:
            self._outputs.check(outputs)


def _fit(name: str, schema: Schema | None) -> Fit | None:
    if schema is None:
        return None
    from app.ops.store.datasets import json_schemas

    return json_schemas.Fit(name, schema)
