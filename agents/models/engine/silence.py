"""llama.cpp's notes on every load and abort, kept off the terminal."""

from __future__ import annotations

import llama_cpp as native


@native.llama_log_callback
def SILENT(level: int, text: bytes, data: object) -> None:
    """Drop it."""
