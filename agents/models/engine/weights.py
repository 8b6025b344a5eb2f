"""Weights in the form that this processor multiplies fastest, and what a model takes of the memory with them."""

from __future__ import annotations

import ctypes
from pathlib import Path

import llama_cpp as native

from agents.models.engine.head import Head
from agents.models.engine.requests import Specification

SLOW_KINDS = {str(native.LLAMA_FTYPE_MOSTLY_Q4_1), str(native.LLAMA_FTYPE_MOSTLY_Q5_1)}
"""llama.cpp has no fast way to multiply these; what they hold, eight bits hold nearly without loss."""
LARGEST_BYTES = 1_000_000_000
"""Larger files would take seconds to rewrite at each load."""
GROWTH = 34 / 20
"""Bytes of 32 weights in eight bits, by those of the smallest slow kind."""
WORKSPACE_BYTES = 150 << 20
"""Python, llama.cpp, and what a pass needs on the way."""


def in_eight_bits(head: Head) -> bool:
    """Whether a model is read faster when it is rewritten in eight bits."""
    return head.kind in SLOW_KINDS and head.size_bytes <= LARGEST_BYTES and _multiplies_bytes()


def rewrite(source: Path, target: Path, threads: int) -> bool:
    """Write the weights in eight bits; False where that fails, for instance for want of disk space."""
    params = native.llama_model_quantize_default_params()
    params.ftype = native.LLAMA_FTYPE_MOSTLY_Q8_0
    params.allow_requantize = True
    params.nthread = threads
    return native.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)) == 0


def _multiplies_bytes() -> bool:
    """Whether the processor sums up products of bytes in one step (AVX-512 VNNI), and llama.cpp was built for that."""
    return b"AVX512_VNNI = 1" in native.llama_print_system_info()


def estimated_bytes(head: Head, specification: Specification) -> int:
    """What a model takes at most: weights, lanes, copies of beginnings, and room to work."""
    rewritten = specification.rewrite and in_eight_bits(head)
    weights = head.size_bytes * (GROWTH if rewritten else 1)
    lanes = specification.lanes * specification.lane_tokens * head.token_bytes
    adapter = specification.adapter.stat().st_size if specification.adapter and specification.adapter.is_file() else 0
    return int(weights) + adapter + lanes + specification.copy_bytes + WORKSPACE_BYTES
