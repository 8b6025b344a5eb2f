"""The local model through Parley beside a raw `llama_cpp.Llama`: time to first token, and the rate after it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from joblib import cpu_count
from langchain_core.messages import HumanMessage
from llama_cpp import Llama
from rich.progress import Progress

from agents.models.files import find_gguf
from agents.models.local import LlamaChat
from agents.models.settings import ModelSettings
from evals.bench.figures import Figure, Target, alternately, median
from evals.setup import DOCS

CONTEXT_TOKENS = 2048
AGAINST = "llama_cpp.Llama"


def measure(
    folder: Path, progress: Progress, *, repetitions: int = 5, tokens: int = 64, prompt_chars: int = 2000
) -> list[Figure]:
    """The same prompt to both, one after the other; each repetition begins anew, so that no prefix is reused."""
    threads = cpu_count(only_physical_cores=True)
    chat = LlamaChat.build(ModelSettings(context_tokens=CONTEXT_TOKENS, threads=threads))
    llama = Llama(
        str(find_gguf("local")), n_ctx=CONTEXT_TOKENS, n_threads=threads, n_threads_batch=threads, verbose=False
    )
    sides = {
        "parley": lambda text: asyncio.run(_parley(chat, text, tokens)),
        "raw": lambda text: _raw(llama, text, tokens),
    }
    for side in sides.values():
        side("Say hello.")
    times: dict[str, list[list[float]]] = {name: [] for name in sides}
    for turn, name in progress.track(alternately(list(sides), repetitions), description="local model"):
        times[name].append(sides[name](_prompt(turn, prompt_chars)))
    chat.close()
    llama.close()
    first = {name: median([pieces[0] * 1000 for pieces in runs]) for name, runs in times.items()}
    rate = {name: median([_tokens_per_s(pieces) for pieces in runs]) for name, runs in times.items()}
    return [
        Figure("time to first token", "ms", first["parley"], first["raw"], AGAINST, Target("ratio", "≤", 1.05)),
        Figure("generation", "tokens/s", rate["parley"], rate["raw"], AGAINST, Target("ratio", "≥", 0.95)),
    ]


async def _parley(chat: LlamaChat, text: str, tokens: int) -> list[float]:
    """When each piece of the answer came, in seconds since the request."""
    began = time.perf_counter()
    chunks = chat.astream([HumanMessage(text)], max_tokens=tokens)
    return [time.perf_counter() - began async for chunk in chunks if chunk.text]


def _raw(llama: Llama, text: str, tokens: int) -> list[float]:
    began = time.perf_counter()
    chunks: Any = llama.create_chat_completion(
        [{"role": "user", "content": text}], max_tokens=tokens, temperature=0.0, stream=True
    )
    return [time.perf_counter() - began for chunk in chunks if chunk["choices"][0]["delta"].get("content")]


def _tokens_per_s(pieces: list[float]) -> float:
    return (len(pieces) - 1) / (pieces[-1] - pieces[0])


def _prompt(turn: int, chars: int) -> str:
    """A prompt as long as a turn's, that differs from the others from its beginning."""
    text = (DOCS / "ingest.md").read_text(encoding="utf-8")
    return f"Copy number {turn} of a manual.\n\n{text[:chars]}\n\nExplain in detail how a folder is ingested."
