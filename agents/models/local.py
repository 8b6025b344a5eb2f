"""The local GGUF model as a LangChain chat model."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage, UsageMetadata, convert_to_openai_messages
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from agents.errors import DeadlineExceeded, Refused
from agents.models.deadline import within
from agents.models.engine import ChatLine, Completion, Engine, Outcome, Outlook, Sampling, schema_grammar
from agents.models.files import find_gguf
from agents.models.settings import ModelSettings

_BOUNDS = {"max_tokens", "seed", "timeout_s", "first_token_timeout_s"}


class LlamaChat(BaseChatModel):
    """A chat model over an `Engine`. Several of these may share one engine.

    A reader that stops reading (task cancelled, iterator closed) stops the model within a token. A call may override
    `max_tokens`, `temperature`, `top_p` and `seed`, and constrain the answer by a `grammar` in GBNF or a `json_schema`.
    It may name the `user` for whom it is, among whom the model is shared fairly, and the `turn`, by which `outlook`
    finds it. With temperature 0 or a seed the same call gives the same answer, up to rounding: it is computed together
    with what others ask at the time.

    Raises `ModelBusy`, `TooLong`, `DeadlineExceeded`, `ModelUnavailable`, and `Refused` for anything but text.
    """

    engine: Engine = Field(exclude=True, repr=False)
    model_name: str = "local"
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int | None = None
    timeout_s: float = 120.0
    first_token_timeout_s: float = 60.0

    @classmethod
    def build(cls, settings: ModelSettings) -> LlamaChat:
        """A chat model with an engine of its own; the weights are read on first use, or by `warm`."""
        engine = Engine(
            lambda: find_gguf(settings.name),
            lanes=settings.parallel,
            lane_tokens=settings.context_tokens,
            threads=settings.threads or _physical_cores(),
            copy_bytes=settings.prefix_bytes,
            queue_limit=settings.queue_limit,
        )
        return cls(
            engine=engine,
            model_name=settings.label,
            temperature=settings.temperature or 0.0,
            **settings.model_dump(include=_BOUNDS),
        )

    def warm(self) -> None:
        """Load the weights now; blocks. Raises `ModelUnavailable`."""
        self.engine.warm()

    def close(self) -> None:
        """End the engine and free the memory."""
        self.engine.close()

    def outlook(self, turn: str) -> Outlook | None:
        """How long a turn's call will wait; None where it does not stand in line."""
        return self.engine.outlook(turn)

    def count_tokens(self, messages: Sequence[BaseMessage]) -> int:
        """Tokens of a whole prompt, chat template included."""
        return len(self.engine.encode(_lines(messages)))

    def get_token_ids(self, text: str) -> list[int]:
        """The model's own tokens of a text."""
        return self.engine.encode_text(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Any = None) -> int:
        """LangChain's name for `count_tokens`."""
        return self.count_tokens(messages)

    @property
    def _llm_type(self) -> str:
        return "llama-cpp"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self.model_dump(include=_BOUNDS | {"model_name", "temperature"})

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(**{**super()._get_ls_params(stop, **kwargs), "ls_provider": "local"})

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        chunks = self._chunks(messages, stop or (), **kwargs)
        limited = within(chunks, first_token_s=self.first_token_timeout_s, total_s=self.timeout_s)
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
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _chunks(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], *, user: str = "", turn: str = "", **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Submit a request and yield what the engine's thread sends to this event loop."""
        sampling = self._sampling(**kwargs)
        prompt = await asyncio.to_thread(self.engine.encode, _lines(messages))
        events: asyncio.Queue[Outcome] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        generation = self.engine.submit(
            prompt,
            sampling,
            lambda event: loop.call_soon_threadsafe(events.put_nowait, event),
            stop=stop,
            user=user,
            turn=turn,
        )
        try:
            last = False
            while not last:
                event = await events.get()
                last = isinstance(event, Completion)
                yield self._to_chunk(event)
        finally:
            self.engine.cancel(generation)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        user: str = "",
        turn: str = "",
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        began = time.monotonic()
        deadline = began + min(self.first_token_timeout_s, self.timeout_s)
        prompt = self.engine.encode(_lines(messages))
        events: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        generation = self.engine.submit(
            prompt, self._sampling(**kwargs), events.put, stop=stop or (), user=user, turn=turn
        )
        try:
            last = False
            while not last:
                event = _wait(events, deadline)
                deadline = began + self.timeout_s
                last = isinstance(event, Completion)
                yield self._to_chunk(event)
        finally:
            self.engine.cancel(generation)

    def _sampling(
        self,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float = 1.0,
        seed: int | None = None,
        grammar: str | None = None,
        json_schema: Mapping[str, Any] | None = None,
    ) -> Sampling:
        """What this call asks for, by default what the model is set to. Raises `Refused` for a schema that is none."""
        return Sampling(
            max_tokens=self.max_tokens if max_tokens is None else max(1, max_tokens),
            temperature=self.temperature if temperature is None else max(0.0, temperature),
            top_p=top_p,
            seed=self.seed if seed is None else seed,
            grammar=grammar if json_schema is None else schema_grammar(json_schema),
        )

    def _to_chunk(self, event: Outcome) -> ChatGenerationChunk:
        """A piece of text, or the empty last chunk that carries usage. Raises what the worker reports."""
        if isinstance(event, Exception):
            raise event
        if isinstance(event, str):
            return ChatGenerationChunk(message=AIMessageChunk(content=event))
        usage = UsageMetadata(
            input_tokens=event.prompt_tokens,
            output_tokens=event.completion_tokens,
            total_tokens=event.prompt_tokens + event.completion_tokens,
        )
        about = {
            "finish_reason": event.finish_reason,
            "model_name": self.model_name,
            "queued_s": round(event.queued_s, 4),
            "reused_tokens": event.reused_tokens,
        }
        message = AIMessageChunk(content="", usage_metadata=usage, response_metadata=about, chunk_position="last")
        return ChatGenerationChunk(message=message)


def _wait(events: queue.SimpleQueue[Outcome], deadline: float) -> Outcome:
    try:
        return events.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty as error:
        raise DeadlineExceeded() from error


def _lines(messages: Sequence[BaseMessage]) -> list[ChatLine]:
    """Role and text of each message. Raises `Refused` for images and the like."""
    lines = convert_to_openai_messages(messages, text_format="string")
    if not all(isinstance(line["content"], str) for line in lines):
        raise Refused("This model reads text only. Remove the attachment, or choose another model.")
    return [{"role": line["role"], "content": line["content"]} for line in lines]


def _physical_cores() -> int:
    """Cores that this process may use, counting neither hyperthreads nor what a container withholds."""
    from joblib import cpu_count

    return max(1, cpu_count(only_physical_cores=True))
