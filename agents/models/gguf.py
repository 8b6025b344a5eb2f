"""A GGUF model in memory: the only place that touches llama-cpp."""

from __future__ import annotations

import ctypes
import logging
import os
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agents.errors import ModelUnavailable, Refused

if TYPE_CHECKING:
    from llama_cpp import Llama
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

ChatLine = dict[str, str]
"""`{"role": "system" | "user" | "assistant", "content": text}`"""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen, and when to stop."""

    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


class StopFlag:
    """A flag that any thread raises and that native code reads without Python's lock.

    It is a C string, empty until raised, and `strlen` is the abort callback that reads it: llama.cpp asks before each
    of some thousand operations per token. A callback written in Python takes the lock each time, and beside one busy
    Python thread that was measured to slow generation from 19 to 0.5 tokens/s.
    """

    def __init__(self) -> None:
        self._text = ctypes.create_string_buffer(2)

    def set(self) -> None:
        """Raise the flag, for good."""
        self._text[0] = b"!"

    def is_set(self) -> bool:
        """Whether it was raised."""
        return self._text[0] != b"\0"

    @property
    def address(self) -> int:
        """Where native code reads it, valid as long as this object lives."""
        return ctypes.addressof(self._text)


class Gguf:
    """A loaded model with one context. `pieces` must only ever run on one thread; the rest may run on any.

    The native memory is freed when the last reference goes.
    """

    def __init__(self, path: Path, *, context_tokens: int, threads: int = 0) -> None:
        """Load the file. Raises `ModelUnavailable` for one that is broken or has no chat template."""
        self._llama = _load(path, context_tokens, threads or _physical_cores())
        self.context_tokens: int = self._llama.n_ctx()
        self._template = _chat_template(self._llama, path)
        self._control = _control_tokens(self._llama)

    def encode(self, lines: Sequence[ChatLine]) -> list[int]:
        """The prompt's tokens, by the model's own chat template. Text that imitates a control token stays text."""
        harmless = [{**line, "content": self._defuse(line["content"])} for line in lines]
        try:
            prompt = self._template(messages=harmless).prompt  # type: ignore[arg-type]
        except Exception as error:
            raise Refused(f"The model's chat template refuses this conversation: {error}") from error
        return self._tokenize(prompt, special=True)

    def encode_text(self, text: str) -> list[int]:
        """The tokens of a plain text."""
        return self._tokenize(text, special=False)

    def pieces(self, prompt: Sequence[int], sampling: Sampling, stop: StopFlag) -> Generator[bytes, None, None]:
        """The bytes of each new token, until the model ends its turn or `stop` is set, which aborts the prefill too.

        Tokens that the prompt shares with the previous one from the start are not computed again.
        """
        import llama_cpp

        vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
        self._llama.set_seed(llama_cpp.LLAMA_DEFAULT_SEED if sampling.seed is None else sampling.seed)
        with self._aborting(stop), closing(self._llama.generate(prompt, temp=sampling.temperature)) as tokens:
            for token in tokens:
                if stop.is_set() or llama_cpp.llama_vocab_is_eog(vocab, token):
                    return
                yield self._llama.detokenize([token])

    @contextmanager
    def _aborting(self, stop: StopFlag) -> Iterator[None]:
        """Let `stop` break off native computation; forget the half-computed prompt if anything does."""
        import llama_cpp

        strlen = ctypes.cast(ctypes.CDLL(None).strlen, llama_cpp.ggml_abort_callback)
        llama_cpp.llama_set_abort_callback(self._llama.ctx, strlen, stop.address)
        try:
            yield
        except RuntimeError:
            self._llama.reset()
            if not stop.is_set():
                raise
        finally:
            llama_cpp.llama_set_abort_callback(self._llama.ctx, llama_cpp.ggml_abort_callback(), None)

    def _tokenize(self, text: str, *, special: bool) -> list[int]:
        return self._llama.tokenize(text.encode(errors="replace"), add_bos=False, special=special)

    def _defuse(self, text: str) -> str:
        """Break up what would be read as a control token, such as the end of the user's message."""
        return self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def _load(path: Path, context_tokens: int, threads: int) -> Llama:
    # OpenMP's threads spin while they wait for each other; beside one busy process on the same cores that was measured
    # to slow generation from 17 to 1 token/s. It reads this when it is first loaded, so a process that imports another
    # user of OpenMP before (torch) must set it earlier still.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from llama_cpp import Llama

    try:
        llama = Llama(str(path), n_ctx=context_tokens, n_threads=threads, n_threads_batch=threads, verbose=False)
    except Exception as error:
        raise ModelUnavailable(f"{path.name} cannot be loaded: it is broken, or not a GGUF model.") from error
    # Its notes on every aborted prefill would go to the terminal.
    logging.getLogger("llama-cpp-python").setLevel(logging.CRITICAL)
    return llama


def _chat_template(llama: Llama, path: Path) -> Jinja2ChatFormatter:
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    template = llama.metadata.get("tokenizer.chat_template")
    if template is None:
        raise ModelUnavailable(f"{path.name} has no chat template: choose an instruction-tuned GGUF.")
    eos, bos = (_token_text(llama, token) for token in (llama.token_eos(), llama.token_bos()))
    return Jinja2ChatFormatter(template=template, eos_token=eos, bos_token=bos)


def _token_text(llama: Llama, token: int) -> str:
    return llama.detokenize([token], special=True).decode(errors="replace") if token >= 0 else ""


def _control_tokens(llama: Llama) -> re.Pattern[str]:
    """Matches every text that the tokenizer reads as a control token."""
    import llama_cpp

    vocab = llama_cpp.llama_model_get_vocab(llama.model)
    tokens = [token for token in range(llama.n_vocab()) if llama_cpp.llama_vocab_is_control(vocab, token)]
    texts = {llama_cpp.llama_vocab_get_text(vocab, token).decode(errors="replace") for token in tokens}
    longest_first = sorted(filter(None, texts), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _physical_cores() -> int:
    """Cores that this process may use, counting neither hyperthreads nor what a container withholds."""
    from joblib import cpu_count

    return max(1, cpu_count(only_physical_cores=True))
