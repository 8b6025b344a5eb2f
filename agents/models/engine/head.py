"""What the head of a GGUF file says of a model: enough to know what it takes, without reading its weights."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import llama_cpp as native

from agents.models.engine.silence import SILENT

_VALUE_BYTES = 256


class LoadFailed(Exception):
    """The file is broken, or no GGUF model, or memory does not suffice."""


@dataclass(frozen=True)
class Head:
    """A model as its file describes it."""

    kind: str
    """In which form most weights are stored, as llama.cpp numbers them."""
    size_bytes: int
    token_bytes: int
    """What the model remembers of one token, in 16 bits: a key and a value for each layer and head."""


def read_head(path: Path) -> Head:
    """The head of a file. Raises `LoadFailed`."""
    params = native.llama_model_default_params()
    params.vocab_only = True
    native.llama_log_set(SILENT, ctypes.c_void_p(0))
    model = native.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise LoadFailed
    try:
        kind = _text(model, "general.file_type")
        return Head(kind=kind, size_bytes=path.stat().st_size, token_bytes=_token_bytes(model))
    finally:
        native.llama_model_free(model)


def _token_bytes(model: int) -> int:
    number = partial(_number, model, _text(model, "general.architecture"))
    heads = number("attention.head_count", 1)
    size = number("embedding_length", 0) // heads
    both = number("attention.key_length", size) + number("attention.value_length", size)
    return 2 * number("block_count", 0) * number("attention.head_count_kv", heads) * both


def _number(model: int, family: str, name: str, default: int) -> int:
    value = _text(model, f"{family}.{name}")
    return int(value) if value.isdecimal() and int(value) else default


def _text(model: int, name: str) -> str:
    buffer = ctypes.create_string_buffer(_VALUE_BYTES)
    written = native.llama_model_meta_val_str(model, name.encode(), buffer, _VALUE_BYTES)
    return buffer.value.decode(errors="replace") if written >= 0 else ""
