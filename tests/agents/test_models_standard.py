"""LangChain's standard tests of chat models: on the real local model, and on the scripted and the hosted one.

What LangChain skips is media, which no model here reads, naming another model in a call, as an engine serves one, and
recorded network traffic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from agents.models import ModelSettings
from agents.models.engine import Engine
from agents.models.hosted import HostedChat
from agents.models.local import LlamaChat
from agents.models.scripted import Reply, ScriptedChat


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    chat = LlamaChat.build(ModelSettings(context_tokens=2048, parallel=2))
    chat.warm()
    yield chat.engine
    chat.close()


class _Local:
    chat_model_class = LlamaChat
    chat_model_params: dict[str, Any] = {}
    supports_model_override = False

    @pytest.fixture(autouse=True)
    def _shared(self, engine: Engine, request: pytest.FixtureRequest) -> None:
        self.chat_model_params = {"engine": engine}
        self.test = request.node.name

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        """As few tokens as the answer that a test waits for takes."""
        return {"max_tokens": 80 if "tool" in self.test else 48 if "structured" in self.test else 8}


@pytest.mark.model
class TestLocalModel(_Local, ChatModelUnitTests):
    pass


@pytest.mark.model
class TestLocalModelAnswers(_Local, ChatModelIntegrationTests):
    supports_anthropic_inputs = True
    supports_json_mode = False  # it is `json_schema` under another name here
    supported_usage_metadata_details = {"invoke": ["cache_read_input"], "stream": ["cache_read_input"]}

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        chat = LlamaChat(**self.standard_chat_model_params, **self.chat_model_params)
        if not stream:
            return chat.invoke("Hello")
        first, *others = chat.stream("Hello")
        return sum(others, start=first)

    @pytest.mark.parametrize("model", [{}], indirect=True)
    @pytest.mark.xfail(reason="135 million parameters don't decide to call a tool; any larger model must")
    def test_agent_loop(self, model: BaseChatModel) -> None:
        super().test_agent_loop(model)


def call(name: str, **arguments: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": "call1"}])


def both(*messages: AIMessage) -> AIMessage:
    return AIMessage("", tool_calls=[one for message in messages for one in message.tool_calls])


JOKE = {"setup": "Why do cats purr?", "punchline": "Because they can."}
SCRIPT: dict[str, Reply] = {
    "magic_function(3)": call("magic_function", input=3),
    "magic_function_no_args()": call("magic_function_no_args"),
    "a Pirate greeting": call("greeting_generator", answer_style="Pirate"),
    "weather in San Francisco": call("get_weather", location="San Francisco, CA"),
    "你好啊集团": call("unicode_customer", customer_name="你好啊集团", description="A technology company"),
    "こんにちは株式会社": call("unicode_customer", customer_name="こんにちは株式会社", description="A company"),
    "joke about cats": both(call("Joke", **JOKE), call("JokeDict", **JOKE)),
    "Hello!": call("magic_function", input=1),
}


class _Scripted:
    chat_model_class = ScriptedChat
    chat_model_params = {"rules": SCRIPT}
    supports_model_override = False


class TestScriptedModel(_Scripted, ChatModelUnitTests):
    pass


class TestScriptedModelAnswers(_Scripted, ChatModelIntegrationTests):
    supports_anthropic_inputs = True


class TestHostedModel(ChatModelUnitTests):
    """What it answers is the provider's matter, whose own package is tested by LangChain."""

    chat_model_class = HostedChat
    chat_model_params = {"provider": ChatOpenAI(model="m", api_key="none"), "model_name": "openai:m"}
