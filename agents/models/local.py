"""The local GGUF model as a LangChain chat model."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal, NamedTuple

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from agents.models.calls import CallReader
from agents.models.chunks import to_chunk
from agents.models.engine import (
    Completion,
    Engine,
    Generation,
    Outcome,
    Outlook,
    Sampling,
    Specification,
    ToolSpec,
    call_grammar,
    schema_grammar,
)
from agents.models.files import find_gguf
from agents.models.memory import Memory
from agents.models.messages import chat_lines
from agents.models.settings import ModelSettings
from agents.models.structured import Schema, structured
from agents.models.tools import Choice, must_use, names_of, offered

Method = Literal["json_schema", "json_mode", "function_calling"]

_MOST_LOGPROBS = 20
_BOUNDS = {"max_tokens", "seed", "timeout_s", "first_token_timeout_s"}


class _Job(NamedTuple):
    """What the engine is to do, and how its answer is read."""

    prompt: list[int]
    sampling: Sampling
    stop: Sequence[str]
    user: str
    turn: str
    calls: CallReader


class LlamaChat(BaseChatModel):
    """A chat model over an `Engine`. Several of these may share one engine.

    A reader that stops reading (task cancelled, iterator closed) stops the model within a token. A call may override
    `max_tokens`, `temperature`, `top_p` and `seed`, ask for `logprobs`, and constrain the answer by a `grammar` in GBNF
    or a `json_schema`. It may name the `user` for whom it is, among whom the model is shared fairly, and the `turn`, by
    which `outlook` finds it. With temperature 0 or a seed the same call gives the same answer, up to rounding: it is
    computed together with what others ask at the time.

    Raises `ModelBusy`, `TooLong`, `DeadlineExceeded`, `ModelUnavailable`, and `Refused` for anything but text.
    """

    engine: Engine = Field(exclude=True, repr=False)
    model_name: str = "local"
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int | None = None
    stop: Sequence[str] = ()
    """Ends an answer where the call names nothing else."""
    timeout_s: float = 120.0
    first_token_timeout_s: float = 60.0

    @classmethod
    def build(cls, settings: ModelSettings, memory: Memory | None = None) -> LlamaChat:
        """A chat model with an engine of its own; the weights are read on first use, or by `warm`.

        Models that share a `memory` make room for each other.
        """
        specification = Specification(
            lanes=settings.parallel,
            lane_tokens=settings.context_tokens,
            threads=settings.threads or _physical_cores(),
            copy_bytes=settings.prefix_bytes,
            rewrite=settings.precision == "auto",
            adapter=settings.adapter and settings.adapter.expanduser(),
            adapter_scale=settings.adapter_scale,
            unload_after_s=settings.unload_after_s or None,
        )
        engine = Engine(
            lambda: find_gguf(settings.name), specification, queue_limit=settings.queue_limit, memory=memory
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

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Choice = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may call: functions, Pydantic models, LangChain's tools, or schemas as dicts.

        `tool_choice` is `auto`, `none`, `any` (one of them must be called) or the name of the one that must be.
        Raises `Refused` for a name that is not among them.
        """
        specs = [convert_to_openai_tool(tool) for tool in tools]
        must_use(specs, tool_choice)
        return self.bind(tools=specs, tool_choice=tool_choice, **kwargs)

    def with_structured_output(
        self, schema: Schema, *, method: Method = "json_schema", include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """The model with answers that keep to a schema, and are parsed by it; see `structured`.

        `json_schema`, and `json_mode` alike, constrain the answer itself; `function_calling` has a tool called.
        """
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        return structured(self, schema, method=method, include_raw=include_raw)

    def count_tokens(self, messages: Sequence[BaseMessage], tools: Sequence[ToolSpec] = ()) -> int:
        """Tokens of a whole prompt, chat template included."""
        return len(self.engine.encode(chat_lines(messages), tools))

    def get_token_ids(self, text: str) -> list[int]:
        """The model's own tokens of a text."""
        return self.engine.encode_text(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """LangChain's name for `count_tokens`."""
        return self.count_tokens(messages, [convert_to_openai_tool(tool) for tool in tools or ()])

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
        job = await asyncio.to_thread(self._job, messages, stop, **kwargs)
        async with aclosing(self._chunks(job)) as stream:
            async for chunk in stream:
                for certain in job.calls.read(chunk):
                    yield certain

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

    async def _chunks(self, job: _Job) -> AsyncGenerator[ChatGenerationChunk]:
        """Submit a job and yield what the engine's thread sends to this event loop."""
        events: asyncio.Queue[Outcome] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        generation = self._submit(job, lambda event: loop.call_soon_threadsafe(events.put_nowait, event))
        try:
            last = False
            while not last:
                event = await events.get()
                last = isinstance(event, Completion)
                yield to_chunk(event, self.model_name)
        finally:
            self.engine.cancel(generation)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        job = self._job(messages, stop, **kwargs)
        events: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        generation = self._submit(job, events.put)
        try:
            last = False
            while not last:
                event = events.get()
                last = isinstance(event, Completion)
                yield from job.calls.read(to_chunk(event, self.model_name))
        finally:
            self.engine.cancel(generation)

    def _submit(self, job: _Job, emit: Callable[[Outcome], object]) -> Generation:
        return self.engine.submit(
            job.prompt,
            job.sampling,
            emit,
            stop=job.stop,
            user=job.user,
            turn=job.turn,
            first_token_s=self.first_token_timeout_s,
            total_s=self.timeout_s,
        )

    def _job(
        self,
        messages: Sequence[BaseMessage],
        stop: Sequence[str] | None,
        *,
        user: str = "",
        turn: str = "",
        tools: Sequence[ToolSpec] = (),
        tool_choice: Choice = None,
        max_tokens: int | None = None,
        json_schema: Mapping[str, Any] | None = None,
        grammar: str | None = None,
        **sampling: Any,
    ) -> _Job:
        """What the engine is to do. Raises `Refused` for what the model cannot take or cannot be held to."""
        form, max_tokens = self.engine.call_form, max(1, self.max_tokens if max_tokens is None else max_tokens)
        callable_, forced = offered(tools, tool_choice), must_use(tools, tool_choice)
        if forced:
            grammar = call_grammar(form, forced, max_tokens)
        elif json_schema is not None:
            grammar = schema_grammar(json_schema, max_tokens)
        return _Job(
            prompt=self.engine.encode(chat_lines(messages), callable_),
            sampling=self._sampling(max_tokens=max_tokens, grammar=grammar, **sampling),
            stop=stop or self.stop,
            user=user,
            turn=turn,
            calls=CallReader(form, names_of(callable_)),
        )

    def _sampling(
        self,
        *,
        max_tokens: int,
        grammar: str | None,
        temperature: float | None = None,
        top_p: float = 1.0,
        seed: int | None = None,
        logprobs: bool = False,
        top_logprobs: int = 0,
    ) -> Sampling:
        """How tokens are chosen, by default as the model is set to."""
        return Sampling(
            max_tokens=max_tokens,
            grammar=grammar,
            temperature=self.temperature if temperature is None else max(0.0, temperature),
            top_p=top_p,
            seed=self.seed if seed is None else seed,
            logprobs=min(max(0, top_logprobs), _MOST_LOGPROBS) if logprobs else None,
        )


def _physical_cores() -> int:
    """Cores that this process may use, counting neither hyperthreads nor what a container withholds."""
    from joblib import cpu_count

    return max(1, cpu_count(only_physical_cores=True))
