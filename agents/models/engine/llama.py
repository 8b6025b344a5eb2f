"""Weights and context of a GGUF model: the only place that touches llama.cpp, used by the engine's process alone."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import llama_cpp as native
import numpy as np

from agents.models.engine.head import LoadFailed
from agents.models.engine.requests import Sampling
from agents.models.engine.silence import SILENT

BATCH_TOKENS = 512
"""Tokens that one call of the model takes in at most."""
_TOKEN = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""`llama_token_data`."""
_WAITING_BYTES = 300e6
"""What a thread multiplies in the time in which two, at each of a pass's some hundred steps, wait for each other."""


class DecodeFailed(Exception):
    """llama.cpp could not compute a batch, for a reason that will not go away."""


class Step(NamedTuple):
    """One token to compute."""

    lane: int
    position: int
    token: int
    wanted: bool
    """Whether the next token's likelihoods are to be known."""


class StopFlag:
    """A flag that any thread raises and that native code reads without Python's lock.

    It is a C string, empty until raised, and `strlen` is the abort callback that reads it: llama.cpp asks before each
    of some thousand operations per token, and a callback written in Python would take the lock each time.
    """

    def __init__(self) -> None:
        self._text = ctypes.create_string_buffer(2)

    def set(self) -> None:
        """Raise it."""
        self._text[0] = b"!"

    def clear(self) -> None:
        """Lower it."""
        self._text[0] = b"\0"

    def is_set(self) -> bool:
        """Whether it is raised."""
        return self._text[0] != b"\0"

    @property
    def address(self) -> int:
        """Where native code reads it, valid as long as this object lives."""
        return ctypes.addressof(self._text)


class Llama:
    """A model with several lanes, each a conversation's memory of up to `lane_tokens` tokens. Not thread-safe."""

    def __init__(self, path: Path, *, lanes: int, lane_tokens: int, threads: int, mapped: bool = True) -> None:
        """Load the file, which must stay as it is if it is `mapped`. Raises `LoadFailed`."""
        native.llama_backend_init()
        native.llama_log_set(SILENT, ctypes.c_void_p(0))
        params = native.llama_model_default_params()
        params.use_mmap = mapped
        self._model = native.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise LoadFailed
        self._vocab = native.llama_model_get_vocab(self._model)
        self._context = native.llama_init_from_model(self._model, _params(lanes, lane_tokens, threads))
        if not self._context:
            raise LoadFailed
        self._threads = threads
        self._weights_bytes = native.llama_model_size(self._model)
        self._memory = native.llama_get_memory(self._context)
        self._tokens = native.llama_vocab_n_tokens(self._vocab)
        self._batch = native.llama_batch_init(BATCH_TOKENS, 0, 1)

    def adapt(self, path: Path, scale: float) -> None:
        """Let an adapter change the weights in all that is computed. Raises `LoadFailed`."""
        adapter = native.llama_adapter_lora_init(self._model, str(path).encode())
        if not adapter:
            raise LoadFailed
        adapters = (native.llama_adapter_lora_p_ctypes * 1)(adapter)
        if native.llama_set_adapters_lora(self._context, adapters, 1, (ctypes.c_float * 1)(scale)):
            raise LoadFailed

    def abort_on(self, flag: StopFlag) -> None:
        """Let a raised flag, which must live as long as this, break off what is being computed."""
        strlen = ctypes.cast(ctypes.CDLL(None).strlen, native.ggml_abort_callback)
        native.llama_set_abort_callback(self._context, strlen, ctypes.c_void_p(flag.address))

    def decode(self, steps: Sequence[Step]) -> bool:
        """Compute up to `BATCH_TOKENS` tokens; False where it was aborted, and lanes hold part of it.

        Raises `DecodeFailed`.
        """
        threads = quickest(len(steps), self._weights_bytes, self._threads)
        native.llama_set_n_threads(self._context, threads, threads)
        batch = self._batch
        batch.n_tokens = len(steps)
        for at, step in enumerate(steps):
            batch.token[at] = step.token
            batch.pos[at] = step.position
            batch.n_seq_id[at] = 1
            batch.seq_id[at][0] = step.lane
            batch.logits[at] = step.wanted
        code = native.llama_decode(self._context, batch)
        if code not in (0, 2):
            raise DecodeFailed(f"llama_decode returned {code}")
        return code == 0

    def keep(self, lane: int, tokens: int) -> None:
        """Forget what a lane holds beyond its first tokens."""
        native.llama_memory_seq_rm(self._memory, lane, tokens, -1)

    def save(self, lane: int) -> bytes:
        """A copy of what a lane holds."""
        size = native.llama_state_seq_get_size(self._context, lane)
        state = (ctypes.c_uint8 * size)()
        written = native.llama_state_seq_get_data(self._context, state, size, lane)
        return bytes(memoryview(state)[:written])

    def restore(self, lane: int, state: bytes) -> bool:
        """Let a lane hold what was saved, in place of what it holds; False where it can't."""
        self.keep(lane, 0)
        view = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        return bool(native.llama_state_seq_set_data(self._context, view, len(state), lane))

    def is_end(self, token: int) -> bool:
        """Whether a token ends the model's turn."""
        return bool(native.llama_vocab_is_eog(self._vocab, token))

    def sampler(self, sampling: Sampling) -> Sampler:
        """What chooses a request's tokens. Raises ValueError for a grammar that is none."""
        return Sampler(self._vocab, sampling)

    def choose(self, sampler: Sampler, index: int) -> int:
        """The next token after the `index`-th step of the last batch."""
        if sampler.grammar:
            return sampler.choose(self._logits(index))
        return native.llama_sampler_sample(sampler.chain, self._context, index)

    def logprobs(self, index: int, token: int, most: int) -> tuple[float, list[tuple[int, float]]]:
        """The log probability of a token after that step, and the likeliest tokens with theirs, likeliest first.

        They are the model's own, before temperature and grammar.
        """
        logits = self._logits(index)
        logprobs = logits - (logits.max() + np.log(np.exp(logits - logits.max()).sum()))
        likeliest = np.argsort(logprobs)[::-1][:most]
        return float(logprobs[token]), [(int(each), float(logprobs[each])) for each in likeliest]

    def _logits(self, index: int) -> np.ndarray:
        return np.ctypeslib.as_array(native.llama_get_logits_ith(self._context, index), (self._tokens,))


def quickest(tokens: int, weights_bytes: int, threads: int) -> int:
    """Threads for a pass: all of them, or one where sharing the work takes longer than doing it alone."""
    alone = tokens * weights_bytes
    return 1 if alone <= alone / threads + _WAITING_BYTES else threads


class Sampler:
    """Chooses one request's tokens."""

    def __init__(self, vocab: int, sampling: Sampling) -> None:
        self.grammar = _grammar(vocab, sampling.grammar) if sampling.grammar is not None else None
        self.chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        for part in _chain_parts(sampling):
            native.llama_sampler_chain_add(self.chain, part)

    def choose(self, logits: np.ndarray) -> int:
        """The next token, by the grammar.

        That takes 10 ms to judge all tokens. It judges the chosen one, and all only where it forbids that: each token
        is then as likely as if all had been judged first.
        """
        token = self._chosen(_Candidates(logits))
        if self._forbids(token):
            candidates = _Candidates(logits)
            native.llama_sampler_apply(self.grammar, candidates.pointer)
            token = self._chosen(candidates)
        self.accept(token)
        return token

    def accept(self, token: int) -> None:
        """Take a token for chosen."""
        native.llama_sampler_accept(self.chain, token)
        if self.grammar:
            native.llama_sampler_accept(self.grammar, token)

    def close(self) -> None:
        """Free the memory."""
        native.llama_sampler_free(self.chain)
        if self.grammar:
            native.llama_sampler_free(self.grammar)

    def _chosen(self, candidates: _Candidates) -> int:
        native.llama_sampler_apply(self.chain, candidates.pointer)
        return candidates.selected

    def _forbids(self, token: int) -> bool:
        alone = _Candidates(np.zeros(1, np.float32), first=token)
        native.llama_sampler_apply(self.grammar, alone.pointer)
        return bool(np.isneginf(alone.tokens["logit"][0]))


class _Candidates:
    """The tokens that come into question, as llama.cpp's samplers want them."""

    def __init__(self, logits: np.ndarray, first: int = 0) -> None:
        self.tokens = np.empty(len(logits), _TOKEN)
        self.tokens["id"] = np.arange(first, first + len(logits))
        self.tokens["logit"] = logits
        self._array = native.llama_token_data_array(
            data=self.tokens.ctypes.data_as(native.llama_token_data_p), size=len(logits), selected=-1, sorted=False
        )
        self.pointer = ctypes.pointer(self._array)

    @property
    def selected(self) -> int:
        """The one that a sampler chose."""
        return int(self._array.data[self._array.selected].id)


def _grammar(vocab: int, text: str) -> int:
    grammar = native.llama_sampler_init_grammar(vocab, text.encode(), b"root")
    if not grammar:
        raise ValueError("The grammar cannot be read: write GBNF with a rule named root.")
    return grammar


def _chain_parts(sampling: Sampling) -> list[int]:
    if sampling.temperature == 0:
        return [native.llama_sampler_init_greedy()]
    seed = native.LLAMA_DEFAULT_SEED if sampling.seed is None else sampling.seed
    top_p = [native.llama_sampler_init_top_p(sampling.top_p, 1)] if sampling.top_p < 1 else []
    return [*top_p, native.llama_sampler_init_temp(sampling.temperature), native.llama_sampler_init_dist(seed)]


def _params(lanes: int, lane_tokens: int, threads: int) -> native.llama_context_params:
    params = native.llama_context_default_params()
    params.n_ctx = lanes * lane_tokens
    params.n_seq_max = lanes
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.n_threads = params.n_threads_batch = threads
    params.kv_unified = False  # else every token would be compared with what all lanes hold
    params.no_perf = True
    return params
