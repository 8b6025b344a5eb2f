"""Answers as objects: a chat model whose answers keep to a schema, and are parsed by it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from operator import itemgetter
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import BaseOutputParser, JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass

Schema = dict[str, Any] | type
"""A Pydantic model, a `TypedDict`, or a JSON schema with a title."""


def structured(model: BaseChatModel, schema: Schema, *, method: str, include_raw: bool) -> Runnable[Any, Any]:
    """The model with its answers constrained by the schema and parsed: to an object of the Pydantic model, or a dict.

    An answer that was cut off, because its tokens did not suffice, raises `OutputParserException`. With `include_raw`
    nothing is raised: the result is a dict of the message `raw`, what is `parsed` of it, and a `parsing_error` or None.
    """
    wanted = convert_to_json_schema(schema)
    constrained = model.bind(
        json_schema=wanted,
        ls_structured_output_format={"kwargs": {"method": method}, "schema": wanted},
    )
    parser = RunnableGenerator(_whole, _awhole) | _parser(schema)
    if not include_raw:
        return constrained | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=constrained) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _parser(schema: Schema) -> BaseOutputParser[Any]:
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return PydanticOutputParser(pydantic_object=schema)
    return JsonOutputParser()


def _whole(answer: Iterator[BaseMessage]) -> Iterator[BaseMessage]:
    """The answer, unless it was cut off: parsers complete what is broken, and would take half a text for a whole."""
    for part in answer:
        yield _uncut(part)


async def _awhole(answer: AsyncIterator[BaseMessage]) -> AsyncIterator[BaseMessage]:
    async for part in answer:
        yield _uncut(part)


def _uncut(part: BaseMessage) -> BaseMessage:
    if part.response_metadata.get("finish_reason") == "length":
        raise OutputParserException("The answer was cut off: allow more tokens by max_tokens, or ask for less.")
    return part
