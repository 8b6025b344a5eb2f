"""A GGUF model's tokens and chat template, without its weights: what a prompt costs is known before it is sent."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from pathlib import Path

import llama_cpp as native
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from agents.errors import ModelUnavailable, Refused
from agents.models.engine.silence import SILENT

_PIECE_BYTES = 64

ChatLine = dict[str, str]
"""`{"role": "system" | "user" | "assistant", "content": text}`"""


class Vocabulary:
    """Texts to tokens and back. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        """Read the file's head. Raises `ModelUnavailable` for one that is broken or has no chat template."""
        params = native.llama_model_default_params()
        params.vocab_only = True
        native.llama_log_set(SILENT, ctypes.c_void_p(0))
        self._model = native.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise ModelUnavailable(f"{path.name} cannot be loaded: it is broken, or not a GGUF model.")
        self._vocab = native.llama_model_get_vocab(self._model)
        self._template = self._chat_template(path)
        self._control = self._control_tokens()

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

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of a token; none of a control token, unless `special`."""
        size = _PIECE_BYTES
        while True:
            buffer = ctypes.create_string_buffer(size)
            written = native.llama_token_to_piece(self._vocab, token, buffer, size, 0, special)
            if written >= 0:
                return buffer.raw[:written]
            size = -written

    def _tokenize(self, text: str, *, special: bool) -> list[int]:
        data = text.encode(errors="replace")
        room = len(data) + 1
        tokens = (native.llama_token * room)()
        count = native.llama_tokenize(self._vocab, data, len(data), tokens, room, False, special)
        return list(tokens[:count])

    def _defuse(self, text: str) -> str:
        """Break up what would be read as a control token, such as the end of the user's message."""
        return self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    def _chat_template(self, path: Path) -> Jinja2ChatFormatter:
        template = native.llama_model_chat_template(self._model, None)
        if template is None:
            raise ModelUnavailable(f"{path.name} has no chat template: choose an instruction-tuned GGUF.")
        eos, bos = (self._text(end(self._vocab)) for end in (native.llama_vocab_eos, native.llama_vocab_bos))
        return Jinja2ChatFormatter(template=template.decode(), eos_token=eos, bos_token=bos)

    def _control_tokens(self) -> re.Pattern[str]:
        """Matches every text that the tokenizer reads as a control token."""
        count = native.llama_vocab_n_tokens(self._vocab)
        tokens = [token for token in range(count) if native.llama_vocab_is_control(self._vocab, token)]
        longest_first = sorted(filter(None, map(self._text, tokens)), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def _text(self, token: int) -> str:
        return self.piece(token, special=True).decode(errors="replace") if token >= 0 else ""
