"""Any model behind a network address, through LangChain's `init_chat_model`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field

from agents.errors import ModelUnavailable
from agents.models.deadline import within
from agents.models.settings import ModelSettings
from agents.models.translate import translated


class HostedChat(BaseChatModel):
    """A provider's chat model with Parley's time limits and errors.

    Raises `ModelBusy` (the provider's rate limit), `TooLong`, `Refused`, `DeadlineExceeded` and `ModelUnavailable`.
    """

    provider: BaseChatModel = Field(exclude=True, repr=False)
    model_name: str
    timeout_s: float = 120.0
    first_token_timeout_s: float = 60.0

    @classmethod
    def build(cls, settings: ModelSettings) -> HostedChat:
        """Connects to nothing yet. Raises `ModelUnavailable` where the provider or its key is missing."""
        from langchain.chat_models import init_chat_model

        try:
            provider = init_chat_model(settings.name, **_options(settings))
        except Exception as error:
            raise ModelUnavailable(
                f"The model {settings.name} cannot be set up. Check its name, and its key in model.api_key or in "
                "the provider's environment variable."
            ) from error
        return cls(
            provider=provider,
            model_name=settings.name,
            timeout_s=settings.timeout_s,
            first_token_timeout_s=settings.first_token_timeout_s,
        )

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, Any]:
        """The provider's own form of the tools, bound to this model."""
        return self.bind(**self.provider.bind_tools(tools, **kwargs).kwargs)  # type: ignore[attr-defined]

    def get_num_tokens(self, text: str) -> int:
        """An estimate: the provider's own tokenizer would be a download."""
        return self.get_num_tokens_from_messages([text])

    def get_num_tokens_from_messages(self, messages: list[Any], tools: Any = None) -> int:
        """An estimate, see `get_num_tokens`."""
        return count_tokens_approximately(messages)

    @property
    def _llm_type(self) -> str:
        return self.provider._llm_type

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self.provider._get_ls_params(stop, **kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        chunks = self.provider._astream(messages, stop, **kwargs)
        limited = within(chunks, first_token_s=self.first_token_timeout_s, total_s=self.timeout_s)
        with translated(self.model_name):
            async with aclosing(limited) as stream:
                async for chunk in stream:
                    yield chunk

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with translated(self.model_name):
            async with asyncio.timeout(self.timeout_s):
                return await self.provider._agenerate(messages, stop, **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with translated(self.model_name):
            yield from self.provider._stream(messages, stop, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with translated(self.model_name):
            return self.provider._generate(messages, stop, **kwargs)


def _options(settings: ModelSettings) -> dict[str, Any]:
    """Arguments that the providers' classes share; a base URL without a key is a server that needs none."""
    options: dict[str, Any] = {
        "max_tokens": settings.max_tokens,
        "timeout": settings.timeout_s,
        "max_retries": 0,  # the chain retries, and says so in its record
        "stream_usage": True,
    }
    if settings.temperature is not None:
        options["temperature"] = settings.temperature
    if settings.base_url is not None:
        options |= {"base_url": settings.base_url, "api_key": "none"}
    if settings.api_key is not None:
        options["api_key"] = settings.api_key
    return options
