"""Hosted models, against real servers on loopback that speak the providers' protocols and fail in their ways."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from langchain_core.messages import HumanMessage

from agents.errors import DeadlineExceeded, ModelBusy, ModelUnavailable, Refused, TooLong
from agents.models import ModelPool, ModelSettings, build_model
from agents.models.backoff import Backoff
from agents.models.hosted import HostedChat
from agents.models.scripted import ScriptedChat
from agents.turn import Notice

HELLO = [HumanMessage("Say hello.")]
WORDS = ["Hello", " from", " loopback", " 🙂."]
CARRY_OVER = "How many days of unused leave may be carried over?"
AT_ONCE = Backoff(random=lambda: 0.0)
USAGE = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}


@dataclass
class Provider:
    """A provider's server; `mode` chooses how it behaves."""

    mode: str = "ok"
    then: str = ""
    """Its mode after the next refusal; empty for the same."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)
    """When a reader that went away was noticed."""
    url: str = ""


def sse(data: Any, event: str | None = None) -> str:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {data if isinstance(data, str) else json.dumps(data)}\n\n"


def openai_chunk(**fields: Any) -> str:
    return sse({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", **fields})


def failure(mode: str) -> Response | None:
    status = {"400": 400, "filter": 400, "401": 401, "404": 404, "429": 429, "quota": 429, "500": 500}.get(mode)
    if status is None:
        return None
    codes = {
        "400": "context_length_exceeded",
        "filter": "content_policy_violation",
        "quota": "insufficient_quota",
        "429": "rate_limit_exceeded",
    }
    kind = codes.get(mode, "server_error")
    message = f"secret-internal-detail {kind}: prompt is too long" if mode == "400" else "secret-internal-detail"
    body = {"type": "error", "error": {"message": message, "type": kind, "code": kind}}
    return JSONResponse(body, status_code=status, headers={"retry-after": "0.2"} if status == 429 else {})


async def misbehave(mode: str, number: int) -> str | None:
    """What is sent as the last thing instead of a word; may hang or break instead."""
    if mode == "hang":
        await asyncio.sleep(30)
    if mode == "disconnect" and number == 2:
        raise RuntimeError("the connection breaks here")
    if mode == "error event" and number == 2:
        return sse({"error": {"message": "secret-internal-detail", "code": "server_error"}})
    return "data: {not json\n\n" if mode == "garbage" else None


def speak_openai(app: FastAPI, provider: Provider) -> None:
    async def openai_stream() -> AsyncIterator[str]:
        try:
            yield openai_chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])
            for number, word in enumerate(WORDS):
                if (last := await misbehave(provider.mode, number)) is not None:
                    yield last
                    return
                yield openai_chunk(choices=[{"index": 0, "delta": {"content": word}}])
                await asyncio.sleep(0.2 if provider.mode == "slow" else 0)
            yield openai_chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
            yield openai_chunk(choices=[], usage=USAGE)
            yield sse("[DONE]")
        except asyncio.CancelledError:
            provider.cut.append(time.monotonic())
            raise

    @app.post("/v1/chat/completions")
    async def openai_chat(request: Request) -> Response:
        body = await request.json()
        provider.requests.append({**body, "authorization": request.headers.get("authorization")})
        if (failed := failure(provider.mode)) is not None:
            provider.mode = provider.then or provider.mode
            return failed
        if body.get("stream"):
            return StreamingResponse(openai_stream(), media_type="text/event-stream")
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "".join(WORDS)}}
        return JSONResponse(
            {"id": "c1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE}
        )


def speak_anthropic(app: FastAPI, provider: Provider) -> None:
    async def anthropic_stream() -> AsyncIterator[str]:
        message = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
        usage = {"input_tokens": 11, "output_tokens": 1}
        yield sse({"type": "message_start", "message": {**message, "usage": usage}}, "message_start")
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        yield sse(start, "content_block_start")
        for word in WORDS:
            delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
            yield sse(delta, "content_block_delta")
        yield sse({"type": "content_block_stop", "index": 0}, "content_block_stop")
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        yield sse({"type": "message_delta", "delta": end, "usage": {**usage, "output_tokens": 4}}, "message_delta")
        yield sse({"type": "message_stop"}, "message_stop")

    @app.post("/v1/messages")
    async def anthropic_chat(request: Request) -> Response:
        provider.requests.append({**await request.json(), "x-api-key": request.headers.get("x-api-key")})
        if (failed := failure(provider.mode)) is not None:
            return failed
        return StreamingResponse(anthropic_stream(), media_type="text/event-stream")


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    listener = socket.create_server(("127.0.0.1", 0))
    provider.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = FastAPI()
    speak_openai(app, provider)
    speak_anthropic(app, provider)
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield provider
    server.should_exit = True
    thread.join()
    listener.close()


def openai_chat(provider: Provider, **settings: Any) -> HostedChat:
    given = {"name": "openai:gpt-4o-mini", "base_url": f"{provider.url}/v1", "timeout_s": 5.0, **settings}
    chat = build_model(ModelSettings(**given))
    assert isinstance(chat, HostedChat)
    return chat


def anthropic_chat(provider: Provider, **settings: Any) -> HostedChat:
    return openai_chat(provider, **{"name": "anthropic:claude-haiku-4-5", "base_url": provider.url, **settings})


async def read_into(seen: list[str], stream: AsyncIterator[Any]) -> None:
    async for chunk in stream:
        seen.append(chunk.text)


CHATS = pytest.mark.parametrize("build", [openai_chat, anthropic_chat])


@CHATS
async def test_an_answer_streams_with_its_usage(provider: Provider, build: Any) -> None:
    chunks = [chunk async for chunk in build(provider).astream(HELLO)]
    assert [chunk.text for chunk in chunks if chunk.text] == WORDS
    whole = sum(chunks[1:], chunks[0])
    assert whole.usage_metadata["input_tokens"] == 11
    assert whole.usage_metadata["output_tokens"] == 4


async def test_every_way_of_asking_gives_the_same_answer(provider: Provider) -> None:
    chat = openai_chat(provider)
    assert (await chat.ainvoke(HELLO)).text == "".join(WORDS)
    answer = await asyncio.to_thread(chat.invoke, HELLO)
    assert answer.text == "".join(WORDS)
    assert answer.usage_metadata["total_tokens"] == 15
    assert await asyncio.to_thread(lambda: [c.text for c in chat.stream(HELLO) if c.text]) == WORDS
    assert len(await chat.abatch([HELLO, HELLO])) == 2


async def test_settings_and_options_reach_the_provider(provider: Provider) -> None:
    chat = openai_chat(provider, api_key="k-1", max_tokens=77, temperature=0.25)
    await chat.ainvoke(HELLO, stop=["END"])
    sent = provider.requests[0]
    assert (sent["model"], sent["temperature"], sent["stop"]) == ("gpt-4o-mini", 0.25, ["END"])
    assert 77 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    assert sent["authorization"] == "Bearer k-1"
    assert "k-1" not in repr(chat)
    assert "k-1" not in str(chat._get_invocation_params())


def test_temperature_is_left_to_the_provider_unless_set(provider: Provider) -> None:
    openai_chat(provider).invoke(HELLO)
    assert "temperature" not in provider.requests[0]


def test_traces_name_provider_and_model(provider: Provider) -> None:
    params = openai_chat(provider)._get_ls_params()
    assert (params["ls_provider"], params["ls_model_name"]) == ("openai", "gpt-4o-mini")


@CHATS
@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("400", TooLong),
        ("filter", Refused),
        ("401", ModelUnavailable),
        ("404", ModelUnavailable),
        ("429", ModelBusy),
        ("500", ModelUnavailable),
    ],
)
async def test_a_refusal_becomes_an_error_of_our_own(provider: Provider, build: Any, mode: str, error: Any) -> None:
    provider.mode = mode
    chat = build(provider)
    with pytest.raises(error) as streamed:
        async with aclosing(chat.astream(HELLO)) as chunks:
            await anext(chunks)
    assert "secret-internal-detail" not in streamed.value.message
    with pytest.raises(error):
        await chat.ainvoke(HELLO)
    with pytest.raises(error):
        await asyncio.to_thread(chat.invoke, HELLO)


async def test_a_rate_limit_says_when_to_come_back_and_a_spent_account_does_not(provider: Provider) -> None:
    provider.mode = "429"
    with pytest.raises(ModelBusy) as busy:
        await openai_chat(provider).ainvoke(HELLO)
    assert busy.value.retry_after_s == 0.2
    provider.mode = "quota"
    with pytest.raises(ModelUnavailable, match="credit is used up"):
        await openai_chat(provider).ainvoke(HELLO)


@pytest.mark.parametrize("mode", ["disconnect", "error event"])
async def test_a_stream_that_breaks_gives_what_came_and_then_an_error(provider: Provider, mode: str) -> None:
    provider.mode = mode
    seen: list[str] = []
    with pytest.raises(ModelUnavailable):
        await read_into(seen, openai_chat(provider).astream(HELLO))
    assert "".join(seen) == "Hello from"


async def test_a_provider_that_hangs_is_left_at_the_deadline(provider: Provider) -> None:
    provider.mode = "hang"
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        async for _ in openai_chat(provider, first_token_timeout_s=0.5).astream(HELLO):
            pass
    assert 0.4 < time.monotonic() - began < 2.5


async def test_a_slow_answer_is_cut_at_the_total_deadline(provider: Provider) -> None:
    provider.mode = "slow"
    seen: list[str] = []
    with pytest.raises(DeadlineExceeded):
        await read_into(seen, openai_chat(provider, timeout_s=0.5).astream(HELLO))
    assert "Hello" in seen


async def test_cancelling_closes_the_connection(provider: Provider) -> None:
    provider.mode = "hang"
    task = asyncio.create_task(openai_chat(provider).ainvoke(HELLO, stream=True))
    async with asyncio.timeout(5):
        while not provider.requests:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    task.cancel()
    async with asyncio.timeout(3):
        while not provider.cut:
            await asyncio.sleep(0.01)


async def test_an_unreachable_provider_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    chat = build_model(ModelSettings(name="openai:m", base_url=f"http://127.0.0.1:{port}/v1"))
    with pytest.raises(ModelUnavailable):
        await chat.ainvoke(HELLO)


async def test_a_kept_connection_that_the_server_dropped_is_opened_anew(open_assistant, ask) -> None:
    """As llama-server does after a streamed answer."""
    connections = 0
    body = "".join([openai_chunk(choices=[{"index": 0, "delta": {"content": "Hi"}}]), sse("[DONE]")]).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async def serve_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        request = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in request.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        writer.write(head + body)
        await writer.drain()
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(serve_once, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    models = ModelPool(ModelSettings(name="openai:m", base_url=url))
    async with open_assistant(parts={"models": models, "backoff": AT_ONCE}) as assistant:
        for number in range(3):
            assert (await assistant.ask(ask(CARRY_OVER, thread=str(number)))).attempts[-1].outcome == "answered"
    assert connections == 3
    server.close()


@pytest.mark.parametrize(
    ("mode", "outcomes"),
    [
        ("400", ["too_long"]),
        ("filter", ["refused"]),
        ("401", ["model_unavailable"]),
        ("429", ["model_busy", "model_busy"]),
        ("500", ["model_unavailable", "model_unavailable"]),
        ("hang", ["deadline_exceeded"]),
        ("disconnect", ["model_unavailable", "model_unavailable"]),
        ("error event", ["model_unavailable", "model_unavailable"]),
        ("garbage", ["model_unavailable"]),
    ],
)
async def test_whatever_a_provider_does_another_model_answers(
    provider: Provider, open_assistant, ask, mode: str, outcomes: list[str]
) -> None:
    provider.mode = mode
    hosted = ModelSettings(
        name="openai:m", base_url=f"{provider.url}/v1", first_token_timeout_s=0.5, fallbacks=("second",)
    )
    models = ModelPool(hosted, {"second": ModelSettings(name="scripted")}, others={"second": ScriptedChat()})
    async with open_assistant(parts={"models": models, "backoff": AT_ONCE}) as assistant:
        events = [event async for event in assistant.stream(ask(CARRY_OVER))]
    result = events[-1].result
    assert [attempt.outcome for attempt in result.attempts] == [*outcomes, "answered"]
    assert (result.status, result.model, result.error) == ("answered", "scripted", None)
    assert "secret-internal-detail" not in result.model_dump_json()
    assert not any(isinstance(event, Notice) for event in events)


async def test_a_provider_is_asked_again_when_it_said_so(provider: Provider, open_assistant, ask) -> None:
    provider.mode, provider.then = "429", "ok"
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    models = ModelPool(ModelSettings(name="openai:m", base_url=f"{provider.url}/v1"))
    backoff = Backoff(first_s=1.0, random=lambda: 0.5, sleep=sleep)
    async with open_assistant(parts={"models": models, "backoff": backoff}) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    assert [attempt.outcome for attempt in result.attempts] == ["model_busy", "answered"]
    assert paused == [pytest.approx(0.7)]
    assert result.usage.prompt_tokens == USAGE["prompt_tokens"]


@pytest.mark.parametrize("name", ["openai:gpt-4o-mini", "nobody:model"])
def test_a_missing_key_or_provider_is_a_clear_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelUnavailable, match=r"model\.api_key"):
        build_model(ModelSettings(name=name))


def test_tokens_are_estimated_without_a_download(provider: Provider) -> None:
    chat = openai_chat(provider)
    assert 5 < chat.get_num_tokens("word " * 20) < 40
    assert 5 < chat.get_num_tokens_from_messages([HumanMessage("word " * 20)]) < 40


def test_tools_are_bound_in_the_providers_form(provider: Provider) -> None:
    def weather(city: str) -> str:
        """Today's weather."""
        return city

    openai_chat(provider).bind_tools([weather]).invoke(HELLO)
    assert provider.requests[0]["tools"][0]["function"]["name"] == "weather"
