"""A chat model without weights, for tests, demonstrations and machines that have none."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr

Reply = str | Exception | AIMessage
"""What to say, perhaps with calls of tools, or what to raise."""

_SOURCE = re.compile(r"^\s*\[(\d+)\]\s*(\S.*)", re.MULTILINE)
_FIRST_SENTENCE = re.compile(r".+?[.!?](?=\s|$)")


class ScriptedChat(BaseChatModel):
    """Says what it is told to, word by word, and reports usage in words.

    The first of `rules` whose key stands in the last message decides; then the next of `replies`; then the prompt: the
    first sentence of its first source (`[1] text`) with that number, or else the last message itself.

        ScriptedChat(rules={"carry over": "Five days [1].", "outage": ModelUnavailable()}, delay_s=0.05)
        ScriptedChat(replies=[AIMessage("", tool_calls=[{"name": "clock", "args": {}, "id": "1"}]), "It is noon."])
    """

    rules: Mapping[str, Reply] = Field(default_factory=dict)
    replies: Sequence[Reply] = ()
    delay_s: float = 0.0
    """Before each word."""
    model_name: str = "scripted"

    _given: int = PrivateAttr(default=0)

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The same model: it calls what a reply has it call."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def get_token_ids(self, text: str) -> list[int]:
        """One token for each word."""
        return list(range(len(text.split())))

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Any = None) -> int:
        """The words of all messages."""
        return sum(len(message.text.split()) for message in messages)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(**{**super()._get_ls_params(stop, **kwargs), "ls_provider": "local"})

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages, stop):
            await asyncio.sleep(self.delay_s)
            yield chunk

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages, stop):
            time.sleep(self.delay_s)
            yield chunk

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop))

    def _chunks(self, messages: Sequence[BaseMessage], stop: Sequence[str] | None) -> list[ChatGenerationChunk]:
        """The words of the answer, its calls, and an empty last chunk with the usage."""
        reply = self._reply(messages)
        if isinstance(reply, Exception):
            raise reply
        message = AIMessage(reply) if isinstance(reply, str) else reply
        words = _words(message.text, stop or ())
        read = self.get_num_tokens_from_messages(list(messages))
        last = AIMessageChunk(
            content="",
            usage_metadata=UsageMetadata(input_tokens=read, output_tokens=len(words), total_tokens=read + len(words)),
            response_metadata={
                "finish_reason": "tool_calls" if message.tool_calls else "stop",
                "model_name": self.model_name,
            },
            chunk_position="last",
        )
        said = [AIMessageChunk(content=word) for word in words]
        calls = [AIMessageChunk(content="", tool_calls=message.tool_calls)] if message.tool_calls else []
        return [ChatGenerationChunk(message=chunk) for chunk in [*said, *calls, last]]

    def _reply(self, messages: Sequence[BaseMessage]) -> Reply:
        asked = messages[-1].text if messages else ""
        for key, reply in self.rules.items():
            if key in asked:
                return reply
        if self._given < len(self.replies):
            self._given += 1
            return self.replies[self._given - 1]
        return _quote("\n".join(message.text for message in messages)) or asked


def _words(text: str, stop: Sequence[str]) -> list[str]:
    """Each with the blanks before it, up to a stop sequence."""
    for sequence in stop:
        text = text.partition(sequence)[0]
    return re.findall(r"\s*\S+|\s+$", text)


def _quote(prompt: str) -> str | None:
    """The first sentence of the first numbered source, cited."""
    source = _SOURCE.search(prompt)
    if source is None:
        return None
    number, text = source.groups()
    sentence = _FIRST_SENTENCE.match(text)
    return f"{sentence[0] if sentence else text.strip()} [{number}]"
