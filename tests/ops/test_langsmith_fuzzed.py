"""A fuzzer over the served schema: every operation answers what is wrong with a request, and never that it failed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from inspect import isclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter
from recording import NOBODY, TIMEOUT_S, Serve, Used, fault, recorded, some
from schemathesis import GenerationMode

from app.ops.langsmith import langsmith_app
from app.ops.store import OpsStore

EXAMPLES = 3
"""Of each operation: more of them find more, and take longer."""


@pytest.fixture
def used(store: OpsStore, serve: Serve, tmp_path: Path) -> Iterator[Used]:
    with recorded(store, serve, tmp_path) as used:
        yield used


def described() -> dict[str, Any]:
    """The schema that is served, and the bodies that routes read themselves."""

    async def nobody(_: Any) -> OpsStore:
        raise AssertionError

    app = langsmith_app(nobody)
    schema: dict[str, Any] = app.openapi()
    for route in _routes(app):
        for method in route.methods & {"POST", "PUT", "PATCH"}:
            operation = schema["paths"][route.path_format][method.lower()]
            if "requestBody" not in operation:
                body = _body(route, schema["components"]["schemas"])
                operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return schema


def _routes(app: FastAPI) -> Iterator[APIRoute]:
    for included in app.routes:
        for route in getattr(getattr(included, "original_router", None), "routes", []):
            if isinstance(route, APIRoute) and route.include_in_schema:
                yield route


def _body(route: APIRoute, shared: dict[str, Any]) -> dict[str, Any]:
    """What a route reads: the first model that its code names, or any JSON."""
    names = route.endpoint.__code__.co_names
    found = (named for name in names if _is_model(named := route.endpoint.__globals__.get(name)))
    model = next(found, Any)
    adapter = model if isinstance(model, TypeAdapter) else TypeAdapter(model)
    prefix = f"{route.unique_id}."
    schema = adapter.json_schema(ref_template=f"#/components/schemas/{prefix}{{model}}")
    shared |= {prefix + name: definition for name, definition in schema.pop("$defs", {}).items()}
    return schema


def _is_model(value: object) -> bool:
    return isinstance(value, TypeAdapter) or (isclass(value) and issubclass(value, BaseModel))


def known_parameters(known: dict[str, Any]) -> dict[str, Any]:
    """Values of parameters that lead to what there is."""
    return {
        "run_id": known["turn"],
        "trace_id": known["turn"],
        "thread_id": "t-1",
        "session_id": known["talk"],
        "dataset_id": known["dataset"],
        "example_id": known["examples"][0],
        "queue_id": known["queue"],
        "feedback_id": known["feedback"]["right"],
        "share_token": known["dataset_token"],
        "owner": "-",
        "repo": "greeting",
        "tag": "live",
        "reference": "latest",
        "index": 0,
    }


def cases(operation: Any, known: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Requests that fit the schema and that do not, on what there is and on what there is not."""
    names = {parameter.name for parameter in operation.path_parameters}
    there = {name: value for name, value in known_parameters(known).items() if name in names}
    place = there if there.keys() == names else None
    fitting = operation.as_strategy(GenerationMode.POSITIVE, path_parameters=place)
    if not (operation.body or operation.query or operation.path_parameters):
        return fitting
    elsewhere = operation.as_strategy(GenerationMode.POSITIVE)
    wrong = operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=place if operation.body else None)
    return st.one_of(fitting, elsewhere, wrong)


def test_every_operation_answers_whatever_its_schema_allows_or_forbids(used: Used) -> None:
    faults: dict[str, str] = {}
    operations = [found.ok() for found in schemathesis.openapi.from_dict(described()).get_all_operations()]
    for operation in sorted(operations, key=lambda one: one.method == "delete"):
        faults |= _faults_of(operation, used)
    assert faults == {}


def _faults_of(operation: Any, used: Used) -> dict[str, str]:
    faults: dict[str, str] = {}

    @some(EXAMPLES)
    @given(case=cases(operation, used.known))
    def send(case: Any) -> None:
        if wrong := fault(case.call(used.url, session=used.session)):
            faults[operation.label] = f"{wrong}\n{case.as_curl_command()}"

    send()
    return faults


def test_every_parameter_may_hold_what_a_database_cannot(used: Used) -> None:
    faults: dict[str, str] = {}
    known = defaultdict(lambda: NOBODY, {**known_parameters(used.known), "project_id": used.known["talk"]})
    for path, operations in described()["paths"].items():
        for method in operations.keys() - {"delete"}:
            for address in addresses(path, operations[method].get("parameters", []), known):
                answer = used.session.request(method, used.url + address, data=b"{}", timeout=TIMEOUT_S)
                if wrong := fault(answer):
                    faults[f"{method} {address}"] = wrong
    assert faults == {}


def addresses(path: str, parameters: list[dict[str, Any]], known: Mapping[str, Any]) -> Iterator[str]:
    """The path with each of its parameters holding each of the values; the other parameters lead to what there is."""
    needed = {one["name"]: known[one["name"]] for one in parameters if one["required"]}
    for parameter in parameters:
        for value in ["a%00b", "%FF", "9" * 20, "0001-01-01T00:00:00Z"]:
            yield filled(path, needed | {parameter["name"]: value})


def filled(path: str, values: dict[str, Any]) -> str:
    """The path with these values in it and after it."""
    in_path = re.findall(r"{(\w+)}", path)
    query = "&".join(f"{name}={value}" for name, value in values.items() if name not in in_path)
    return path.format(**{name: values[name] for name in in_path}) + (f"?{query}" if query else "")
