"""A GGUF model's tokens and chat template, without its weights: what a prompt costs is known before it is sent."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp as native

from agents.errors import ModelUnavailable, Refused
from agents.models.engine.forms import CallForm
from agents.models.engine.silence import SILENT
from agents.models.engine.template import ChatLine, ChatTemplate, ToolSpec

_PIECE_BYTES = 64


class Vocabulary:
    """Texts to tokens and back. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        """Read the file's head. Raises `ModelUnavailable` for one that is broken or has no good chat template."""
        params = native.llama_model_default_params()
        params.vocab_only = True
        native.llama_log_set(SILENT, ctypes.c_void_p(0))
        self._model = native.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise ModelUnavailable(f"{path.name} cannot be loaded: it is broken, or not a GGUF model.")
        self._vocab = native.llama_model_get_vocab(self._model)
        self._template = self._chat_template(path)
        self._control = self._control_tokens()
        self._shown = self._call_tokens()

    @property
    def call_form(self) -> CallForm:
        """How the model writes calls of tools."""
        return self._template.form

    def encode(self, lines: Sequence[ChatLine], tools: Sequence[ToolSpec] = ()) -> list[int]:
        """The prompt's tokens, by the model's own chat template. Text that imitates a control token stays text.

        Raises `Refused` where the template does, or where arguments of tools are nested too deeply.
        """
        try:
            prompt = self._template.render(self._defused(lines), self._defused(tools))
        except RecursionError as error:
            raise Refused("A tool's arguments are nested too deeply. Start a new conversation.") from error
        return self._tokenize(prompt, special=True)

    def encode_text(self, text: str) -> list[int]:
        """The tokens of a plain text."""
        return self._tokenize(text, special=False)

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of a token; none of a control token, unless `special` or part of how a call is written."""
        special = special or token in self._shown
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

    def _defused(self, value: Any) -> Any:
        """A copy in which all texts are broken up where they would be read as a control token or as a call."""
        if isinstance(value, str):
            return self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", value)
        if isinstance(value, dict):
            return {self._defused(key): self._defused(part) for key, part in value.items()}
        return [self._defused(part) for part in value] if isinstance(value, list | tuple) else value

    def _chat_template(self, path: Path) -> ChatTemplate:
        text = native.llama_model_chat_template(self._model, None)
        if text is None:
            raise ModelUnavailable(f"{path.name} has no chat template: choose an instruction-tuned GGUF.")
        eos, bos = (self._text(end(self._vocab)) for end in (native.llama_vocab_eos, native.llama_vocab_bos))
        template = ChatTemplate(text.decode(errors="replace"), bos=bos, eos=eos)
        try:
            template.render([{"role": "user", "content": "Hello"}])
        except Refused as error:
            raise ModelUnavailable(f"{path.name} cannot be used. {error.message}") from error
        return template

    def _control_tokens(self) -> re.Pattern[str]:
        """Matches every text that the tokenizer reads as a control token, or a call's frame."""
        count = native.llama_vocab_n_tokens(self._vocab)
        tokens = [token for token in range(count) if native.llama_vocab_is_control(self._vocab, token)]
        longest_first = sorted(filter(None, {*map(self._text, tokens), *self._frame()}), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def _call_tokens(self) -> set[int]:
        """The control tokens that begin or end a call."""
        frames = (self._tokenize(text, special=True) for text in self._frame())
        return {tokens[0] for tokens in frames if len(tokens) == 1}

    def _frame(self) -> list[str]:
        return [self.call_form.begin.strip(), self.call_form.end.strip()]

    def _text(self, token: int) -> str:
        return self.piece(token, special=True).decode(errors="replace") if token >= 0 else ""
