"""The local engine beneath the chat model: log probabilities, deadlines, crashes, memory, precision and adapters."""

from __future__ import annotations

import math
import queue
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from agents.errors import DeadlineExceeded, ModelBusy, ModelUnavailable, TurnError
from agents.models import ModelPool, ModelSettings
from agents.models.engine import Completion, Engine, Outcome, Said, Sampling, Specification
from agents.models.engine.head import read_head
from agents.models.engine.llama import quickest
from agents.models.engine.weights import estimated_bytes, in_eight_bits
from agents.models.files import find_gguf
from agents.models.local import LlamaChat
from agents.models.memory import Memory

pytestmark = pytest.mark.model

SMALL = Specification(lanes=3, lane_tokens=512, threads=2, copy_bytes=0)
RIVERS = [{"role": "user", "content": "Name three rivers."}]
STORY = [{"role": "user", "content": "Tell a long story about a dog."}]
POISON = [10**6]
"""No token of any model: llama.cpp fails at it, and the process ends."""
PATIENCE_S = 60.0


class Answer:
    """A request, heard to its end."""

    def __init__(self, engine: Engine, prompt: Sequence[int], sampling: Sampling, **options: float | str) -> None:
        self.said: list[Said] = []
        self._events: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self.generation = engine.submit(prompt, sampling, self._events.put, **options)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Wait for the first words."""
        assert isinstance(self._hear(), Said)

    def end(self) -> Completion | TurnError:
        """Wait for how it ends."""
        while isinstance(outcome := self._hear(), Said):
            pass
        return outcome

    def _hear(self) -> Outcome:
        outcome = self._events.get(timeout=PATIENCE_S)
        if isinstance(outcome, Said):
            self.said.append(outcome)
        return outcome


def open_engine(specification: Specification = SMALL, memory: Memory | None = None) -> Engine:
    return Engine(lambda: find_gguf("local"), specification, queue_limit=8, memory=memory)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def first_logprobs(engine: Engine) -> Mapping[bytes, float]:
    """The likeliest first tokens of an answer."""
    answer = Answer(engine, engine.encode(RIVERS), Sampling(max_tokens=1, logprobs=10))
    answer.end()
    return dict(answer.said[0].logprobs[0].top)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = open_engine()
    engine.warm()
    yield engine
    engine.close()


def test_log_probabilities_come_with_the_text_they_belong_to(engine: Engine) -> None:
    answer = Answer(engine, engine.encode(RIVERS), Sampling(max_tokens=8, logprobs=3))
    assert isinstance(answer.end(), Completion)
    for said in answer.said:
        assert b"".join(each.token for each in said.logprobs).decode() == said.text
    told = [each for said in answer.said for each in said.logprobs]
    assert len(told) == 8
    for each in told:
        assert (each.token, each.logprob) == each.top[0], "at temperature 0 the likeliest token is taken"
        logprobs = [logprob for _, logprob in each.top]
        assert logprobs == sorted(logprobs, reverse=True)
        assert len(logprobs) == 3
        assert sum(map(math.exp, logprobs)) <= 1.0001


def test_log_probabilities_are_the_models_own_whatever_the_grammar_allows(engine: Engine) -> None:
    answer = Answer(engine, engine.encode(RIVERS), Sampling(max_tokens=8, logprobs=0, grammar='root ::= "Zebra"'))
    answer.end()
    assert "".join(said.text for said in answer.said) == "Zebra"
    first = answer.said[0].logprobs[0]
    assert first.logprob < math.log(0.01)
    assert first.top == ()


def test_the_chat_model_tells_log_probabilities_as_openai_does(engine: Engine) -> None:
    chat = LlamaChat(engine=engine, max_tokens=6)
    answer = chat.invoke("Name three rivers.", logprobs=True, top_logprobs=2)
    told = answer.response_metadata["logprobs"]["content"]
    assert "".join(each["token"] for each in told) == answer.text
    assert all(each["top_logprobs"][0]["logprob"] == each["logprob"] for each in told)
    assert [len(each["top_logprobs"]) for each in told] == [2] * 6
    assert "logprobs" not in chat.invoke("Name three rivers.").response_metadata


def test_nothing_is_told_of_tokens_that_was_not_asked(engine: Engine) -> None:
    answer = Answer(engine, engine.encode(RIVERS), Sampling(max_tokens=4))
    answer.end()
    assert answer.said
    assert not any(said.logprobs for said in answer.said)


def test_a_late_first_token_and_a_late_end_free_the_lane(engine: Engine) -> None:
    late = Answer(engine, engine.encode_text("word " * 400), Sampling(max_tokens=2), first_token_s=0.05)
    assert isinstance(late.end(), DeadlineExceeded)
    assert not late.said
    long = Answer(engine, engine.encode(STORY), Sampling(max_tokens=450), total_s=1.0)
    assert isinstance(long.end(), DeadlineExceeded)
    assert engine.under_way == engine.waiting == 0


def test_a_deadline_in_line_frees_the_place_and_a_hopeless_wait_is_refused_at_once(engine: Engine) -> None:
    story = engine.encode(STORY)
    running = [Answer(engine, story, Sampling(max_tokens=450)) for _ in range(3)]
    waiting = Answer(engine, story, Sampling(max_tokens=2), total_s=0.2)
    assert engine.waiting == 1
    with pytest.raises(ModelBusy) as busy:
        Answer(engine, story, Sampling(max_tokens=2), first_token_s=0.05)
    assert busy.value.retry_after_s
    assert busy.value.retry_after_s > 0.05
    assert isinstance(waiting.end(), DeadlineExceeded)
    assert (engine.under_way, engine.waiting) == (3, 0)
    for answer in running:
        engine.cancel(answer.generation)


def test_a_wait_is_shorter_where_readers_broke_off_the_answers_before() -> None:
    engine = open_engine()
    engine.warm()
    story, long = engine.encode(STORY), Sampling(max_tokens=400)

    def promised_s() -> float:
        answers = [Answer(engine, story, long, turn=f"turn {number}") for number in range(4)]
        outlook = engine.outlook("turn 3")
        for answer in answers[::-1]:
            engine.cancel(answer.generation)
        assert outlook
        return outlook.wait_s

    before_s = promised_s()
    for _ in range(12):
        answer = Answer(engine, story, long)
        answer.begin()
        engine.cancel(answer.generation)
    assert promised_s() < before_s / 2
    engine.close()


def test_only_the_request_that_crashes_the_process_fails(engine: Engine) -> None:
    story = engine.encode(STORY)
    beside = [Answer(engine, story, Sampling(max_tokens=40)) for _ in range(2)]
    for answer in beside:
        answer.begin()
    poison = Answer(engine, POISON, Sampling(max_tokens=2))
    behind = Answer(engine, story, Sampling(max_tokens=3))
    assert isinstance(poison.end(), ModelUnavailable)
    for answer in (*beside, behind):
        assert isinstance(answer.end(), Completion)


def test_idle_models_make_room_for_each_other_and_one_in_use_does_not() -> None:
    memory = Memory(estimated_bytes(read_head(find_gguf("local")), SMALL) * 3 // 2)
    first, second = open_engine(memory=memory), open_engine(memory=memory)
    prompt = first.encode(STORY)
    story = Answer(first, prompt, Sampling(max_tokens=60))
    story.begin()
    other = Answer(second, prompt, Sampling(max_tokens=2), turn="other")
    outlook = second.outlook("other")
    assert outlook
    assert (outlook.place, outlook.wait_s > 0) == (1, True)
    assert (second.pid, second.under_way) == (None, 0)
    later = Answer(first, prompt, Sampling(max_tokens=2))
    assert first.waiting == 1, "what came after the other model's request waits, although lanes are free"
    for answer in (story, other, later):
        assert isinstance(answer.end(), Completion)
    assert first.pid
    assert second.pid is None
    for engine in (first, second):
        engine.close()


def test_a_model_that_never_fits_is_refused() -> None:
    with pytest.raises(ModelUnavailable, match="raise model_memory_bytes"):
        ModelPool(ModelSettings(), memory_bytes=100 << 20).warm()


def test_a_model_takes_what_was_estimated(engine: Engine) -> None:
    estimate = estimated_bytes(read_head(find_gguf("local")), SMALL)
    first_logprobs(engine)
    assert estimate / 2 < psutil.Process(engine.pid).memory_info().rss < estimate


def test_a_model_that_nobody_needs_is_unloaded() -> None:
    engine = open_engine(SMALL.model_copy(update={"unload_after_s": 0.5}))
    assert isinstance(Answer(engine, engine.encode(RIVERS), Sampling(max_tokens=2)).end(), Completion)
    until(lambda: engine.pid is None)
    engine.close()


@pytest.mark.parametrize(
    ("tokens", "weights_bytes", "threads", "expected"),
    [
        (1, 145_000_000, 2, 1),
        (4, 145_000_000, 2, 1),
        (8, 145_000_000, 2, 2),
        (512, 145_000_000, 2, 2),
        (1, 4_000_000_000, 2, 2),
        (512, 145_000_000, 1, 1),
    ],
)
def test_a_pass_that_is_too_small_to_share_has_one_thread(
    tokens: int, weights_bytes: int, threads: int, expected: int
) -> None:
    assert quickest(tokens, weights_bytes, threads) == expected


def test_weights_in_eight_bits_say_the_same(engine: Engine) -> None:
    if not in_eight_bits(read_head(find_gguf("local"))):
        pytest.skip("this processor does not multiply bytes in one step (AVX-512 VNNI)")
    as_filed = open_engine(SMALL.model_copy(update={"rewrite": False}))
    before, after = first_logprobs(as_filed), first_logprobs(engine)
    as_filed.close()
    assert before != after
    assert next(iter(before)) == next(iter(after))
    assert all(after[token] == pytest.approx(before[token], abs=0.3) for token in list(before)[:3])


def test_an_adapter_changes_the_answer_by_its_scale(engine: Engine, tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter.gguf", inputs=1536, outputs=576)
    told = {}
    for scale in (0.0, 1.0):
        adapted = open_engine(SMALL.model_copy(update={"adapter": path, "adapter_scale": scale}))
        told[scale] = first_logprobs(adapted)
        adapted.close()
    assert told[0.0] == pytest.approx(first_logprobs(engine), abs=1e-3)
    assert told[1.0] != pytest.approx(told[0.0], abs=0.5)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "There is no adapter file adapter.gguf"),
        (b"GGUF is not what this is", "adapter.gguf is broken, or no LoRA adapter in GGUF for SmolLM2"),
        (100, "adapter.gguf is broken, or no LoRA adapter in GGUF for SmolLM2"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(content: bytes | int | None, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "adapter.gguf"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        write_adapter(path, inputs=content, outputs=576)
    engine = open_engine(SMALL.model_copy(update={"adapter": path}))
    with pytest.raises(ModelUnavailable, match=problem):
        engine.warm()
    engine.close()


def write_adapter(path: Path, *, inputs: int, outputs: int, rank: int = 4) -> Path:
    """A LoRA adapter in GGUF, version 3, that changes the last layer's output at random."""
    random = np.random.default_rng(3)
    matrices = {
        "blk.29.ffn_down.weight.lora_a": random.normal(size=(rank, inputs)),
        "blk.29.ffn_down.weight.lora_b": random.normal(size=(outputs, rank)),
    }
    values = {"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(matrices), len(values) + 1)
    for name, value in values.items():
        head += _text(name) + struct.pack("<I", 8) + _text(value)
    head += _text("adapter.lora.alpha") + struct.pack("<If", 6, rank)
    data = b""
    for name, matrix in matrices.items():
        head += _text(name) + struct.pack("<IQQIQ", 2, *reversed(matrix.shape), 0, len(data))
        data += _aligned(matrix.astype("<f4").tobytes())
    path.write_bytes(_aligned(head) + data)
    return path


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 32)
